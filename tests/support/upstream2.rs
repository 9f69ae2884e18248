//! A fake upstream that speaks HTTP/2 in clear text, and nothing else: it answers every request with 200 and keeps what it saw.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use super::background::Background;
use super::place::Place;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// `:scheme`.
    pub scheme: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// A `host` field beside it.
    pub host: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    connections: usize,
    seen: Vec<Seen>,
}

/// Ends when dropped.
pub struct Upstream2 {
    place: Place,
    state: Arc<Mutex<State>>,
    _running: Background,
}

impl Upstream2 {
    /// On a free port. The answer's body is the request's path.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::<State>::default());
        let noted = Arc::clone(&state);
        let (running, port) = Background::serve(move |listener| accept(listener, noted));
        Self { place: Place::Tcp(([127, 0, 0, 1], port).into()), state, _running: running }
    }

    /// Where it listens.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// As a configuration says it.
    pub fn url(&self) -> String {
        self.place.url()
    }

    /// All requests whose body has ended.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.lock().unwrap().connections += 1;
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        let connection = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: http::Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let seen = Seen {
        method: head.method.to_string(),
        scheme: head.uri.scheme_str().unwrap_or_default().to_owned(),
        authority: head.uri.authority().map(ToString::to_string).unwrap_or_default(),
        path: path.clone(),
        host: head.headers.get("host").map(text),
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
    };
    state.lock().unwrap().seen.push(seen);
    Ok(http::Response::new(Full::new(Bytes::from(path))))
}
