//! Listening sockets that this process was given: by systemd (`sd_listen_fds(3)`), or by the process that it succeeds.
//! Each is used by one listener, or told of and closed; none is ignored.

use std::fmt::Write as _;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, PoisonError};

use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use crate::config::{Address, Listener};
use crate::sys::descriptors::{adopt, identity};

/// `NAME=NUMBER/INODE/OWNER,…`: what a process leaves to the one that it starts in its place.
pub const VARIABLE: &str = "COFFERDAM_LISTENERS";

/// Sockets that no listener has claimed yet.
#[derive(Default)]
pub struct Passed(Mutex<Vec<Given>>);

/// A listening socket that somebody else opened.
#[derive(Debug)]
pub struct Given {
    name: String,
    /// The socket itself.
    pub socket: Opened,
    /// Systemd keeps it open when this process ends, and gives it to the next.
    pub is_kept: bool,
}

/// A listening socket of no runtime.
#[derive(Debug)]
pub enum Opened {
    /// Over TCP.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

/// A descriptor that is no listening socket.
#[derive(Debug, thiserror::Error)]
#[error(
    "descriptor {number} (`{name}`), which this process was given to listen at, cannot be used: {problem} — \
     give a listening stream socket: ListenStream=, and Accept=no, of a systemd.socket(5) unit"
)]
pub struct PassedError {
    number: i32,
    name: String,
    problem: io::Error,
}

impl Passed {
    /// What the environment speaks of. To be called before anything else opens descriptors.
    ///
    /// # Errors
    /// Something that is not open, or no listening stream socket.
    pub fn take() -> Result<Self, PassedError> {
        let mut given = Vec::new();
        // Names that do not fit their number are as good as none: addresses are left to tell.
        let by_systemd = sd_notify::listen_fds_with_names().map(Iterator::collect::<Vec<_>>);
        for (number, name) in by_systemd.unwrap_or_default() {
            given.push(Given::open(number, &name, None, true)?);
        }
        let left = std::env::var(VARIABLE).unwrap_or_default();
        for (name, number, identity, is_kept) in left.split(',').filter_map(parse) {
            // An environment that is older than this process speaks of descriptors that are not there.
            match Given::open(number, name, Some(identity), is_kept) {
                Ok(one) => given.push(one),
                Err(problem) => tracing::debug!("{problem}"),
            }
        }
        Ok(Self(Mutex::new(given)))
    }

    /// The socket for `listener`, if there is one: by its name, else by its address. `anywhere`: what the file says of
    /// the address is no must.
    #[must_use]
    pub fn claim(&self, listener: &Listener, anywhere: bool) -> Option<Given> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_named = |one: &Given| {
            let is_settled = one.is_kept || anywhere || one.socket.is_at(&listener.address, true);
            one.name == listener.name && is_settled
        };
        let is_there = |one: &Given| one.socket.is_at(&listener.address, false);
        let place = given.iter().position(is_named).or_else(|| given.iter().position(is_there))?;
        Some(given.swap_remove(place))
    }

    /// What nobody claimed, for people; it is closed.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let left = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        left.iter().map(Given::told).collect()
    }
}

/// One entry of [`VARIABLE`].
fn parse(entry: &str) -> Option<(&str, i32, u64, bool)> {
    let (name, rest) = entry.split_once('=')?;
    let mut parts = rest.split('/');
    let number = parts.next()?.parse().ok()?;
    let identity = parts.next()?.parse().ok()?;
    let is_kept = match parts.next()? {
        "kept" => true,
        "own" => false,
        _ => return None,
    };
    Some((name, number, identity, is_kept))
}

/// Adds an entry of [`VARIABLE`].
///
/// # Errors
/// As `fstat(2)`.
pub fn tell(told: &mut String, name: &str, socket: &OwnedFd, is_kept: bool) -> io::Result<()> {
    let owner = if is_kept { "kept" } else { "own" };
    let comma = if told.is_empty() { "" } else { "," };
    let (number, identity) = (socket.as_raw_fd(), identity(socket)?);
    write!(told, "{comma}{name}={number}/{identity}/{owner}").map_err(io::Error::other)
}

impl Given {
    fn open(
        number: i32,
        name: &str,
        meant: Option<u64>,
        is_kept: bool,
    ) -> Result<Self, PassedError> {
        let socket = adopt(number, meant).and_then(Opened::new);
        match socket {
            Ok(socket) => Ok(Self { name: name.to_owned(), socket, is_kept }),
            Err(problem) => Err(PassedError { number, name: name.to_owned(), problem }),
        }
    }

    fn told(&self) -> String {
        let Self { name, socket, .. } = self;
        match self.is_kept {
            true => format!(
                "systemd gave this process the socket `{name}` at {socket}, which no listener is named after or \
                 listens at: clients who connect there wait in vain; name a listener so (FileDescriptorName=), or \
                 remove the socket from the unit"
            ),
            false => format!("nothing listens at {socket} (`{name}`) any more"),
        }
    }
}

impl Opened {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        if socket_type(&socket)? != SocketType::STREAM || !socket_acceptconn(&socket)? {
            return Err(io::Error::other("it does not listen for connections"));
        }
        let opened = match socket_domain(&socket)? {
            AddressFamily::UNIX => Opened::Unix(UnixListener::from(socket)),
            AddressFamily::INET | AddressFamily::INET6 => Opened::Tcp(TcpListener::from(socket)),
            _ => return Err(io::Error::other("it is neither of TCP nor a unix socket")),
        };
        match &opened {
            Opened::Tcp(socket) => socket.set_nonblocking(true)?,
            Opened::Unix(socket) => socket.set_nonblocking(true)?,
        }
        Ok(opened)
    }

    /// Whether it listens at `address`; `or_any_port`: where that leaves the port open, any port is the right one.
    fn is_at(&self, address: &Address, or_any_port: bool) -> bool {
        match (self, address) {
            (Opened::Tcp(socket), Address::Tcp(wanted)) => socket.local_addr().is_ok_and(|at| {
                at == *wanted || (or_any_port && wanted.port() == 0 && at.ip() == wanted.ip())
            }),
            (Opened::Unix(socket), Address::Unix(wanted)) => {
                socket.local_addr().is_ok_and(|at| at.as_pathname() == Some(wanted.as_path()))
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Opened::Tcp(socket) => match socket.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(problem) => write!(f, "an unknown address ({problem})"),
            },
            Opened::Unix(socket) => match socket.local_addr() {
                Ok(address) => write!(f, "{address:?}"),
                Err(problem) => write!(f, "an unknown path ({problem})"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, is_kept: bool) -> Given {
        let socket = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        Given { name: name.to_owned(), socket: Opened::new(socket).unwrap(), is_kept }
    }

    fn address(of: &Given) -> Address {
        match &of.socket {
            Opened::Tcp(socket) => Address::Tcp(socket.local_addr().unwrap()),
            Opened::Unix(_) => panic!("none of these is at a path"),
        }
    }

    fn listener(name: &str, address: Address) -> Listener {
        Listener::plain(name, address)
    }

    #[test]
    fn a_name_is_enough_for_systemd_and_a_predecessor_needs_the_address_too() {
        let free = Address::Tcp(([127, 0, 0, 1], 0).into());
        let other = Address::Tcp(([127, 0, 0, 1], 1).into());
        for (is_kept, wanted, anywhere, expected) in [
            (true, other.clone(), false, true),
            (false, other.clone(), false, false),
            (false, other.clone(), true, true),
            (false, free, false, true),
        ] {
            let passed = Passed(Mutex::new(vec![given("http", is_kept)]));
            let claimed = passed.claim(&listener("http", wanted), anywhere);
            assert_eq!(claimed.is_some(), expected, "{is_kept} {anywhere}");
            assert_eq!(passed.left().is_empty(), expected);
        }
        let one = given("cofferdam.socket", true);
        let at = address(&one);
        let passed = Passed(Mutex::new(vec![one]));
        assert!(passed.claim(&listener("http", other), false).is_none());
        assert!(passed.claim(&listener("http", at), false).is_some());
    }

    #[test]
    fn what_is_told_is_read_back() {
        let (mut told, null) =
            (String::new(), OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        tell(&mut told, "http", &null, false).unwrap();
        tell(&mut told, "admin", &null, true).unwrap();
        let read: Vec<_> = told.split(',').filter_map(parse).collect();
        let (number, identity) = (null.as_raw_fd(), identity(&null).unwrap());
        assert_eq!(read, [("http", number, identity, false), ("admin", number, identity, true)]);
        for wrong in ["", "http", "http=x/1/own", "http=3/1", "http=3/1/mine"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(Opened::new(datagrams.into()).is_err());
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Opened::new(one.into()).is_err());
    }
}
