//! `proxy = …`: passes a request to an upstream and its answer back, both bodies as streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{HOST, TE};
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, Uri, Version};
use hyper::body::Incoming;
use ipnet::IpNet;
use prometheus::Histogram;
use tokio::time::timeout;
use tower::Service;

use crate::config::upstream::{Origin, Protocol};
use crate::handler::headers::{forward, is_grpc, join_cookies, settle_framing, strip_hop_by_hop};
use crate::handler::upgrade::{self, Upgrade};
use crate::handler::upstream::body::Way;
use crate::handler::upstream::{Carrier, Connections, Group, Lease, Trouble, UpstreamBody};
use crate::handler::{Answering, Body, Error, Peer, Request, RequestBody, Response, Waited};

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
    overhead: Histogram,
}

impl Proxy {
    /// With connections of its own, for one event loop.
    #[must_use]
    pub fn new(group: Arc<Group>, trusted: Arc<[IpNet]>, overhead: Histogram) -> Self {
        let host = host_of(group.config().origins.first());
        let connections = Connections::new(group);
        Self { shared: Arc::new(Shared { connections, trusted, host, overhead }) }
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
        let is_timed = request.context.is_timed;
        let upgrade = self.upgrade(&mut request);
        let is_grpc = self.passes_grpc(&request.head);
        let mut outgoing = self.outgoing(request);
        if upgrade.is_some() {
            upgrade::mark(outgoing.headers_mut());
        }
        if is_grpc {
            outgoing.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
            outgoing = outgoing.map(RequestBody::with_trailers);
        }
        let asked = Instant::now();
        let lease = self.group().lease(None).await?;
        let (answer, carrier) = self.exchange(outgoing, lease).await?;
        let waited = asked.elapsed();
        let (mut head, incoming) = answer.into_parts();
        let body = match upgrade {
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
                Body::upstream(body.with_trailers(is_grpc))
            }
        };
        head.version = Version::HTTP_11;
        self.overhead.observe(arrived.elapsed().saturating_sub(waited).as_secs_f64());
        let mut response = Response::from_parts(head, body);
        if is_timed {
            let upstream = Arc::clone(self.group().config());
            response.extensions_mut().insert(Waited { upstream, time: waited });
        }
        Ok(response)
    }

    async fn exchange(
        &self,
        request: http::Request<RequestBody>,
        mut lease: Lease,
    ) -> Result<(http::Response<Incoming>, Carrier), Error> {
        let sent = Instant::now();
        let limit = self.group().config().response_timeout;
        let exchange = self.connections.exchange(request, &mut lease);
        let (answer, way) = match timeout(limit.unwrap_or(Duration::MAX), exchange).await {
            Ok(answered) => answered?,
            Err(_) => return Err(self.too_slow(limit, &lease)),
        };
        lease.answered(answer.status(), sent.elapsed());
        Ok((answer, self.connections.carrier(way, lease)))
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
        if head.version == Version::HTTP_10 {
            head.headers.entry(HOST).or_insert_with(|| self.host.clone());
        }
        head.uri = in_origin_form(&head.uri);
        head.version = Version::HTTP_11;
        http::Request::from_parts(head, body)
    }

    fn trusts(&self, peer: &Peer) -> bool {
        self.trusted.iter().any(|net| net.contains(&peer.address))
    }

    fn too_slow(&self, limit: Option<Duration>, lease: &Lease) -> Error {
        let limit = limit.unwrap_or_default();
        let error = Error::UpstreamTimeout { upstream: self.name(), limit };
        lease.failed(Trouble::Timeout, &error);
        error
    }
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
