//! What comes before HTTP on a connection: the header of the PROXY protocol, then the handshake of TLS, all of it within
//! `header_timeout`, on the connection's own event loop.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::call::RequestId;
use crate::config::{Listener, Server};
use crate::handler::{Error, Peer, problem};
use crate::listen::tls::Tls;
use crate::server::protocol::Protocol;
use crate::server::proxy_protocol::{self, Malformed};
use crate::server::rewound::Rewound;
use crate::server::transport::Transport;
use crate::telemetry::Metrics;

/// How long a client that spoke plain HTTP is listened to after its answer, so that it is not reset.
const LINGER: Duration = Duration::from_secs(2);

/// How connections of one listener begin.
pub struct Opening {
    tls: Option<Arc<Tls>>,
    proxy_protocol: bool,
    limit: Option<Duration>,
    failed: Failed,
}

struct Failed {
    tls: IntCounter,
    proxy_protocol: IntCounter,
    late: IntCounter,
}

/// A connection on which HTTP begins.
pub struct Opened<S> {
    /// Where it is spoken.
    pub stream: Transport<S>,
    /// Who speaks.
    pub client: Client,
    /// What was agreed on, where it was.
    pub protocol: Option<Protocol>,
}

/// What a connection says of its client.
#[derive(Clone)]
pub struct Client {
    /// Its address, by the PROXY protocol or the socket; `None` over a unix socket.
    pub peer: Option<Peer>,
    /// It speaks TLS to this program.
    pub is_tls: bool,
}

/// Why HTTP does not begin.
enum Failure<S> {
    /// The client said nothing: a health check, or one that thought better of it.
    Left,
    ProxyProtocol(Malformed),
    Tls(io::Error),
    PlainHttp(Rewound<S>),
    Io(io::Error),
}

impl<S> From<io::Error> for Failure<S> {
    fn from(problem: io::Error) -> Self {
        Failure::Io(problem)
    }
}

impl Opening {
    /// As `listener` is configured; its certificates are in `tls`.
    #[must_use]
    pub fn new(
        listener: &Listener,
        tls: Option<Arc<Tls>>,
        server: &Server,
        metrics: &Metrics,
    ) -> Self {
        let errors = |reason| metrics.connection_errors.with_label_values(&[reason]);
        Self {
            tls,
            proxy_protocol: listener.proxy_protocol,
            limit: server.header_timeout,
            failed: Failed {
                tls: errors("tls"),
                proxy_protocol: errors("proxy_protocol"),
                late: errors("head_timeout"),
            },
        }
    }

    /// Does what comes before HTTP; `None` where that failed, which is counted.
    pub async fn open<S>(&self, stream: S, peer: Option<IpAddr>) -> Option<Opened<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = Rewound::new(stream);
        if self.tls.is_none() && !self.proxy_protocol {
            return Some(plain(stream, peer));
        }
        // Boxed: else every connection has the room for it as long as it lives.
        Box::pin(self.begin_in_time(stream, peer)).await
    }

    async fn begin_in_time<S>(&self, stream: Rewound<S>, peer: Option<IpAddr>) -> Option<Opened<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let limit = self.limit.unwrap_or(Duration::MAX);
        match timeout(limit, self.begin(stream, peer)).await {
            Ok(Ok(opened)) => return Some(opened),
            Ok(Err(failure)) => self.fail(failure).await,
            Err(_) => self.failed.late.inc(),
        }
        None
    }

    async fn begin<S>(
        &self,
        mut stream: Rewound<S>,
        peer: Option<IpAddr>,
    ) -> Result<Opened<S>, Failure<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let named = if self.proxy_protocol { named_client(&mut stream).await? } else { None };
        let peer = named.or(peer);
        let Some(tls) = &self.tls else { return Ok(plain(stream, peer)) };
        let stream = handshake(tls, stream).await?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Some(Protocol::Http2(Bytes::new())),
            Some(_) => Some(Protocol::Http1(Bytes::new())),
            None => None,
        };
        let client = Client { peer: peer.map(Peer::new), is_tls: true };
        Ok(Opened { stream: Transport::Tls(Box::new(stream)), client, protocol })
    }

    async fn fail<S: AsyncRead + AsyncWrite + Unpin>(&self, failure: Failure<S>) {
        match failure {
            Failure::Left => {}
            Failure::ProxyProtocol(problem) => {
                self.failed.proxy_protocol.inc();
                debug!("a connection was refused: {problem}");
            }
            Failure::Tls(problem) => {
                self.failed.tls.inc();
                debug!("a TLS handshake failed: {problem}");
            }
            Failure::PlainHttp(stream) => {
                self.failed.tls.inc();
                let _client_left = timeout(LINGER, tell_plain(stream)).await;
            }
            Failure::Io(problem) => debug!("a connection broke before it began: {problem}"),
        }
    }
}

fn plain<S>(stream: Rewound<S>, peer: Option<IpAddr>) -> Opened<S> {
    let client = Client { peer: peer.map(Peer::new), is_tls: false };
    Opened { stream: Transport::Plain(stream), client, protocol: None }
}

/// The client that the header of the PROXY protocol names; `None`: it names none.
async fn named_client<S>(stream: &mut Rewound<S>) -> Result<Option<IpAddr>, Failure<S>>
where
    S: AsyncRead + Unpin,
{
    loop {
        if !stream.look().await? {
            return Err(match stream.seen() {
                [] => Failure::Left,
                _ => Failure::ProxyProtocol(Malformed::Missing),
            });
        }
        if let Some(header) = proxy_protocol::read(stream.seen()).map_err(Failure::ProxyProtocol)? {
            stream.skip(header.length);
            return Ok(header.source);
        }
    }
}

/// No record of TLS begins with a letter (RFC 8446 section 5.1); every request of HTTP does.
async fn handshake<S>(
    tls: &Tls,
    mut stream: Rewound<S>,
) -> Result<TlsStream<Rewound<S>>, Failure<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if stream.seen().is_empty() && !stream.look().await? {
        return Err(Failure::Left);
    }
    if stream.seen().first().is_some_and(u8::is_ascii_alphabetic) {
        return Err(Failure::PlainHttp(stream));
    }
    TlsAcceptor::from(tls.config()).accept(stream).await.map_err(Failure::Tls)
}

/// What nginx does as well: the client learns that the port is right and the scheme is not.
async fn tell_plain<S>(mut stream: Rewound<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let error = Error::BadRequest("plain HTTP was sent to an HTTPS port");
    stream.write_all(&problem::last_words(&error, RequestId::next())).await?;
    stream.shutdown().await?;
    let mut waste = [0; 8192];
    while stream.read(&mut waste).await? > 0 {}
    Ok(())
}
