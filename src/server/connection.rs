//! One client connection: HTTP/1.1 or HTTP/2 by its first bytes, each request to its route.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, HOST};
use http::request::Parts as Head;
use http::{HeaderValue, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::Watcher;
use prometheus::{IntCounter, IntGauge};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

use crate::call::RequestId;
use crate::config::Config;
use crate::handler::arguments::decoded;
use crate::handler::{Context, Error, Request, RequestBody, Response, problem};
use crate::listen::Stream;
use crate::route::{RouteService, Table, Target};
use crate::server::Shared;
use crate::server::guard::guard;
use crate::server::hygiene::{self, path::unslashed};
use crate::server::pace::Limits;
use crate::server::paced::{Clock, Meters, Occupying, Paced};
use crate::telemetry::Metrics;

/// Streams at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Bytes of one HTTP/2 stream's body that may wait here.
const STREAM_WINDOW: u32 = 64 * 1024;
/// hyper refuses a smaller buffer for a request's head.
const LEAST_BUFFER: usize = 8192;

/// An accepted connection, counted as open while it lives.
pub struct Accepted {
    stream: Stream,
    _place: OwnedSemaphorePermit,
    _open: Open,
}

struct Open(IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Accepted {
    /// Holds `place` under `max_connections`.
    #[must_use]
    pub fn new(stream: Stream, place: OwnedSemaphorePermit, open: &IntGauge) -> Self {
        open.inc();
        Self { stream, _place: place, _open: Open(open.clone()) }
    }
}

/// The routes of one event loop, and how its connections are served.
pub struct Router {
    table: Table<RouteService>,
    unmatched: RouteService,
    http: Builder<TokioExecutor>,
    config: Arc<Config>,
    late: Meters,
    failed: Failed,
}

/// Where connections that ended badly are counted.
struct Failed {
    protocol: IntCounter,
    reset: IntCounter,
}

impl Failed {
    fn new(metrics: &Metrics) -> Self {
        let errors = |reason| metrics.connection_errors.with_label_values(&[reason]);
        Self { protocol: errors("protocol"), reset: errors("reset") }
    }
}

impl Router {
    /// Composes all routes for one event loop.
    ///
    /// # Errors
    /// As `route::compose`.
    pub fn new(shared: &Shared) -> Result<Self, Error> {
        let mut services = Vec::new();
        for route in &shared.config.routes {
            services.push((route, shared.parts.compose(route)?));
        }
        Ok(Self {
            table: Table::new(services),
            unmatched: shared.parts.unmatched(),
            http: http(&shared.config),
            config: Arc::clone(&shared.config),
            late: Meters::new(&shared.metrics),
            failed: Failed::new(&shared.metrics),
        })
    }

    /// Serves a connection until it ends, or until `watcher` tells it to after its present request.
    pub async fn serve(self: Arc<Self>, accepted: Accepted, watcher: Watcher) {
        match accepted.stream {
            Stream::Tcp(stream, peer) => match TcpStream::from_std(stream) {
                Ok(stream) => self.serve_stream(stream, Some(peer), watcher).await,
                Err(problem) => self.unusable(&problem),
            },
            Stream::Unix(stream) => match UnixStream::from_std(stream) {
                Ok(stream) => self.serve_stream(stream, None, watcher).await,
                Err(problem) => self.unusable(&problem),
            },
        }
    }

    async fn serve_stream<S>(self: &Arc<Self>, stream: S, peer: Option<IpAddr>, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let clock = Clock::new(Limits::of(&self.config.server));
        let stream = TokioIo::new(Paced::new(stream, clock.clone(), self.late.clone()));
        let service = service_fn(|request: http::Request<Incoming>| {
            let busy = clock.request(request.version() == Version::HTTP_2);
            let answer = Arc::clone(self).answer(request, peer);
            async { Ok::<_, Infallible>(answer.await.map(|body| Occupying::new(body, busy))) }
        });
        let connection = self.http.serve_connection(stream, service);
        if let Err(problem) = watcher.watch(connection).await {
            let hyper = problem.downcast_ref::<hyper::Error>();
            let is_malformed = hyper.is_some_and(|problem| problem.is_parse());
            if is_malformed {
                self.failed.protocol.inc()
            } else {
                self.failed.reset.inc()
            }
            tracing::debug!("a connection failed: {problem}");
        }
    }

    fn unusable(&self, problem: &std::io::Error) {
        self.failed.reset.inc();
        tracing::warn!("a connection could not be served: {problem}");
    }

    async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        peer: Option<IpAddr>,
    ) -> Response {
        let (mut head, body) = request.into_parts();
        let id = RequestId::next();
        let fault = hygiene::mend(&mut head, self.config.server.max_body_size).err();
        let must_close = fault.is_some() && head.version < Version::HTTP_2;
        let server = &self.config.server;
        let body = RequestBody::new(body, server.max_body_size, server.body_timeout);
        let answer =
            guard(self.dispatch(Request { head, body, context: at(peer, id, fault) })).await;
        let panicked =
            |_| problem::response(&Error::Internal("this request's handler panicked"), id);
        let mut answer = answer.unwrap_or_else(panicked);
        if must_close {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn dispatch(&self, mut request: Request) -> Response {
        let (service, params) = match &request.context.refusal {
            None | Some(Error::BodyTooLarge(_)) => self.find(&request.head),
            // Its host or its path mean nothing: no route can be named.
            Some(_) => (&self.unmatched, Vec::new()),
        };
        request.context.params = params;
        service.answer(request).await
    }

    fn find(&self, head: &Head) -> (&RouteService, Vec<(String, String)>) {
        let host_header = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let unslashed = unslashed(head.uri.path());
        let target = Target {
            host: head.uri.authority().map(|authority| authority.as_str()).or(host_header),
            path: head.uri.path(),
            unslashed: unslashed.as_deref(),
            method: &head.method,
            headers: &head.headers,
        };
        match self.table.find(&target) {
            Some((service, captures)) => {
                let param = |(name, value): (&str, &str)| (name.to_owned(), decoded(value));
                (service, captures.into_iter().map(param).collect())
            }
            None => (&self.unmatched, Vec::new()),
        }
    }
}

/// What is known of a request when its head has come.
fn at(peer: Option<IpAddr>, id: RequestId, refusal: Option<Error>) -> Context {
    Context {
        id,
        peer,
        arrived: Instant::now(),
        refusal,
        params: Vec::new(),
        deadline: None,
        input: None,
        slot: None,
    }
}

fn http(config: &Config) -> Builder<TokioExecutor> {
    let server = &config.server;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `paced` has it: hyper's own would also end a pause between two requests.
        .header_read_timeout(None)
        .max_buf_size(server.max_header_size.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_header_list_size(u32::try_from(server.max_header_size).unwrap_or(u32::MAX));
    builder
}
