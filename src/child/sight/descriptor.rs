//! What a descriptor of a process is: a peer, a path, a pipe; and what an epoll instance waits for.

use std::os::unix::ffi::OsStrExt;

use super::arguments::list;
use crate::sys::peers::{self, Ends};
use crate::sys::pidfd::PidFd;
use crate::sys::procfs::{self, sockets};

/// Descriptors of an epoll instance that are counted.
const MOST_TARGETS: usize = 64;
/// Of these so many are told.
const TOLD: usize = 4;

/// `tcp 10.0.0.7:5432`, `/var/lib/a.db`, `pipe:[42]`; `None` where there is no such descriptor.
pub(super) fn name(process: u32, fd: u64) -> Option<Vec<u8>> {
    let target = procfs::descriptor_target(process, fd)?;
    let text = target.as_os_str().as_bytes();
    let inode = text.strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
    match (inode, text) {
        (Some(inode), _) => socket(process, fd, inode),
        (None, b"anon_inode:[eventpoll]") => Some(epoll(process, fd)),
        (None, _) => Some(text.strip_prefix(b"anon_inode:").unwrap_or(text).to_owned()),
    }
}

/// Those that it waits for may be instances as well: they are not followed.
fn epoll(process: u32, fd: u64) -> Vec<u8> {
    let targets = procfs::epoll_targets(process, fd, MOST_TARGETS);
    let is_plain = |target: &u64| {
        procfs::descriptor_target(process, *target)
            .is_some_and(|path| path.as_os_str() != "anon_inode:[eventpoll]")
    };
    let total = targets.len() as u64;
    let some = targets.into_iter().take(TOLD).filter(is_plain);
    match list(process, some, total) {
        Some(names) => [b"epoll of ", &names[..]].concat(),
        None => b"epoll".to_vec(),
    }
}

/// By a duplicate of it, which knows its peer; where this process may not have one, by the kernel's tables.
fn socket(process: u32, fd: u64, inode: &[u8]) -> Option<Vec<u8>> {
    let fd = i32::try_from(fd).ok()?;
    let duplicate = PidFd::open(process).and_then(|process| process.duplicate(fd));
    let ends = match duplicate {
        Ok(socket) => peers::ends(&socket)?,
        Err(_) => {
            let found = sockets::find(process, str::from_utf8(inode).ok()?.parse().ok()?);
            let Some(found) = found else { return Some([b"socket:[", inode, b"]"].concat()) };
            let text = |address: std::net::SocketAddr| address.to_string().into_bytes();
            let (local, peer) = (Some(text(found.local)), found.peer.map(text));
            let is_listening = found.kind == "tcp" && peer.is_none();
            Ends { kind: found.kind, is_listening, local, peer }
        }
    };
    Some(in_words(ends))
}

fn in_words(ends: Ends) -> Vec<u8> {
    let kind = ends.kind.as_bytes();
    match ends {
        Ends { peer: Some(peer), .. } => [kind, b" ", &peer].concat(),
        Ends { is_listening: true, local: Some(local), .. } => {
            [kind, b" listening at ", &local].concat()
        }
        Ends { local: Some(local), .. } => [kind, b" at ", &local].concat(),
        Ends { .. } => [kind, b" without a name"].concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;

    use rustix::event::epoll;

    use super::*;

    fn told(fd: impl AsFd) -> String {
        let fd = fd.as_fd().as_raw_fd() as u64;
        String::from_utf8(name(std::process::id(), fd).unwrap()).unwrap()
    }

    #[test]
    fn descriptors_of_this_process_have_names() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let (pipe, _writer) = std::io::pipe().unwrap();
        assert_eq!(told(&client), format!("tcp {at}"));
        assert_eq!(told(&listener), format!("tcp listening at {at}"));
        assert_eq!(told(File::open("/etc/passwd").unwrap()), "/etc/passwd");
        assert!(told(&pipe).starts_with("pipe:["), "{}", told(&pipe));
        assert_eq!(told(UnixStream::pair().unwrap().0), "unix without a name");
        let instance = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        assert_eq!(told(&instance), "epoll");
        let (data, flags) = (epoll::EventData::new_u64(0), epoll::EventFlags::IN);
        epoll::add(&instance, &client, data, flags).unwrap();
        assert_eq!(told(&instance), format!("epoll of tcp {at}"));
        let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        epoll::add(&outer, &instance, data, flags).unwrap();
        assert_eq!(told(&outer), "epoll");
        assert_eq!(name(std::process::id(), u64::MAX), None);
    }
}
