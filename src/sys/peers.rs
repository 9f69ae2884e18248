//! What a socket is and whom it talks to: `getsockname(2)`, `getpeername(2)`, and addresses as system calls are given them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType};
use rustix::net::{getpeername, getsockname};

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// `tcp`, `udp`, `unix`, or `socket` for any other.
    pub kind: &'static str,
    /// It accepts connections.
    pub is_listening: bool,
    /// Its own address, where it has one: hostile bytes, if it is a path.
    pub local: Option<Vec<u8>>,
    /// That of its peer, where it has one.
    pub peer: Option<Vec<u8>>,
}

/// Of this socket; `None` where it is none.
#[must_use]
pub fn ends(socket: impl AsFd) -> Option<Ends> {
    let kind = match (socket_domain(&socket).ok()?, socket_type(&socket).ok()?) {
        (AddressFamily::INET | AddressFamily::INET6, SocketType::STREAM) => "tcp",
        (AddressFamily::INET | AddressFamily::INET6, SocketType::DGRAM) => "udp",
        (AddressFamily::UNIX, _) => "unix",
        _ => "socket",
    };
    Some(Ends {
        kind,
        is_listening: socket_acceptconn(&socket).unwrap_or(false),
        local: getsockname(&socket).ok().and_then(text),
        peer: getpeername(&socket).ok().flatten().and_then(text),
    })
}

/// `10.0.0.7:5432`, `[::1]:80`, `/run/a.sock`, `@abstract`.
fn text(address: SocketAddrAny) -> Option<Vec<u8>> {
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return Some(address.to_string().into_bytes());
    }
    let address = SocketAddrUnix::try_from(address).ok()?;
    match (address.path_bytes(), address.abstract_name()) {
        (Some(path), _) => Some(path.to_owned()),
        (None, Some(name)) if !name.is_empty() => Some([b"@", name].concat()),
        _ => None,
    }
}

/// What `connect(2)` is given: a `struct sockaddr` in memory.
#[must_use]
pub fn parse(sockaddr: &[u8]) -> Option<Vec<u8>> {
    let family = u16::from_ne_bytes(sockaddr.get(..2)?.try_into().ok()?);
    let port = || sockaddr.get(2..4)?.try_into().ok().map(u16::from_be_bytes);
    let ip: IpAddr = match i32::from(family) {
        libc::AF_INET => Ipv4Addr::from(<[u8; 4]>::try_from(sockaddr.get(4..8)?).ok()?).into(),
        libc::AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(sockaddr.get(8..24)?).ok()?).into(),
        libc::AF_UNIX => {
            let path = sockaddr.get(2..)?;
            let is_abstract = path.first() == Some(&0);
            let name = if is_abstract { path.get(1..)? } else { path };
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            let mark: &[u8] = if is_abstract { b"@" } else { b"" };
            return Some([mark, &name[..end]].concat());
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port()?).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn sockets_say_what_they_are() {
        let text = |address: SocketAddr| Some(address.to_string().into_bytes());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let said = ends(&listener).unwrap();
        assert_eq!((said.kind, said.is_listening, said.peer), ("tcp", true, None));
        let client = TcpStream::connect(address).unwrap();
        let said = ends(&client).unwrap();
        assert_eq!((said.kind, said.is_listening, said.peer), ("tcp", false, text(address)));
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let said = ends(&udp).unwrap();
        assert_eq!((said.kind, said.local), ("udp", text(udp.local_addr().unwrap())));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _listens = UnixListener::bind(&path).unwrap();
        let said = ends(UnixStream::connect(&path).unwrap()).unwrap();
        assert_eq!(
            (said.kind, said.peer),
            ("unix", Some(path.as_os_str().as_encoded_bytes().to_vec()))
        );
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(ends(&one).unwrap().peer, None);
        assert_eq!(ends(std::io::stdin()).filter(|said| said.kind == "tcp"), None);
    }

    #[test]
    fn addresses_in_memory() {
        let family = |family: i32| (family as u16).to_ne_bytes().to_vec();
        let inet = [family(libc::AF_INET), vec![0x15, 0x38, 10, 0, 0, 7, 0, 0]].concat();
        assert_eq!(parse(&inet).unwrap(), b"10.0.0.7:5432");
        let mut inet6 = [family(libc::AF_INET6), vec![0, 80], vec![0; 20]].concat();
        inet6[23] = 1;
        assert_eq!(parse(&inet6).unwrap(), b"[::1]:80");
        let unix = [family(libc::AF_UNIX), b"/run/s\0rest".to_vec()].concat();
        assert_eq!(parse(&unix).unwrap(), b"/run/s");
        let hidden = [family(libc::AF_UNIX), b"\0name".to_vec()].concat();
        assert_eq!(parse(&hidden).unwrap(), b"@name");
        for bad in [&[][..], &inet[..6], &inet6[..23], &[0, 0, 0, 0]] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
