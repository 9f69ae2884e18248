//! The operator's side: metrics and health, on a thread and a runtime of its own, so that it answers when the event
//! loops are saturated. Encoding happens here, never on an event loop.

mod negotiate;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use crate::config::Listener;
use crate::executor::Ledger;
use crate::layer::admission::Gate;
use crate::listen::passed::Given;
use crate::listen::{BindError, Bound, Door, Stream};
use crate::telemetry::Metrics;

const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const BACK_OFF: Duration = Duration::from_millis(50);
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const INDEX: &str = "/metrics  for Prometheus\n/livez    200 while the process runs\n/readyz   200 while it takes requests, 503 while it drains\n/api/v1/calls  detached calls: those that have not ended, and the last 1000 that have\n";

/// What the operator may ask about.
pub struct Admin {
    /// Encoded on request.
    pub metrics: Metrics,
    /// Brought up to now before.
    pub gates: Vec<Arc<Gate>>,
    /// What became of calls that nobody waits for.
    pub ledger: Arc<Ledger>,
    /// True while the proxy takes no new requests.
    pub draining: watch::Receiver<bool>,
}

impl Admin {
    /// Listens, at the socket that was `given` if one was, and answers on the thread `admin` until the process ends, or
    /// a successor listens there.
    ///
    /// # Errors
    /// The address cannot be listened at, or no thread can be started.
    pub async fn start(
        self,
        listener: Listener,
        given: Option<Given>,
    ) -> Result<Arc<Bound>, AdminError> {
        let (report, bound) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("admin".into()).spawn(move || {
            runtime.block_on(async move {
                match open(&listener, given) {
                    Ok((socket, door)) => {
                        let _starter_left = report.send(Ok(Arc::clone(&socket)));
                        Arc::new(self).serve(socket, door).await;
                    }
                    Err(problem) => drop(report.send(Err(problem))),
                }
            });
        })?;
        let ended = |_| AdminError::Io(io::Error::other("the admin thread has ended"));
        bound.await.map_err(ended)?
    }

    async fn serve(self: Arc<Self>, socket: Arc<Bound>, door: Door) {
        let mut draining = self.draining.clone();
        tokio::select! {
            () = Arc::clone(&self).accept(door) => {}
            _ = draining.wait_for(|is_draining| *is_draining && socket.is_handed_over()) => {}
        }
        // What has been accepted is answered as long as the process runs.
        drop(socket);
        std::future::pending::<()>().await;
    }

    async fn accept(self: Arc<Self>, door: Door) {
        loop {
            match door.accept().await {
                Ok(stream) => drop(tokio::spawn(Arc::clone(&self).connection(stream))),
                Err(problem) => {
                    tracing::warn!("an admin connection could not be accepted: {problem}");
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: Stream) {
        match stream {
            Stream::Tcp(stream, _) => self.http(stream).await,
            Stream::Unix(stream) => self.http(stream).await,
        }
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self: Arc<Self>, stream: S) {
        let service = service_fn(|request| {
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let _client_errors_are_its_own = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    fn answer(&self, request: &http::Request<Incoming>) -> Response<Full<Bytes>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "read only: use GET\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => self.scrape(request.headers()),
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" if *self.draining.borrow() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            "/readyz" => text(StatusCode::OK, "ready\n"),
            "/api/v1/calls" => self.calls(),
            "/" => text(StatusCode::OK, INDEX),
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
    }

    fn calls(&self) -> Response<Full<Bytes>> {
        let mut response =
            Response::new(Full::new(Bytes::from(format!("{}\n", self.ledger.to_json()))));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        response
    }

    fn scrape(&self, asked: &HeaderMap) -> Response<Full<Bytes>> {
        self.gates.iter().for_each(|gate| gate.refresh());
        let format = negotiate::format(asked);
        let text = self.metrics.encode(format).into_bytes();
        let (body, is_packed) = match negotiate::wants_gzip(asked) {
            true => negotiate::gzip(text),
            false => (text, false),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        if is_packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

fn open(listener: &Listener, given: Option<Given>) -> Result<(Arc<Bound>, Door), AdminError> {
    let socket = Bound::bind(listener, given)?;
    let door = socket.door()?;
    Ok((Arc::new(socket), door))
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}

/// Why there is no admin listener.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Its address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its thread or runtime.
    #[error("the admin thread cannot be started: {0}")]
    Io(#[from] io::Error),
}
