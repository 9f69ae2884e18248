//! What a socket of another process is, by its inode, from `/proc/PID/net`: the way where `pidfd_getfd(2)` is forbidden.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes that are read of each table: some 25,000 sockets.
const MOST: u64 = 4 << 20;

/// A socket as a table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `tcp` or `udp`.
    pub kind: &'static str,
    /// Its own address.
    pub local: SocketAddr,
    /// Its peer's, where it has one.
    pub peer: Option<SocketAddr>,
}

/// The socket with this inode, of TCP or UDP, in the network namespace of `pid`.
#[must_use]
pub fn find(pid: u32, inode: u64) -> Option<Entry> {
    let tables = [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")];
    tables.into_iter().find_map(|(table, kind)| {
        let file = File::open(format!("/proc/{pid}/net/{table}")).ok()?;
        let lines = BufReader::new(file.take(MOST)).lines().map_while(Result::ok);
        lines
            .filter_map(|line| parse(&line, kind))
            .find(|(of, _)| *of == inode)
            .map(|(_, entry)| entry)
    })
}

/// A line of `proc_net_tcp(5)`, with its inode.
fn parse(line: &str, kind: &'static str) -> Option<(u64, Entry)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let peer = address(fields.next()?)?;
    let inode = fields.nth(6)?.parse().ok()?;
    Some((inode, Entry { kind, local, peer: (peer.port() != 0).then_some(peer) }))
}

/// `0100007F:1F90`: the address as words of this machine.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| {
        let digits = ip.get(at..at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (number, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(number * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::linux::fs::MetadataExt;

    use super::*;

    fn inode(socket: impl AsFd) -> u64 {
        let path = format!("/proc/self/fd/{}", socket.as_fd().as_raw_fd());
        std::fs::metadata(path).unwrap().st_ino()
    }

    #[test]
    fn sockets_of_this_process_are_found_with_their_peers() {
        let me = std::process::id();
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(any).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let found = find(me, inode(&client)).unwrap();
            assert_eq!((found.kind, found.peer), ("tcp", Some(listener.local_addr().unwrap())));
            let found = find(me, inode(&listener)).unwrap();
            assert_eq!((found.local, found.peer), (listener.local_addr().unwrap(), None));
            let udp = UdpSocket::bind(any).unwrap();
            let found = find(me, inode(&udp)).unwrap();
            assert_eq!((found.kind, found.local), ("udp", udp.local_addr().unwrap()));
        }
        assert_eq!(find(me, 1), None);
    }

    #[test]
    fn lines_that_are_none() {
        for bad in [
            "",
            "sl local rem",
            "0: 0100007F 0:0 0A 0:0 0:0 0 0 0 7",
            "0: 01:1 02:2 0A 0 0 0 0 0 7",
        ] {
            assert_eq!(parse(bad, "tcp"), None, "{bad}");
        }
    }
}
