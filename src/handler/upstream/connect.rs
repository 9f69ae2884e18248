//! A connection to an endpoint: over TCP or a unix socket, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::config::upstream::Protocol;
use crate::handler::gather::poll_write_slices;
use crate::handler::upstream::endpoint::Address;
use crate::handler::upstream::{Endpoint, Group, Trouble, tls};

/// Connects, within the upstream's `connect_timeout`. What comes speaks its `protocol`.
///
/// # Errors
/// As [`ConnectError`].
pub async fn connect(group: &Group, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
    let began = Instant::now();
    let limit = group.config().connect_timeout;
    let io = match timeout(limit.unwrap_or(Duration::MAX), dial(group, endpoint)).await {
        Ok(io) => io?,
        Err(_) => return Err(ConnectError::Late(limit.unwrap_or_default())),
    };
    group.meters().connect.observe(began.elapsed().as_secs_f64());
    Ok(Stream { io, _open: Open::new(&group.meters().connections) })
}

async fn dial(group: &Group, endpoint: &Endpoint) -> Result<Io, ConnectError> {
    let stream = match &endpoint.address {
        Address::Unix(path) => return Ok(Io::Unix(UnixStream::connect(path).await?)),
        Address::Tcp(address) => TcpStream::connect(address).await?,
    };
    stream.set_nodelay(true)?;
    let Some((tls, name)) = group.tls.as_ref().zip(endpoint.server_name.clone()) else {
        return Ok(Io::Tcp(stream));
    };
    let stream = tls.connect(name, stream).await.map_err(ConnectError::Tls)?;
    let chosen = stream.get_ref().1.alpn_protocol();
    if group.config().protocol == Protocol::Http2 && chosen != Some(tls::HTTP2) {
        return Err(ConnectError::NoHttp2);
    }
    Ok(Io::Tls(Box::new(stream)))
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// As `connect(2)`.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// `connect_timeout`.
    #[error("no connection within {0:?}")]
    Late(Duration),
    /// The handshake failed, most often for a certificate.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// By ALPN (RFC 7301).
    #[error("TLS: it does not offer HTTP/2 (protocol = \"http2\")")]
    NoHttp2,
}

impl ConnectError {
    /// The word that it is counted by.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            ConnectError::Io(_) => Trouble::Connect,
            ConnectError::Late(_) => Trouble::ConnectTimeout,
            ConnectError::Tls(_) | ConnectError::NoHttp2 => Trouble::Tls,
        }
    }
}

/// A connection to an upstream, counted as open while it lives.
pub struct Stream {
    io: Io,
    _open: Open,
}

enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

struct Open(IntGauge);

impl Open {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Polls whichever stream it is.
macro_rules! on_stream {
    ($self:ident, $stream:ident => $poll:expr) => {
        match &mut $self.get_mut().io {
            Io::Tcp($stream) => $poll,
            Io::Unix($stream) => $poll,
            Io::Tls($stream) => $poll,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => poll_write_slices(stream, context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Tcp(stream) => stream.is_write_vectored(),
            Io::Unix(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
