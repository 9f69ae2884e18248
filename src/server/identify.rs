//! The names of a request across programs: `x-request-id` and the W3C `traceparent`, in the request from here on, so that
//! upstreams and handlers see the same ones as the log.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::call::{RequestId, TraceContext};
use crate::config::{Config, Trace};
use crate::handler::client::is_trusted;
use crate::sys::random;

/// Names one request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Names requests as `[trace]` says.
pub struct Identify {
    trace: Trace,
    trusted: Arc<[IpNet]>,
}

/// The names of one request.
pub struct Identity {
    /// In logs, answers and workers.
    pub id: RequestId,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
    /// The `x-request-id` of its answer.
    pub answered: Option<HeaderValue>,
}

impl Identify {
    /// As configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { trace: config.trace, trusted: config.server.trusted_proxies.clone().into() }
    }

    /// Names the request that has these headers, and tells its handler.
    pub fn request(&self, headers: &mut HeaderMap, peer: Option<IpAddr>) -> Identity {
        let (id, answered) = match self.trace.request_id {
            true => self.request_id(headers, peer),
            false => (RequestId::next(), None),
        };
        let trace = self.trace.traceparent.then(|| self.continued(headers, id));
        Identity { id, trace, answered }
    }

    /// A stranger's id is not taken over: two requests of one name hide each other.
    fn request_id(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
    ) -> (RequestId, Option<HeaderValue>) {
        let is_trusted = is_trusted(&self.trusted, peer);
        let given = is_trusted.then(|| only(headers, &X_REQUEST_ID)).flatten();
        let id = given.and_then(|value| RequestId::given(value.as_bytes()));
        let id = id.unwrap_or_else(RequestId::next);
        let value = HeaderValue::from_bytes(id.text(&mut [0; 32])).ok();
        if let Some(value) = &value {
            headers.insert(X_REQUEST_ID, value.clone());
        }
        (id, value)
    }

    /// The trace goes on with a span of ours in between; what does not go on begins here, under the request's id.
    fn continued(&self, headers: &mut HeaderMap, id: RequestId) -> TraceContext {
        let came = only(headers, &TRACEPARENT).map(HeaderValue::as_bytes);
        let came = came.and_then(TraceContext::parse);
        if came.is_none() {
            headers.remove(TRACESTATE);
        }
        let (trace, is_sampled) = came
            .map_or((id.bits().max(1), self.trace.sampled), |came| (came.trace, came.is_sampled));
        let ours = TraceContext { trace, parent: random::next_u64().max(1), is_sampled };
        if let Ok(value) = HeaderValue::from_bytes(&ours.value()) {
            headers.insert(TRACEPARENT, value);
        }
        ours
    }
}

/// A header that stands there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}
