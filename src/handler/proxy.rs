//! `proxy = …`: passes a request to an upstream and its answer back, both bodies as streams.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use ipnet::IpNet;
use prometheus::Histogram;
use tokio::time::timeout;
use tower::Service;

use crate::config::Upstream;
use crate::handler::headers::{forward, join_cookies, settle_framing, strip_hop_by_hop};
use crate::handler::upgrade::{self, Upgrade};
use crate::handler::upstream::http1::Connection;
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
    async fn pass(&self, mut request: Request) -> Result<Response, Error> {
        let arrived = request.context.arrived;
        let upgrade = Upgrade::asked_by(&mut request.head);
        let mut outgoing = self.outgoing(request);
        if upgrade.is_some() {
            upgrade::mark(outgoing.headers_mut());
        }
        let sent = Instant::now();
        let limit = self.upstream.response_timeout;
        let answered = timeout(limit.unwrap_or(Duration::MAX), self.exchange(outgoing)).await;
        let (answer, carrier) = answered.map_err(|_| self.too_slow(limit))??;
        let waited = sent.elapsed();
        let (mut head, incoming) = answer.into_parts();
        let body = match upgrade {
            Some(upgrade) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                self.switch(&mut head, upgrade, carrier)?;
                Body::empty()
            }
            _ => {
                self.check(&mut head)?;
                strip_hop_by_hop(&mut head.headers);
                Body::upstream(UpstreamBody::new(incoming, carrier, limit))
            }
        };
        head.version = Version::HTTP_11;
        self.overhead.observe(arrived.elapsed().saturating_sub(waited).as_secs_f64());
        Ok(Response::from_parts(head, body))
    }

    /// Over a connection of the pool, or a fresh one; a pooled one that fails may have been closed in the same moment,
    /// which a fresh one tells.
    async fn exchange(
        &self,
        request: http::Request<RequestBody>,
    ) -> Result<(http::Response<Incoming>, Carrier), Error> {
        let (mut connection, request) = match self.pool.take() {
            None => (self.connect().await?, request),
            Some(mut pooled) => {
                let again = repeatable(&request);
                match (pooled.exchange(request).await, again) {
                    (Ok(answer), _) => return Ok((answer, self.carrier(pooled))),
                    (Err(problem), Some(again)) if !problem.is_parse() => {
                        (self.connect().await?, again)
                    }
                    (Err(problem), _) => return Err(self.explain(&problem)),
                }
            }
        };
        match connection.exchange(request).await {
            Ok(answer) => Ok((answer, self.carrier(connection))),
            Err(problem) => Err(self.explain(&problem)),
        }
    }

    fn carrier(&self, connection: Box<Connection>) -> Carrier {
        Carrier::new(connection, Arc::clone(&self.pool))
    }

    /// From here on the connection is the client's and the upstream's own.
    fn switch(
        &self,
        head: &mut http::response::Parts,
        upgrade: Upgrade,
        carrier: Carrier,
    ) -> Result<(), Error> {
        if !Upgrade::is_granted_by(&head.headers) {
            let problem = "it switched to a protocol that nobody asked for".to_owned();
            return Err(Error::UpstreamReset { upstream: self.upstream.name.clone(), problem });
        }
        strip_hop_by_hop(&mut head.headers);
        upgrade::mark(&mut head.headers);
        let (stream, read) = carrier.into_connection().into_stream();
        tokio::spawn(upgrade.tunnel(stream, read, self.upstream.tunnel_timeout, ()));
        Ok(())
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
        let peer = peer.map(|peer| &peer.text);
        forward(&mut head.headers, peer, context.is_tls, is_trusted);
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

    fn explain(&self, problem: &hyper::Error) -> Error {
        let upstream = self.upstream.name.clone();
        match client_side(problem) {
            Some(ours) => ours,
            None => Error::UpstreamReset { upstream, problem: root(problem).to_string() },
        }
    }
}

/// The same request once more, where that does no harm (RFC 9110 section 9.2.2) and nothing of it was used up.
fn repeatable(request: &http::Request<RequestBody>) -> Option<http::Request<RequestBody>> {
    let is_repeatable = request.method().is_idempotent() && request.body().is_end_stream();
    is_repeatable.then(|| {
        let mut again = http::Request::new(RequestBody::empty());
        again.method_mut().clone_from(request.method());
        again.uri_mut().clone_from(request.uri());
        again.headers_mut().clone_from(request.headers());
        again
    })
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
