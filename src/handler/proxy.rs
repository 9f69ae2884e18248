//! `proxy = …`: passes a request to an upstream and its answer back, both bodies as streams.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{HOST, TE};
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use ipnet::IpNet;
use prometheus::Histogram;
use tokio::time::timeout_at;
use tower::Service;

use crate::config::upstream::{Origin, Protocol};
use crate::handler::headers::{forward, is_grpc, join_cookies, settle_framing, strip_hop_by_hop};
use crate::handler::upgrade::{self, Upgrade};
use crate::handler::upstream::body::Way;
use crate::handler::upstream::linger::{Lingering, Places};
use crate::handler::upstream::{Carrier, Connections, Group, Lease, Trouble, UpstreamBody};
use crate::handler::{Answering, Asked, Body, Error, Peer, Request, RequestBody, Response, Waited};

/// Proxies to one upstream.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    connections: Connections,
    trusted: Arc<[IpNet]>,
    /// Where nobody was asked for.
    host: HeaderValue,
    /// From a request's head to the answer's: the route's.
    timeout: Option<Duration>,
    overhead: Histogram,
    lingering: Places,
}

impl Proxy {
    /// With connections of its own, for one event loop. `timeout`, from a request's head to its answer's, is kept here: one
    /// timer serves it and the upstream's own limit.
    #[must_use]
    pub fn new(
        group: Arc<Group>,
        trusted: Arc<[IpNet]>,
        timeout: Option<Duration>,
        overhead: Histogram,
    ) -> Self {
        let host = host_of(group.config().origins.first());
        let connections = Connections::new(group);
        let lingering = Places::default();
        Self {
            shared: Arc::new(Shared { connections, trusted, host, timeout, overhead, lingering }),
        }
    }
}

impl Service<Request> for Proxy {
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        let shared = Arc::clone(&self.shared);
        let may_linger = self.shared.may_linger(&request);
        let answering = Box::pin(async move {
            let passing = shared.prepare(&mut request);
            shared.pass(request, passing).await
        });
        match may_linger {
            true => Box::pin(Lingering::new(answering, self.shared.lingering.clone())),
            false => answering,
        }
    }
}

/// What of a request is still to know when its answer comes.
struct Passing {
    upgrade: Option<Upgrade>,
    is_grpc: bool,
    is_timed: bool,
    arrived: Instant,
    /// It announces no body, and may send one all the same.
    is_unsettled: bool,
}

impl Shared {
    async fn pass(&self, mut request: Request, passing: Passing) -> Result<Response, Error> {
        let by_route = self.timeout.map(|limit| passing.arrived + limit);
        if passing.is_unsettled {
            Box::pin(self.settle(&mut request, by_route)).await?;
        }
        let lease = match self.group().free_lease() {
            Some(lease) => lease,
            None => Box::pin(self.wait_for_lease(by_route)).await?,
        };
        let sent = Instant::now();
        let (answer, carrier) = self.exchange(request, lease, sent, by_route).await?;
        let waited = sent.elapsed();
        carrier.lease().answered(answer.status(), waited);
        self.overhead.observe(sent.duration_since(passing.arrived).as_secs_f64());
        let is_timed = passing.is_timed;
        let mut response = self.passed_back(answer, carrier, passing)?;
        if is_timed {
            let upstream = Arc::clone(self.group().config());
            response.extensions_mut().insert(Waited { upstream, time: waited });
        }
        Ok(response)
    }

    async fn wait_for_lease(&self, by_route: Option<Instant>) -> Result<Lease, Error> {
        self.in_time(by_route, self.group().lease(None)).await
    }

    async fn settle(&self, request: &mut Request, by_route: Option<Instant>) -> Result<(), Error> {
        self.in_time(by_route, request.body.ends_empty()).await
    }

    async fn in_time<T>(
        &self,
        by_route: Option<Instant>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(deadline) = by_route else { return work.await };
        timeout_at(deadline.into(), work).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    /// The head of an answer, by whichever limit comes first: one timer, not two.
    async fn exchange(
        &self,
        request: Request,
        mut lease: Lease,
        sent: Instant,
        by_route: Option<Instant>,
    ) -> Result<(http::Response<Incoming>, Carrier), Error> {
        let by_upstream = self.group().config().response_timeout.map(|limit| sent + limit);
        let answered = {
            // Pinned where it is: the timer around it moves a pointer.
            let exchange = pin!(self.connections.exchange(request, &mut lease));
            match by_route.into_iter().chain(by_upstream).min() {
                Some(deadline) => timeout_at(deadline.into(), exchange).await.ok(),
                None => Some(exchange.await),
            }
        };
        let is_by_route = by_route.is_some_and(|at| by_upstream.is_none_or(|other| at < other));
        match answered {
            Some(Ok((answer, way))) => Ok((answer, self.connections.carrier(way, lease))),
            Some(Err(problem)) => Err(problem),
            None if is_by_route => Err(self.too_slow()),
            None => Err(self.upstream_too_slow(&lease)),
        }
    }

    fn passed_back(
        &self,
        answer: http::Response<Incoming>,
        carrier: Carrier,
        passing: Passing,
    ) -> Result<Response, Error> {
        let (mut head, incoming) = answer.into_parts();
        let body = match passing.upgrade {
            Some(upgrade) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                self.switch(&mut head, upgrade, carrier)?;
                Body::empty()
            }
            _ => {
                let blame = |problem: &Error| carrier.lease().failed(Trouble::Reset, problem);
                self.check(&mut head).inspect_err(blame)?;
                strip_hop_by_hop(&mut head.headers);
                let idle = self.group().config().response_idle_timeout;
                let body = UpstreamBody::new(incoming, carrier, idle);
                Body::upstream(body.with_trailers(passing.is_grpc))
            }
        };
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, body))
    }

    /// A stream of HTTP/2 is reset for nothing, a connection of HTTP/1 is not. A body ends with its client; and where the
    /// app's requests are counted, nobody else's may run beside them.
    fn may_linger(&self, request: &Request) -> bool {
        request.head.version == Version::HTTP_2
            && request.body.is_end_stream()
            && self.group().config().limit.is_none()
    }

    fn group(&self) -> &Arc<Group> {
        self.connections.group()
    }

    fn name(&self) -> String {
        self.group().config().name.clone()
    }

    /// HTTP/2 has no upgrade; a request for one is a request like any other there.
    fn upgrade(&self, request: &mut Request) -> Option<Upgrade> {
        let upgrade = Upgrade::asked_by(&mut request.head);
        upgrade.filter(|_| self.group().config().protocol == Protocol::Http1)
    }

    /// HTTP/2 on both sides carries trailers through; elsewhere they could be taken for headers that were checked.
    fn passes_grpc(&self, head: &http::request::Parts) -> bool {
        head.version == Version::HTTP_2
            && self.group().config().protocol == Protocol::Http2
            && is_grpc(&head.headers)
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
            carrier.lease().failed(Trouble::Reset, &problem);
            return Err(Error::UpstreamReset { upstream: self.name(), problem });
        }
        strip_hop_by_hop(&mut head.headers);
        upgrade::mark(&mut head.headers);
        if let (Way::Http1(connection), lease) = carrier.into_parts() {
            let (stream, read) = connection.into_stream();
            let limit = self.group().config().tunnel_timeout;
            tokio::spawn(upgrade.tunnel(stream, read, limit, lease));
        }
        Ok(())
    }

    /// An answer that its readers could understand differently is no answer.
    fn check(&self, head: &mut http::response::Parts) -> Result<(), Error> {
        let refuse = |problem: String| Err(Error::UpstreamReset { upstream: self.name(), problem });
        match head.status.as_u16() {
            200..=599 if settle_framing(head.status, &mut head.headers) => Ok(()),
            200..=599 => refuse("the framing of its answer is ambiguous".to_owned()),
            status => refuse(format!("it answered with status {status}, which nobody asked for")),
        }
    }

    /// Makes of a request what its upstream is asked.
    fn prepare(&self, request: &mut Request) -> Passing {
        let passing = Passing {
            upgrade: self.upgrade(request),
            is_grpc: self.passes_grpc(&request.head),
            is_timed: request.context.is_timed,
            arrived: request.context.arrived,
            is_unsettled: is_unsettled(&request.body),
        };
        let Asked { head, body, context } = &mut **request;
        strip_hop_by_hop(&mut head.headers);
        if head.version == Version::HTTP_2 {
            join_cookies(&mut head.headers);
        }
        let peer = context.peer.as_ref();
        let is_trusted = peer.is_some_and(|peer| self.trusts(peer));
        let peer = peer.map(|peer| &peer.text);
        forward(&mut head.headers, peer, context.is_tls, is_trusted);
        if head.version == Version::HTTP_10 {
            head.headers.entry(HOST).or_insert_with(|| self.host.clone());
        }
        if passing.upgrade.is_some() {
            upgrade::mark(&mut head.headers);
        }
        if passing.is_grpc {
            head.headers.insert(TE, HeaderValue::from_static("trailers"));
            body.pass_trailers();
        }
        head.uri = in_origin_form(&head.uri);
        head.version = Version::HTTP_11;
        passing
    }

    fn trusts(&self, peer: &Peer) -> bool {
        self.trusted.iter().any(|net| net.contains(&peer.address))
    }

    fn too_slow(&self) -> Error {
        Error::Timeout(self.timeout.unwrap_or_default())
    }

    fn upstream_too_slow(&self, lease: &Lease) -> Error {
        let limit = self.group().config().response_timeout.unwrap_or_default();
        let error = Error::UpstreamTimeout { upstream: self.name(), limit };
        lease.failed(Trouble::Timeout, &error);
        error
    }
}

fn is_unsettled(body: &RequestBody) -> bool {
    !body.is_end_stream() && body.size_hint().exact() == Some(0)
}

fn host_of(origin: Option<&Origin>) -> HeaderValue {
    let tcp = origin.filter(|origin| matches!(origin, Origin::Tcp { .. }));
    let host = tcp.and_then(|origin| HeaderValue::from_str(&origin.to_string()).ok());
    host.unwrap_or(HeaderValue::from_static("localhost"))
}

/// RFC 9112 section 3.2.1: an origin server gets the origin form.
fn in_origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    Uri::from(path)
}
