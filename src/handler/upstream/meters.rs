//! An upstream's metric handles, resolved once; all fixed labels exist at 0 from then on.

use http::StatusCode;
use prometheus::{Histogram, IntCounter, IntGauge};

use crate::config::Upstream;
use crate::telemetry::Metrics;

/// What went wrong between the proxy and an upstream: the label `reason` of `cofferdam_upstream_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No address of it is known.
    Resolve,
    /// Health checks hold all its addresses down.
    Down,
    /// Refused, or not to be reached.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// The handshake failed: a certificate, or a protocol that is not spoken there.
    Tls,
    /// The connection ended without a whole answer, or what came is no HTTP.
    Reset,
    /// No answer in time.
    Timeout,
    /// As many in flight as may be, and as many waiting.
    QueueFull,
    /// Waited in vain.
    QueueTimeout,
}

const TROUBLES: [&str; 9] = [
    "resolve",
    "down",
    "connect",
    "connect_timeout",
    "tls",
    "reset",
    "timeout",
    "queue_full",
    "queue_timeout",
];

/// How a request at an upstream ended: the label `outcome` of `cofferdam_upstream_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Outcome {
    /// The client left before there was an answer.
    Left,
    Informational,
    Success,
    Redirection,
    ClientError,
    ServerError,
    /// No answer, or a broken one.
    Failed,
}

const OUTCOMES: [&str; 7] = ["left", "1xx", "2xx", "3xx", "4xx", "5xx", "failed"];

impl Outcome {
    /// Of an answer with this status.
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            ..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

/// Handles of one upstream.
#[allow(missing_docs, reason = "each is the metric of its name")]
pub struct Meters {
    pub in_flight: IntGauge,
    pub head: Histogram,
    pub connect: Histogram,
    pub connections: IntGauge,
    pub retries: IntCounter,
    pub ejections: IntCounter,
    pub queue_depth: IntGauge,
    /// One for each configured URL, in that order.
    pub up: Vec<IntGauge>,
    requests: [IntCounter; OUTCOMES.len()],
    errors: [IntCounter; TROUBLES.len()],
}

impl Meters {
    /// The handles of `upstream`; its limits are shown from now on.
    #[must_use]
    pub fn new(metrics: &Metrics, upstream: &Upstream) -> Self {
        let name = upstream.name.as_str();
        let limit = upstream.limit.as_ref();
        let shown = |gauge: &prometheus::IntGaugeVec, limit: Option<usize>| {
            gauge.with_label_values(&[name]).set(limit.unwrap_or_default() as i64);
        };
        shown(&metrics.upstream_limit, limit.map(|limit| limit.max_connections));
        shown(&metrics.upstream_queue_limit, limit.map(|limit| limit.queue_length));
        let up = |url: String| metrics.upstream_up.with_label_values(&[name, &url]);
        Self {
            in_flight: metrics.upstream_in_flight.with_label_values(&[name]),
            head: metrics.upstream_head.with_label_values(&[name]),
            connect: metrics.upstream_connect.with_label_values(&[name]),
            connections: metrics.upstream_connections.with_label_values(&[name]),
            retries: metrics.upstream_retries.with_label_values(&[name]),
            ejections: metrics.upstream_ejections.with_label_values(&[name]),
            queue_depth: metrics.upstream_queue_depth.with_label_values(&[name]),
            up: upstream.origins.iter().map(|origin| up(upstream.url(origin))).collect(),
            requests: OUTCOMES
                .map(|word| metrics.upstream_requests.with_label_values(&[name, word])),
            errors: TROUBLES.map(|word| metrics.upstream_errors.with_label_values(&[name, word])),
        }
    }

    /// Counts what went wrong.
    pub fn count_error(&self, trouble: Trouble) {
        self.errors[trouble as usize].inc();
    }

    /// Counts a request by its [`Outcome`] as a number.
    pub(super) fn count_request(&self, outcome: u8) {
        if let Some(counter) = self.requests.get(usize::from(outcome)) {
            counter.inc();
        }
    }
}
