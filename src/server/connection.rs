//! One client connection: HTTP/1.1 or HTTP/2 by its first bytes, each request to its route.

use std::sync::Arc;
use std::time::Instant;

use http::Version;
use http::header::HOST;
use http::request::Parts as Head;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::handler::arguments::decoded;
use crate::handler::client::scheme;
use crate::handler::headers::is_grpc;
use crate::handler::{Asked, Context, Error, Request, RequestBody};
use crate::listen::Stream;
use crate::route::{Promised, RouteService, Table, Target, UNMATCHED};
use crate::server::Shared;
use crate::server::accepted::Accepted;
use crate::server::answered::Answered;
use crate::server::gate::head;
use crate::server::gated::{self, Gated};
use crate::server::graceful::Watcher;
use crate::server::hygiene::{self, path::unslashed};
use crate::server::identify::{Identify, Identity};
use crate::server::opening::{Client, Opened};
use crate::server::pace::Limits;
use crate::server::paced::{Busy, Clock, Meters, Paced};
use crate::server::protocol::Protocol;
use crate::server::resting;
use crate::server::slow_start::SlowStart;
use crate::telemetry::Metrics;

/// Streams at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Bytes of one HTTP/2 stream's body that may wait here.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes of one HTTP/2 stream's answer that may wait for a client that does not read; hyper's own is 400 KiB.
const STREAM_BUFFER: usize = 64 * 1024;
/// Bytes of all streams' bodies of one HTTP/2 connection that may wait here.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Streams of one HTTP/2 connection that were reset before they were looked at (CVE-2023-44487): GOAWAY beyond.
const MAX_RESET_UNSEEN: usize = 20;
/// Streams of one HTTP/2 connection that were reset for a client's fault: GOAWAY beyond.
const MAX_RESET_FOR_ERRORS: usize = 1024;
/// hyper refuses a smaller buffer for a request's head.
const LEAST_BUFFER: usize = 8192;

/// Headers that hyper reads unless told otherwise.
const HYPER_HEADERS: usize = 100;

/// The routes of one event loop, and how its connections are served.
pub struct Router {
    table: Table<RouteService>,
    unmatched: RouteService,
    identify: Identify,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    limits: head::Limits,
    refused: gated::Meters,
    config: Arc<Config>,
    late: Meters,
    failed: Failed,
}

/// Where connections that ended badly are counted.
pub struct Failed {
    protocol: IntCounter,
    reset: IntCounter,
}

impl Failed {
    /// Among all that failed.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
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
            identify: Identify::new(&shared.config),
            http1: http1(&shared.config),
            http2: http2(&shared.config),
            limits: head_limits(&shared.config),
            refused: gated::Meters::new(&shared.metrics, UNMATCHED),
            config: Arc::clone(&shared.config),
            late: Meters::new(&shared.metrics),
            failed: Failed::new(&shared.metrics),
        })
    }

    /// Serves a connection until it ends, or until `watcher` tells it to after its present request.
    pub async fn serve(self: Arc<Self>, accepted: Accepted, watcher: Watcher) {
        let Accepted { stream, opening, held: _held } = accepted;
        match stream {
            Stream::Tcp(stream, peer) => {
                self.serve_opened(opening.open(stream, Some(peer)).await, watcher).await
            }
            Stream::Unix(stream) => {
                self.serve_opened(opening.open(stream, None).await, watcher).await
            }
        }
    }

    async fn serve_opened<S>(self: &Arc<Self>, opened: Option<Opened<S>>, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(Opened { stream, client, protocol }) = opened else { return };
        let clock = Clock::new(Limits::of(&self.config.server));
        let (open, closed) = oneshot::channel();
        let mut stream = Paced::new(stream, clock.clone(), self.late.clone(), open)
            .sending_within(self.config.server.send_timeout);
        let first = match protocol {
            Some(agreed) => Ok(agreed),
            None => watcher.watch(Protocol::of(&mut stream), never, |_| clock.drain()).await,
        };
        let Ok(first) = first else { return };
        let service = service_fn(|request: http::Request<Incoming>| {
            let busy = clock.request(request.version() == Version::HTTP_2);
            self.answer(request, client.clone(), busy)
        });
        let served = match first {
            Protocol::Http1(read) => {
                let stream = stream.replaying(read);
                let gated = Gated::new(stream, self.limits, clock.clone(), self.refused.clone());
                let connection = resting::serve(&self.http1, Box::new(gated), service, &clock);
                watcher.watch(connection, never, |_| clock.drain()).await
            }
            Protocol::Http2(read) => {
                let stream = TokioIo::new(stream.replaying(read));
                let start = SlowStart::default();
                let service = service_fn(|request| start.turn(service.call(request)));
                let connection = Box::pin(self.http2.serve_connection(stream, service));
                let is_last = || clock.is_last();
                watcher
                    .watch(connection, is_last, |one| one.get_mut().as_mut().graceful_shutdown())
                    .await
            }
        };
        self.count(served, &clock);
        if clock.is_tunnel() {
            let _tunnel_has_ended = closed.await;
        }
    }

    fn count(&self, served: Result<(), hyper::Error>, clock: &Clock) {
        let is_malformed = served.as_ref().is_err_and(hyper::Error::is_parse);
        match &served {
            _ if is_malformed || clock.is_refused() => self.failed.protocol.inc(),
            Ok(()) => {}
            Err(_) if clock.is_slow() => {}
            Err(problem) => {
                self.failed.reset.inc();
                tracing::debug!("a connection failed: {problem}");
            }
        }
    }

    fn answer(&self, request: http::Request<Incoming>, client: Client, busy: Busy) -> Answered {
        let (mut head, body) = request.into_parts();
        let server = &self.config.server;
        let fault = hygiene::mend(&mut head, server.max_body_size).err();
        let is_within = head.headers.len() <= self.limits.count;
        let fault = fault.or((!is_within).then(|| self.limits.exceeded()));
        // A stream of gRPC has no end that could be expected.
        let has_end = head.version != Version::HTTP_2 || !is_grpc(&head.headers);
        let whole = server.body_total_timeout.filter(|_| has_end);
        let body = RequestBody::new(body, server.max_body_size, server.body_timeout).within(whole);
        let address = client.peer.as_ref().map(|peer| peer.address);
        let identity = self.identify.request(&mut head.headers, address);
        let request = Box::new(Asked { head, body, context: at(client, &identity, fault) });
        Answered::new(identity.answered, busy, || self.dispatch(request))
    }

    fn dispatch(&self, mut request: Request) -> Promised {
        let (service, params) = match &request.context.refusal {
            None | Some(Error::BodyTooLarge(_)) => self.find(&request.head, &request.context),
            // Its host or its path mean nothing: no route can be named.
            Some(_) => (&self.unmatched, Vec::new()),
        };
        request.context.params = params;
        service.answer(request)
    }

    fn find(&self, head: &Head, context: &Context) -> (&RouteService, Vec<(String, String)>) {
        let host_header = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        // `OPTIONS *` is about the whole app.
        let path = if head.uri.path() == "*" { "/" } else { head.uri.path() };
        let unslashed = unslashed(path);
        let target = Target {
            scheme: scheme(&self.config.server.trusted_proxies, context, &head.headers),
            host: head.uri.authority().map(|authority| authority.as_str()).or(host_header),
            path,
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
fn at(client: Client, identity: &Identity, refusal: Option<Error>) -> Context {
    Context {
        id: identity.id,
        trace: identity.trace,
        peer: client.peer,
        is_tls: client.is_tls,
        arrived: Instant::now(),
        refusal,
        params: Vec::new(),
        deadline: None,
        input: None,
        suspect: None,
        slot: None,
        progress: None,
        is_timed: false,
    }
}

/// A connection of HTTP/1 tells its client by itself.
fn never() -> bool {
    false
}

fn head_limits(config: &Config) -> head::Limits {
    head::Limits { size: config.server.max_header_size, count: config.server.max_headers }
}

/// The gate looks at heads and `Paced` has the times: hyper's own limits stand behind them.
fn http1(config: &Config) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(config.server.max_header_size.max(LEAST_BUFFER) + 1);
    // What is set is allocated for each request; the default has its place on the stack.
    if config.server.max_headers > HYPER_HEADERS {
        builder.max_headers(config.server.max_headers);
    }
    builder
}

fn http2(config: &Config) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_BUFFER)
        .max_pending_accept_reset_streams(MAX_RESET_UNSEEN)
        .max_local_error_reset_streams(MAX_RESET_FOR_ERRORS)
        .max_header_list_size(u32::try_from(config.server.max_header_size).unwrap_or(u32::MAX));
    builder
}
