//! HTTP/2 connections of one event loop: one for each endpoint, shared by the requests that go there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::sleep_until;

use crate::handler::RequestBody;
use crate::handler::upstream::Stream;

/// How often an upstream must show that it still is there.
const PING: Duration = Duration::from_secs(10);

/// By [`crate::handler::upstream::Endpoint::id`].
pub struct Shared {
    limit: Option<Duration>,
    open: Mutex<HashMap<u64, Arc<Open>>>,
}

struct Open {
    sender: SendRequest<RequestBody>,
    used: Mutex<Instant>,
}

/// One request's use of a connection.
pub struct Use(Arc<Open>);

impl Shared {
    /// Connections rest for `limit` at most; `None`: as long as the upstream lets them.
    #[must_use]
    pub fn new(limit: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// The connection to an endpoint, if there is one that still takes requests.
    pub fn find(&self, endpoint: u64) -> Option<Use> {
        let mut all = lock(&self.open);
        let open = Arc::clone(all.get(&endpoint)?);
        if open.sender.is_closed() {
            all.remove(&endpoint);
            return None;
        }
        Some(Use(open))
    }

    /// Makes `stream` the connection that is shared from now on.
    ///
    /// # Errors
    /// What comes is no HTTP/2.
    pub async fn open(
        self: &Arc<Self>,
        endpoint: u64,
        stream: Stream,
    ) -> Result<Use, hyper::Error> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let open = Arc::new(Open { sender, used: Mutex::new(Instant::now()) });
        lock(&self.open).insert(endpoint, Arc::clone(&open));
        if let Some(limit) = self.limit {
            tokio::spawn(expire(Arc::downgrade(self), endpoint, Arc::downgrade(&open), limit));
        }
        Ok(Use(open))
    }
}

impl Use {
    /// Sends `request`, in [`in_its_form`], and waits for the head of its answer.
    ///
    /// # Errors
    /// As hyper's; with the request, where nothing of it was sent.
    pub async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.0.sender.clone().try_send_request(request).await
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        *lock(&self.0.used) = Instant::now();
    }
}

/// Forgets a connection that nobody has used for `limit`; it closes when its last request has ended.
async fn expire(shared: Weak<Shared>, endpoint: u64, open: Weak<Open>, limit: Duration) {
    let mut due = Instant::now() + limit;
    loop {
        sleep_until(due.into()).await;
        let (Some(shared), Some(open)) = (shared.upgrade(), open.upgrade()) else { return };
        // One is the map's, one is ours.
        let is_used = Arc::strong_count(&open) > 2;
        let since = if is_used { Instant::now() } else { *lock(&open.used) };
        due = since + limit;
        if due <= Instant::now() || open.sender.is_closed() {
            let mut all = lock(&shared.open);
            if all.get(&endpoint).is_some_and(|known| Arc::ptr_eq(known, &open)) {
                all.remove(&endpoint);
            }
            return;
        }
    }
}

/// `Host` becomes `:authority` (RFC 9113 section 8.3.1).
pub fn in_its_form(request: &mut Request<RequestBody>, is_tls: bool) {
    let host = request.headers_mut().remove(HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = authority.or(Some(Authority::from_static("localhost")));
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    // All three parts are there, which is all that can be wrong.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
