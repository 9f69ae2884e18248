//! Listening sockets, over TCP or at a path: the clients' and the operator's.

pub mod passed;
pub mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener, TcpStream as StdTcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::config::{Address, Listener};
use crate::listen::passed::{Given, Opened};
use crate::sys::{descriptors, sockets};

/// Connections that the kernel holds until they are accepted (`listen(2)`; net.core.somaxconn caps it).
const BACKLOG: u32 = 4096;

/// An accepted socket, on the runtime that accepted it.
pub enum Stream {
    /// With the client's address.
    Tcp(TcpStream, IpAddr),
    /// From this machine.
    Unix(UnixStream),
}

/// An accepted socket between two runtimes: it belongs to none.
pub enum Loose {
    /// With the client's address.
    Tcp(StdTcpStream, IpAddr),
    /// From this machine.
    Unix(StdUnixStream),
}

impl Stream {
    /// Leaves its runtime.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn loosen(self) -> io::Result<Loose> {
        Ok(match self {
            Self::Tcp(stream, peer) => Loose::Tcp(stream.into_std()?, peer),
            Self::Unix(stream) => Loose::Unix(stream.into_std()?),
        })
    }
}

impl Loose {
    /// Joins the present runtime.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn settle(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream, peer) => Stream::Tcp(TcpStream::from_std(stream)?, peer),
            Self::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// A listening socket.
pub struct Bound {
    name: Arc<str>,
    socket: Socket,
    scheme: &'static str,
    /// Systemd has it as well, for the time after this process.
    is_kept: bool,
    /// A successor listens there.
    is_handed_over: AtomicBool,
    /// Nobody new is let in.
    is_closed: AtomicBool,
}

enum Socket {
    Tcp(StdTcpListener),
    Unix(StdUnixListener, PathBuf),
}

/// Where one runtime accepts the connections to a [`Bound`]; several may, each takes what it comes to first.
pub enum Door {
    /// Over TCP.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

impl Door {
    /// The next connection.
    ///
    /// # Errors
    /// As `accept(2)`.
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok(Stream::Tcp(stream, peer.ip()))
            }
            Self::Unix(socket) => Ok(Stream::Unix(socket.accept().await?.0)),
        }
    }
}

/// Why an address cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("listener `{name}`: cannot listen at {address}: {source} — {mend}")]
pub struct BindError {
    name: String,
    address: String,
    source: io::Error,
    mend: &'static str,
}

impl BindError {
    /// Whether somebody else has the address.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

impl Bound {
    /// Listens; at the socket that was `given`, if one was.
    ///
    /// # Errors
    /// The address is taken, not ours, or forbidden.
    pub fn bind(listener: &Listener, given: Option<Given>) -> Result<Self, BindError> {
        let name = Arc::from(listener.name.as_str());
        let is_kept = given.as_ref().is_some_and(|given| given.is_kept);
        let socket = match (given, &listener.address) {
            (Some(given), _) => registered(given.socket),
            (None, Address::Tcp(address)) => bind_tcp(*address).map(Socket::Tcp),
            (None, Address::Unix(path)) => {
                bind_unix(path).map(|socket| Socket::Unix(socket, path.clone()))
            }
        };
        let socket = socket.and_then(at_once).map_err(|source| BindError {
            name: listener.name.clone(),
            address: told(&listener.address),
            mend: mend(source.kind()),
            source,
        })?;
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        let [is_handed_over, is_closed] = [AtomicBool::new(false), AtomicBool::new(false)];
        Ok(Self { name, socket, scheme, is_kept, is_handed_over, is_closed })
    }

    /// A client that takes nothing for so long is cut off by the kernel.
    ///
    /// # Errors
    /// As `setsockopt(2)`.
    pub fn give_up_after(&self, limit: Duration) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(socket) => sockets::give_up_after(socket, limit),
            Socket::Unix(..) => Ok(()),
        }
    }

    /// A descriptor for a successor, which inherits it.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn inheritable(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Socket::Tcp(socket) => descriptors::inheritable(socket),
            Socket::Unix(socket, _) => descriptors::inheritable(socket),
        }
    }

    /// Whether systemd has it as well.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// A successor accepts here now.
    pub fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Relaxed);
    }

    /// Whether a successor accepts here.
    #[must_use]
    pub fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Relaxed)
    }

    /// Whether clients who wait here are, or will be, another process's.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_kept || self.is_handed_over()
    }

    /// Lets nobody new in; those whom the kernel has let in already can still be accepted. Where another process
    /// listens as well nothing changes: clients are its.
    pub fn close_door(&self) {
        if self.is_shared() || self.is_closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let closed = match &self.socket {
            Socket::Tcp(socket) => sockets::refuse_attempts(socket),
            Socket::Unix(_, path) => std::fs::remove_file(path),
        };
        if let Err(problem) = closed {
            tracing::debug!(listener = self.name(), "it closes with the door open: {problem}");
        }
    }

    /// As a URL: `http://127.0.0.1:8080`, `https://…` where it speaks TLS, `unix:/run/app.sock`.
    ///
    /// # Errors
    /// As `getsockname(2)`.
    pub fn url(&self) -> io::Result<String> {
        Ok(match &self.socket {
            Socket::Tcp(socket) => format!("{}://{}", self.scheme, socket.local_addr()?),
            Socket::Unix(_, path) => format!("unix:{}", path.display()),
        })
    }

    /// Its configured name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For the present runtime to accept at.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn door(&self) -> io::Result<Door> {
        Ok(match &self.socket {
            Socket::Tcp(socket) => Door::Tcp(TcpListener::from_std(socket.try_clone()?)?),
            Socket::Unix(socket, _) => Door::Unix(UnixListener::from_std(socket.try_clone()?)?),
        })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket
            && !self.is_shared()
        {
            let _gone_already = std::fs::remove_file(path);
        }
    }
}

fn registered(opened: Opened) -> io::Result<Socket> {
    Ok(match opened {
        Opened::Tcp(socket) => Socket::Tcp(socket),
        Opened::Unix(socket) => {
            let path = socket.local_addr()?.as_pathname().map(Path::to_owned);
            Socket::Unix(socket, path.unwrap_or_default())
        }
    })
}

/// Accepted sockets inherit it.
fn at_once(socket: Socket) -> io::Result<Socket> {
    if let Socket::Tcp(socket) = &socket {
        sockets::send_at_once(socket)?;
    }
    Ok(socket)
}

fn bind_tcp(address: SocketAddr) -> io::Result<StdTcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// A socket that a dead process left behind is replaced; one that answers, or another kind of file, is not.
fn bind_unix(path: &Path) -> io::Result<StdUnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && StdUnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)?.into_std()
}

fn told(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn mend(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "another process listens there: stop it, or choose another address (port 0 takes a free one)"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE, a unix socket needs a folder that this user may write"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
        io::ErrorKind::NotFound => "the folder does not exist",
        _ => "choose another address",
    }
}
