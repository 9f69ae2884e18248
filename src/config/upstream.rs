//! An upstream as configured: where its app listens, how it is spoken to, who waits for it, and when one place of it is left out.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;

/// An app that requests are proxied to. A time that is `None` is "off".
#[derive(Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its configured name (the metric label).
    pub name: String,
    /// `url` or `urls`: at least one, no two alike, all of one scheme.
    pub origins: Vec<Origin>,
    /// How its HTTP is framed.
    pub protocol: Protocol,
    /// Of `https://`; `None` is plain.
    pub tls: Option<Tls>,
    /// Who gets the next request.
    pub balance: Balance,
    /// Requests in flight at once; `None`: as many as come.
    pub limit: Option<Limit>,
    /// Active checks; `None`: none are made.
    pub health: Option<Health>,
    /// When failures of requests leave one place out.
    pub eject: Option<Eject>,
    /// How often names are looked up again; `None`: until they were found once.
    pub resolve: Option<Duration>,
    /// Of one connect, TLS included.
    pub connect_timeout: Option<Duration>,
    /// From the request sent to the response's head.
    pub response_timeout: Option<Duration>,
    /// Between two reads of a response's body.
    pub response_idle_timeout: Option<Duration>,
    /// An idle pooled connection is dropped after this.
    pub idle_timeout: Option<Duration>,
    /// A WebSocket on which neither side says anything for so long is ended.
    pub tunnel_timeout: Option<Duration>,
}

impl Upstream {
    /// An origin of it as a URL: the metric label `endpoint`, and its name in logs.
    #[must_use]
    pub fn url(&self, origin: &Origin) -> String {
        match origin {
            Origin::Unix(_) => origin.to_string(),
            Origin::Tcp { .. } if self.tls.is_some() => format!("https://{origin}"),
            Origin::Tcp { .. } => format!("http://{origin}"),
        }
    }
}

/// Where an upstream listens. Its `Display` is the authority (RFC 3986 section 3.2), or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `http://HOST:PORT`; HOST may be a name.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Origin::Tcp { host, port } => write!(f, "{host}:{port}"),
            Origin::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How HTTP is spoken to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by prior knowledge in clear text, by ALPN over TLS.
    Http2,
}

/// `tls = { … }`, or the defaults of an `https://` URL without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `FILE:LINE`, for messages.
    pub defined_at: String,
    /// PEM; `None`: the roots of this machine.
    pub ca: Option<PathBuf>,
    /// Asked for and verified; `None`: the URL's host.
    pub server_name: Option<ServerName<'static>>,
    /// What we show of ourselves.
    pub identity: Option<Identity>,
    /// `false`: whoever answers is believed.
    pub verify: bool,
}

/// A client certificate. Both files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain, ours first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Who gets the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn.
    RoundRobin,
    /// Who has the fewest in flight; in turn among equals.
    LeastConnections,
}

/// `max_connections` and `queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Requests in flight at once.
    pub max_connections: usize,
    /// Waiting at once; 0 is written "off".
    pub queue_length: usize,
    /// How long one waits; `None` is "off".
    pub queue_timeout: Option<Duration>,
}

/// `health = { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Path and query of the GET.
    pub path: String,
    /// Of the `Host` header; `None`: the URL's.
    pub host: Option<String>,
    /// From one round of checks to the next.
    pub interval: Duration,
    /// Of one check: connect, request and head.
    pub timeout: Duration,
    /// Good checks in a row until it is up.
    pub rise: u32,
    /// Bad ones in a row until it is down.
    pub fall: u32,
    /// Statuses that are good.
    pub status: RangeInclusive<u16>,
}

/// `eject = { … }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eject {
    /// In a row.
    pub failures: u32,
    /// How long it gets no requests.
    pub lasts: Duration,
    /// Statuses 500 to 599 are failures too.
    pub server_errors: bool,
}
