//! Active checks: a real request to each endpoint at each interval, on a connection of its own.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::upstream::{Health, Protocol};
use crate::config::{Origin, Upstream};
use crate::handler::upstream::connect::{ConnectError, Stream, connect};
use crate::handler::upstream::{Endpoint, Group};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("cofferdam/", env!("CARGO_PKG_VERSION"), " (health check)"));

/// What a check found.
#[derive(Debug, thiserror::Error)]
pub enum Ill {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection ended, or what came is no HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// Not within `health.status`.
    #[error("it answered the check with {0}")]
    Status(StatusCode),
    /// `health.timeout`.
    #[error("it did not answer the check within {0:?}")]
    Late(Duration),
    /// A setting that cannot be sent.
    #[error("the check cannot be sent: {0}")]
    Request(#[from] http::Error),
}

/// Begins to check, where `health` is written.
pub(super) fn start(group: &Arc<Group>) {
    if let Some(health) = &group.config.health {
        tokio::spawn(watch(Arc::downgrade(group), health.interval));
    }
}

/// A round ends before the next one begins: checks never pile up at an app that is slow.
async fn watch(group: Weak<Group>, every: Duration) {
    let mut due = interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let Some(group) = group.upgrade() else { return };
        let mut checks = JoinSet::new();
        for endpoint in group.endpoints.load().iter() {
            checks.spawn(visit(Arc::clone(&group), Arc::clone(endpoint)));
        }
        checks.join_all().await;
    }
}

async fn visit(group: Arc<Group>, endpoint: Arc<Endpoint>) {
    let Some(health) = &group.config.health else { return };
    let found = match timeout(health.timeout, check(&group, &endpoint, health)).await {
        Ok(found) => found,
        Err(_) => Err(Ill::Late(health.timeout)),
    };
    group.checked(&endpoint, found);
}

async fn check(group: &Group, endpoint: &Endpoint, health: &Health) -> Result<(), Ill> {
    let request = request(&group.config, endpoint.place, health)?;
    let stream = connect(group, endpoint).await?;
    let answer = match group.config.protocol {
        Protocol::Http1 => over_http1(stream, request).await?,
        Protocol::Http2 => over_http2(stream, request).await?,
    };
    let status = answer.status();
    if health.status.contains(&status.as_u16()) { Ok(()) } else { Err(Ill::Status(status)) }
}

fn request(
    upstream: &Upstream,
    place: usize,
    health: &Health,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    let (scheme, port) = if upstream.tls.is_some() { ("https", 443) } else { ("http", 80) };
    let host = match (&health.host, upstream.origins.get(place)) {
        (Some(host), _) => host.clone(),
        (None, Some(Origin::Tcp { host, port: at })) if *at == port && !host.contains(':') => {
            host.clone()
        }
        (None, Some(origin @ Origin::Tcp { .. })) => origin.to_string(),
        (None, _) => "localhost".to_owned(),
    };
    let request = Request::get(health.path.as_str()).header(USER_AGENT, AGENT);
    match upstream.protocol {
        Protocol::Http1 => request.header(HOST, host).body(Empty::new()),
        Protocol::Http2 => {
            let uri = Uri::builder().scheme(scheme).authority(host);
            let uri = uri.path_and_query(health.path.as_str()).build()?;
            request.uri(uri).body(Empty::new())
        }
    }
}

async fn over_http1(
    stream: Stream,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let (mut answer, mut connection) = (pin!(sender.send_request(request)), pin!(connection));
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

async fn over_http2(
    stream: Stream,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, hyper::Error> {
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    let (mut answer, mut connection) = (pin!(sender.send_request(request)), pin!(connection));
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}
