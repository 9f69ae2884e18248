//! What the arguments of a system call mean, read from the memory of whoever makes it: numbers, or pointers to what may
//! change while it is read.

use super::descriptor;
use crate::sys::{memory, peers, syscalls};

/// Descriptors that are told of one call.
const MOST: usize = 4;
/// Bytes of a path.
const LONGEST_PATH: usize = 256;
/// The largest `struct sockaddr` (`sys/socket.h`, sockaddr_storage).
const LONGEST_ADDRESS: u64 = 128;

/// What a call waits for, by its name.
pub(super) fn meaning(process: u32, call: &str, arguments: &[u64; 6]) -> Option<Vec<u8>> {
    let [first, second, third, _, fifth, sixth] = *arguments;
    let text = |text: String| Some(text.into_bytes());
    match call {
        "futex" => text(format!("{first:#x}")),
        "open" => memory::text(process, first, LONGEST_PATH),
        "openat" => memory::text(process, second, LONGEST_PATH),
        "connect" => address(process, second, third),
        "sendto" if fifth != 0 => address(process, fifth, sixth),
        "poll" | "ppoll" => polled(process, first, second),
        "select" | "pselect6" => selected(process, first, [second, third, arguments[3]]),
        "wait4" if first as i32 > 0 => text(format!("process {first}")),
        "waitid" if first == u64::from(libc::P_PID) => text(format!("process {second}")),
        "semop" | "semtimedop" => text(format!("semaphores {first}")),
        _ if syscalls::takes_descriptor_by_name(call) => descriptor::name(process, first),
        _ => None,
    }
}

fn address(process: u32, at: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length.min(LONGEST_ADDRESS) as usize];
    let read = memory::read(process, at, &mut bytes);
    peers::parse(&bytes[..read])
}

/// An array of `struct pollfd`.
fn polled(process: u32, at: u64, count: u64) -> Option<Vec<u8>> {
    const SIZE: usize = size_of::<libc::pollfd>();
    let mut bytes = vec![0; SIZE * count.min(MOST as u64) as usize];
    let read = memory::read(process, at, &mut bytes);
    let fd = |entry: &[u8]| Some(i32::from_ne_bytes(entry.get(..4)?.try_into().ok()?));
    let fds = bytes[..read].chunks_exact(SIZE).filter_map(fd).filter(|fd| *fd >= 0);
    list(process, fds.map(i32::cast_unsigned).map(u64::from), count)
}

/// Three sets of bits (`select(2)`).
fn selected(process: u32, count: u64, sets: [u64; 3]) -> Option<Vec<u8>> {
    let count = count.min(libc::FD_SETSIZE as u64);
    let bytes = count.div_ceil(8) as usize;
    let mut all = vec![0; bytes];
    for set in sets.into_iter().filter(|set| *set != 0) {
        let mut one = vec![0; bytes];
        let read = memory::read(process, set, &mut one);
        all.iter_mut().zip(&one[..read]).for_each(|(all, one)| *all |= one);
    }
    let is_set = |fd: &u64| all[(fd / 8) as usize] & (1 << (fd % 8)) != 0;
    let total = (0..count).filter(is_set).count() as u64;
    list(process, (0..count).filter(is_set).take(MOST), total)
}

/// Some descriptors of `total`.
pub(super) fn list(process: u32, fds: impl Iterator<Item = u64>, total: u64) -> Option<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = fds.filter_map(|fd| descriptor::name(process, fd)).collect();
    let left_out = total.saturating_sub(MOST as u64);
    if names.is_empty() {
        return None;
    }
    if left_out > 0 {
        names.push(format!("{left_out} more").into_bytes());
    }
    Some(names.join(&b", "[..]))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsRawFd;

    use super::*;

    fn told(call: &str, arguments: [u64; 6]) -> Option<String> {
        meaning(std::process::id(), call, &arguments).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn arguments_of_this_process_have_a_meaning() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let listening = format!("tcp listening at {at}");
        let fd = listener.as_raw_fd();
        assert_eq!(told("accept4", [fd as u64, 0, 0, 0, 0, 0]).unwrap(), listening);
        let polled = [libc::pollfd { fd, events: 1, revents: 0 }; 6];
        let words = [polled.as_ptr() as u64, 1, 0, 0, 0, 0];
        assert_eq!(told("poll", words).unwrap(), listening);
        let text = told("ppoll", [words[0], 6, 0, 0, 0, 0]).unwrap();
        assert!(text.starts_with(&listening) && text.ends_with(", 2 more"), "{text}");
        let mut set = [0_u8; 128];
        set[fd as usize / 8] |= 1 << (fd % 8);
        let words = [1024, 0, set.as_ptr() as u64, 0, 0, 0];
        assert_eq!(told("select", words).unwrap(), listening);
        let path = c"/srv/slow/file";
        assert_eq!(
            told("openat", [0, path.as_ptr() as u64, 0, 0, 0, 0]).unwrap(),
            "/srv/slow/file"
        );
        assert_eq!(told("wait4", [77, 0, 0, 0, 0, 0]).unwrap(), "process 77");
        assert_eq!(told("futex", [0x1000, 0, 0, 0, 0, 0]).unwrap(), "0x1000");
    }

    #[test]
    fn nonsense_has_none() {
        let words = [u64::MAX; 6];
        for call in ["openat", "connect", "sendto", "poll", "select", "read", "wait4", "nanosleep"]
        {
            assert_eq!(told(call, words), None, "{call}");
        }
        assert_eq!(told("poll", [0, u64::MAX, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_datagram_goes_to_its_address() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut inet = [0_u8; 16];
        inet[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        inet[2..8].copy_from_slice(&[0, 53, 10, 0, 0, 1]);
        let words = [udp.as_raw_fd() as u64, 0, 0, 0, inet.as_ptr() as u64, 16];
        assert_eq!(told("sendto", words).unwrap(), "10.0.0.1:53");
        let at = udp.local_addr().unwrap();
        assert_eq!(told("recvfrom", [words[0], 0, 0, 0, 0, 0]).unwrap(), format!("udp at {at}"));
    }
}
