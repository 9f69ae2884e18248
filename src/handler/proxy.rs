//! `proxy = …`: passes a request to an upstream and its answer back, both bodies as streams.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version};
use hyper_util::client::legacy;
use ipnet::IpNet;
use prometheus::Histogram;
use tokio::time::timeout;
use tower::Service;

use crate::config::Upstream;
use crate::handler::headers::{forward, join_cookies, set_host, settle_framing, strip_hop_by_hop};
use crate::handler::upstream::{Pool, pool};
use crate::handler::{Answering, Body, Error, Request, Response};

/// Proxies to one upstream.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Arc<Upstream>,
    pool: Pool,
    trusted: Arc<[IpNet]>,
    overhead: Histogram,
}

impl Proxy {
    /// With a pool of its own, for one event loop.
    #[must_use]
    pub fn new(upstream: &Arc<Upstream>, trusted: Arc<[IpNet]>, overhead: Histogram) -> Self {
        let upstream = Arc::clone(upstream);
        Self { shared: Arc::new(Shared { pool: pool(&upstream), upstream, trusted, overhead }) }
    }
}

impl Service<Request> for Proxy {
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, request: Request) -> Answering {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.pass(request).await })
    }
}

impl Shared {
    async fn pass(&self, request: Request) -> Result<Response, Error> {
        let arrived = request.context.arrived;
        let outgoing = self.outgoing(request)?;
        let sent = Instant::now();
        let limit = self.upstream.response_timeout;
        let answer =
            match timeout(limit.unwrap_or(Duration::MAX), self.pool.request(outgoing)).await {
                Ok(answer) => answer.map_err(|problem| self.explain(&problem))?,
                Err(_) => return Err(self.too_slow(limit)),
            };
        let waited = sent.elapsed();
        let (mut head, incoming) = answer.into_parts();
        self.check(&mut head)?;
        strip_hop_by_hop(&mut head.headers);
        head.version = Version::HTTP_11;
        let response = Response::from_parts(head, Body::upstream(incoming, limit));
        self.overhead.observe(arrived.elapsed().saturating_sub(waited).as_secs_f64());
        Ok(response)
    }

    /// An answer that its readers could understand differently is no answer.
    fn check(&self, head: &mut http::response::Parts) -> Result<(), Error> {
        let refuse = |problem: String| {
            Err(Error::UpstreamReset { upstream: self.upstream.name.clone(), problem })
        };
        match head.status.as_u16() {
            200..=599 if settle_framing(&mut head.headers) => Ok(()),
            200..=599 => refuse("it answered with a transfer coding other than chunked".to_owned()),
            status => refuse(format!("it answered with status {status}, which nobody asked for")),
        }
    }

    fn outgoing(
        &self,
        request: Request,
    ) -> Result<http::Request<crate::handler::RequestBody>, Error> {
        let Request { mut head, body, context } = request;
        strip_hop_by_hop(&mut head.headers);
        set_host(&mut head.headers, head.uri.authority());
        join_cookies(&mut head.headers);
        let host = head.headers.get(HOST).cloned();
        let is_trusted = self.trusts(&context);
        forward(&mut head.headers, context.peer, is_trusted, host);
        head.uri = in_absolute_form(&head.uri)?;
        head.version = Version::HTTP_11;
        Ok(http::Request::from_parts(head, body))
    }

    fn trusts(&self, context: &crate::handler::Context) -> bool {
        let contains = |peer| self.trusted.iter().any(|net| net.contains(&peer));
        context.peer.is_some_and(|peer| contains(peer.to_canonical()))
    }

    fn too_slow(&self, limit: Option<Duration>) -> Error {
        let upstream = self.upstream.name.clone();
        Error::UpstreamTimeout { upstream, limit: limit.unwrap_or_default() }
    }

    fn explain(&self, problem: &legacy::Error) -> Error {
        let upstream = self.upstream.name.clone();
        let told = root(problem).to_string();
        if problem.is_connect() {
            return Error::UpstreamConnect { upstream, problem: told };
        }
        match client_side(problem) {
            Some(ours) => ours,
            None => Error::UpstreamReset { upstream, problem: told },
        }
    }
}

/// The pool names its connections by an authority; there is one origin behind it.
fn in_absolute_form(uri: &Uri) -> Result<Uri, Error> {
    let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(Authority::from_static("upstream"))
        .path_and_query(path)
        .build()
        .map_err(|_| Error::BadRequest("the request's target cannot be passed on"))
}

/// A failure of the client's own body, seen through the upstream's connection.
fn client_side(problem: &legacy::Error) -> Option<Error> {
    let ours = chain(problem).find_map(|cause| cause.downcast_ref::<Error>())?;
    Some(match ours {
        Error::BodyTooLarge(limit) => Error::BodyTooLarge(*limit),
        Error::BodyTimeout(limit) => Error::BodyTimeout(*limit),
        Error::BadRequest(problem) => Error::BadRequest(problem),
        _ => Error::ClientGone,
    })
}

fn chain(problem: &legacy::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(problem.source(), |&cause| cause.source())
}

fn root(problem: &legacy::Error) -> &(dyn StdError + 'static) {
    chain(problem).last().unwrap_or(problem)
}
