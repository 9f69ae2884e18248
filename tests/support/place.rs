//! Where something listens: a TCP address or a Unix socket, and a connection to either.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

/// A listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix stream socket.
    Unix(PathBuf),
}

impl Place {
    /// Of `http://HOST:PORT[/…]`, the same with `https`, `http://unix:PATH` or `unix:PATH`, as `listening` lines say it.
    pub fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://").or(url.strip_prefix("https://")).unwrap_or(url);
        match rest.strip_prefix("unix:") {
            Some(path) => Some(Self::Unix(path.into())),
            None => rest.split('/').next()?.parse().ok().map(Self::Tcp),
        }
    }

    /// What a configuration's `upstream` says for this place.
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(addr) => format!("http://{addr}"),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Connects; reads and writes on it end after `timeout`.
    pub fn connect(&self, timeout: Duration) -> io::Result<Stream> {
        let stream = match self {
            Self::Tcp(addr) => Stream::Tcp(TcpStream::connect_timeout(addr, timeout)?),
            Self::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        stream.set_timeout(Some(timeout))?;
        Ok(stream)
    }
}

impl From<SocketAddr> for Place {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr)
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

/// A connection to or from a [`Place`].
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix stream socket.
    Unix(UnixStream),
    /// TLS over one of them.
    Tls(Box<StreamOwned<ClientConnection, Stream>>),
}

impl Stream {
    /// Bounds each read and each write.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(s) => {
                s.set_nodelay(true)?;
                s.set_read_timeout(timeout)?;
                s.set_write_timeout(timeout)
            }
            Self::Unix(s) => {
                s.set_read_timeout(timeout)?;
                s.set_write_timeout(timeout)
            }
            Self::Tls(s) => s.sock.set_timeout(timeout),
        }
    }

    /// Ends one direction or both.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(s) => s.shutdown(how),
            Self::Unix(s) => s.shutdown(how),
            Self::Tls(s) => s.sock.shutdown(how),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.read(buf),
            Self::Unix(s) => s.read(buf),
            Self::Tls(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.write(buf),
            Self::Unix(s) => s.write(buf),
            Self::Tls(s) => s.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(s) => s.flush(),
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }
}

/// Accepts connections at a [`Place`].
#[derive(Debug)]
pub enum Acceptor {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

impl Acceptor {
    /// The next connection.
    pub fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(l) => l.accept().map(|(s, _)| Stream::Tcp(s)),
            Self::Unix(l) => l.accept().map(|(s, _)| Stream::Unix(s)),
        }
    }
}

#[test]
fn places_are_read_from_what_is_printed() {
    let tcp = Place::Tcp("127.0.0.1:80".parse().unwrap());
    for (text, place) in [
        ("http://127.0.0.1:80", Some(tcp.clone())),
        ("https://127.0.0.1:80", Some(tcp.clone())),
        ("http://127.0.0.1:80/x", Some(tcp)),
        ("http://unix:/run/a.sock", Some(Place::Unix("/run/a.sock".into()))),
        ("unix:/run/a.sock", Some(Place::Unix("/run/a.sock".into()))),
        ("http://nowhere", None),
    ] {
        assert_eq!(Place::parse(text), place, "{text}");
    }
}
