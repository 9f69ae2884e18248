//! `proxy = …`: passes a request to an upstream and its answer back, both bodies as streams.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{Uri, Version};
use hyper::body::Incoming;
use ipnet::IpNet;
use prometheus::Histogram;
use tokio::time::timeout;
use tower::Service;

use crate::config::Upstream;
use crate::handler::headers::{forward, join_cookies, settle_framing, strip_hop_by_hop};
use crate::handler::upstream::http1::{Connection, Failed};
use crate::handler::upstream::{Carrier, Pool, UpstreamBody, connect};
use crate::handler::{Answering, Body, Error, Peer, Request, RequestBody, Response};

/// Proxies to one upstream.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Arc<Upstream>,
    pool: Arc<Pool>,
    trusted: Arc<[IpNet]>,
    overhead: Histogram,
}

impl Proxy {
    /// With a pool of its own, for one event loop.
    #[must_use]
    pub fn new(upstream: &Arc<Upstream>, trusted: Arc<[IpNet]>, overhead: Histogram) -> Self {
        let upstream = Arc::clone(upstream);
        Self {
            shared: Arc::new(Shared {
                pool: Pool::new(upstream.idle_timeout),
                upstream,
                trusted,
                overhead,
            }),
        }
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
        let outgoing = self.outgoing(request);
        let sent = Instant::now();
        let limit = self.upstream.response_timeout;
        let answered = timeout(limit.unwrap_or(Duration::MAX), self.exchange(outgoing)).await;
        let (answer, carrier) = answered.map_err(|_| self.too_slow(limit))??;
        let waited = sent.elapsed();
        let (mut head, incoming) = answer.into_parts();
        self.check(&mut head)?;
        strip_hop_by_hop(&mut head.headers);
        head.version = Version::HTTP_11;
        let body = Body::upstream(UpstreamBody::new(incoming, carrier, limit));
        let response = Response::from_parts(head, body);
        self.overhead.observe(arrived.elapsed().saturating_sub(waited).as_secs_f64());
        Ok(response)
    }

    async fn exchange(
        &self,
        request: http::Request<RequestBody>,
    ) -> Result<(http::Response<Incoming>, Carrier), Error> {
        let mut connection = match self.pool.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection.exchange(request).await.map_err(|failed| self.explain(&failed))?;
        Ok((answer, Carrier::new(connection, Arc::clone(&self.pool))))
    }

    async fn connect(&self) -> Result<Box<Connection>, Error> {
        let unreachable = |problem: String| Error::UpstreamConnect {
            upstream: self.upstream.name.clone(),
            problem,
        };
        let stream = connect::connect(&self.upstream).await;
        let stream = stream.map_err(|problem| unreachable(problem.to_string()))?;
        Connection::open(stream).await.map_err(|problem| unreachable(problem.to_string()))
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

    fn outgoing(&self, request: Request) -> http::Request<RequestBody> {
        let Request { mut head, body, context } = request;
        strip_hop_by_hop(&mut head.headers);
        if head.version == Version::HTTP_2 {
            join_cookies(&mut head.headers);
        }
        let peer = context.peer.as_ref();
        let is_trusted = peer.is_some_and(|peer| self.trusts(peer));
        forward(&mut head.headers, peer.map(|peer| &peer.text), is_trusted);
        head.uri = in_origin_form(&head.uri);
        head.version = Version::HTTP_11;
        http::Request::from_parts(head, body)
    }

    fn trusts(&self, peer: &Peer) -> bool {
        self.trusted.iter().any(|net| net.contains(&peer.address))
    }

    fn too_slow(&self, limit: Option<Duration>) -> Error {
        let upstream = self.upstream.name.clone();
        Error::UpstreamTimeout { upstream, limit: limit.unwrap_or_default() }
    }

    fn explain(&self, failed: &Failed) -> Error {
        let upstream = self.upstream.name.clone();
        match client_side(&failed.problem) {
            Some(ours) => ours,
            None => Error::UpstreamReset { upstream, problem: root(&failed.problem).to_string() },
        }
    }
}

/// RFC 9112 section 3.2.1: an origin server gets the origin form.
fn in_origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    Uri::from(path)
}

/// A failure of the client's own body, seen through the upstream's connection.
fn client_side(problem: &hyper::Error) -> Option<Error> {
    let ours = chain(problem).find_map(|cause| cause.downcast_ref::<Error>())?;
    Some(match ours {
        Error::BodyTooLarge(limit) => Error::BodyTooLarge(*limit),
        Error::BodyTimeout(limit) => Error::BodyTimeout(*limit),
        Error::BadRequest(problem) => Error::BadRequest(problem),
        _ => Error::ClientGone,
    })
}

fn chain(problem: &hyper::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(problem.source(), |&cause| cause.source())
}

fn root(problem: &hyper::Error) -> &(dyn StdError + 'static) {
    chain(problem).last().unwrap_or(problem)
}
