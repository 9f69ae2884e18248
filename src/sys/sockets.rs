//! Options of listening sockets, which accepted ones inherit; pairs, and what comes over them.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::sockopt::{
    set_socket_send_buffer_size, set_socket_send_buffer_size_force, set_tcp_nodelay,
    set_tcp_user_timeout,
};

/// Small writes are sent at once (`tcp(7)`, TCP_NODELAY).
///
/// # Errors
/// As `setsockopt(2)`.
pub fn send_at_once(socket: impl AsFd) -> io::Result<()> {
    Ok(set_tcp_nodelay(socket, true)?)
}

/// A peer that acknowledges nothing, or makes no room, for so long has gone (`tcp(7)`, TCP_USER_TIMEOUT).
///
/// # Errors
/// As `setsockopt(2)`.
pub fn give_up_after(socket: impl AsFd, limit: Duration) -> io::Result<()> {
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    Ok(set_tcp_user_timeout(socket, milliseconds)?)
}

/// Reads into the room that `into` has, without waiting. Descriptors that come along are closed; whether there were any, since
/// the kernel ends a read behind them (`unix(7)`).
///
/// # Errors
/// As `recvmsg(2)`.
pub fn receive(socket: impl AsFd, into: &mut Vec<u8>) -> rustix::io::Result<(usize, bool)> {
    let room = into.spare_capacity_mut();
    let mut piece = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: all zeros is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    // SAFETY: the message names the vector's room, which nobody else has now, and no room for descriptors.
    let result =
        unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let Ok(bytes) = usize::try_from(result) else {
        let problem = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        return Err(Errno::from_raw_os_error(problem));
    };
    // SAFETY: the kernel has written so many bytes, into the room.
    unsafe { into.set_len(into.len() + bytes) };
    Ok((bytes, message.msg_flags & libc::MSG_CTRUNC != 0))
}

/// What one end of a pair may have sent before the other reads.
const WIDE: usize = 1024 * 1024;

/// A pair of connected sockets that hold 1 MiB each way, or as much of it as this process may ask for
/// (`socket(7)`, SO_SNDBUFFORCE, wmem_max): bodies pass in few turns.
///
/// # Errors
/// As `socketpair(2)`, `setsockopt(2)`.
pub fn wide_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = UnixStream::pair()?;
    for end in [&one, &other] {
        if set_socket_send_buffer_size_force(end, WIDE).is_err() {
            set_socket_send_buffer_size(end, WIDE)?;
        }
    }
    Ok((one, other))
}

/// No interface has this index.
const NOWHERE: libc::c_int = libc::c_int::MAX;

/// From now on the kernel refuses each attempt to open a connection to this listening socket, as if nobody listened:
/// it is bound to an interface that does not exist (`socket(7)`, SO_BINDTOIFINDEX, Linux 5.0). Connections that wait to
/// be accepted, and handshakes that have begun, are not touched; closing the socket would reset them.
///
/// # Errors
/// As `setsockopt(2)`; EPERM where it is bound to an interface already and this process lacks CAP_NET_RAW.
pub fn refuse_attempts(listening: impl AsFd) -> io::Result<()> {
    let nowhere = NOWHERE;
    // SAFETY: the kernel reads one int, which lives longer than the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            listening.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTOIFINDEX,
            (&raw const nowhere).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_is_in_stays_in_and_nobody_comes_after() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let mut early = TcpStream::connect(address).unwrap();
            refuse_attempts(&listener).unwrap();
            let late = TcpStream::connect(address);
            assert_eq!(late.unwrap_err().kind(), ErrorKind::ConnectionRefused);
            let (mut accepted, _) = listener.accept().unwrap();
            early.write_all(b"x").unwrap();
            accepted.read_exact(&mut [0]).unwrap();
        }
    }

    #[test]
    fn accepted_sockets_inherit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        send_at_once(&listener).unwrap();
        give_up_after(&listener, Duration::from_secs(7)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(rustix::net::sockopt::tcp_nodelay(&accepted).unwrap());
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&accepted).unwrap(), 7000);
    }
}
