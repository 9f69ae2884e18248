//! Access lines: one for each request that ended, through a bounded log writer. What is kept of a request for its line is
//! kept only where lines are written.

mod line;
pub mod redact;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{HOST, HeaderName, REFERER, USER_AGENT};
use http::{HeaderValue, Method, Uri, Version};
use ipnet::IpNet;

use crate::call::RequestId;
use crate::config::{Access, AccessFormat};
use crate::handler::client::address;
use crate::handler::{Request, Waited};
use crate::telemetry::log::LineWriter;
use redact::Redaction;

/// Writes access lines.
#[derive(Clone)]
pub struct AccessLog {
    shared: Arc<Shared>,
}

struct Shared {
    format: AccessFormat,
    redaction: Redaction,
    trusted: Arc<[IpNet]>,
    writer: LineWriter,
}

/// What is kept of a request until it has ended.
pub struct Kept {
    client: Option<IpAddr>,
    trace: Option<u128>,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    received: Arc<AtomicU64>,
    waited: Option<Waited>,
}

/// How it ended.
pub struct End<'a> {
    /// The request's id.
    pub id: RequestId,
    /// The connection's other end.
    pub peer: Option<IpAddr>,
    /// The method.
    pub method: &'a Method,
    /// The route's name.
    pub route: &'a str,
    /// What the client saw, or would have seen.
    pub status: u16,
    /// Why the proxy answered itself.
    pub reason: Option<&'a str>,
    /// Every byte was handed over.
    pub is_whole: bool,
    /// Bytes of the body.
    pub sent: u64,
    /// From the head to here.
    pub took: Duration,
}

impl AccessLog {
    /// `None` where the format is "off". Behind `trusted` proxies the client is whom they name.
    #[must_use]
    pub fn new(access: &Access, trusted: Arc<[IpNet]>, writer: LineWriter) -> Option<Self> {
        let redaction = Redaction::new(access.redact.clone());
        let shared = Shared { format: access.format, redaction, trusted, writer };
        (access.format != AccessFormat::Off).then(|| Self { shared: Arc::new(shared) })
    }

    /// What the line of `request` will tell; its body is counted from now on.
    #[must_use]
    pub fn keep(&self, request: &mut Request) -> Kept {
        let header = |name: HeaderName| request.head.headers.get(name).cloned();
        let received = Arc::default();
        request.body.count_into(Arc::clone(&received));
        Kept {
            client: address(
                &self.shared.trusted,
                request.context.peer.as_ref().map(|peer| peer.address),
                &request.head.headers,
            ),
            trace: request.context.trace.map(|context| context.trace),
            uri: request.head.uri.clone(),
            version: request.head.version,
            host: header(HOST),
            referer: header(REFERER),
            agent: header(USER_AGENT),
            received,
            waited: None,
        }
    }

    /// Queues the line of a request that ended.
    pub fn write(&self, kept: &Kept, end: &End<'_>) {
        let mut line = match self.shared.format {
            AccessFormat::Json => line::json(kept, end, &self.shared.redaction),
            AccessFormat::Combined => line::combined(kept, end, &self.shared.redaction),
            AccessFormat::Text | AccessFormat::Off => line::text(kept, end, &self.shared.redaction),
        };
        line.push('\n');
        self.shared.writer.write_line(line.into_bytes());
    }
}

impl Kept {
    /// What the upstream took.
    pub fn waited(&mut self, waited: Waited) {
        self.waited = Some(waited);
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
