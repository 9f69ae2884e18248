//! Listening sockets, over TCP or at a path: the clients' and the operator's.

pub mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::config::{Address, Listener};

/// Connections that the kernel holds until they are accepted (`listen(2)`; net.core.somaxconn caps it).
const BACKLOG: u32 = 4096;

/// An accepted socket that belongs to no runtime yet.
pub enum Stream {
    /// With the client's address.
    Tcp(std::net::TcpStream, IpAddr),
    /// From this machine.
    Unix(StdUnixStream),
}

/// A listening socket.
pub struct Bound {
    name: Arc<str>,
    socket: Socket,
    scheme: &'static str,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
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
    /// Listens.
    ///
    /// # Errors
    /// The address is taken, not ours, or forbidden.
    pub fn bind(listener: &Listener) -> Result<Self, BindError> {
        let name = Arc::from(listener.name.as_str());
        let socket = match &listener.address {
            Address::Tcp(address) => bind_tcp(*address).map(Socket::Tcp),
            Address::Unix(path) => bind_unix(path).map(|socket| Socket::Unix(socket, path.clone())),
        };
        let socket = socket.map_err(|source| BindError {
            name: listener.name.clone(),
            address: told(&listener.address),
            mend: mend(source.kind()),
            source,
        })?;
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        Ok(Self { name, socket, scheme })
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

    /// The next connection.
    ///
    /// # Errors
    /// As `accept(2)`.
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream.into_std()?, peer.ip()))
            }
            Socket::Unix(socket, _) => Ok(Stream::Unix(socket.accept().await?.0.into_std()?)),
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
            let _gone_already = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket that a dead process left behind is replaced; one that answers, or another kind of file, is not.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && StdUnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
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
