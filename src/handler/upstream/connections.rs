//! The connections of one event loop to one upstream: a request goes over one that rests, or is shared, or is fresh.

use std::error::Error as StdError;
use std::sync::Arc;

use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::config::upstream::Protocol;
use crate::handler::upstream::body::Way;
use crate::handler::upstream::http1::Connection;
use crate::handler::upstream::{Carrier, Group, Lease, Pool, Trouble, http2};
use crate::handler::{Error, Request as Asking, RequestBody};

/// Made once for each event loop.
pub struct Connections {
    group: Arc<Group>,
    pool: Arc<Pool>,
    shared: Arc<http2::Shared>,
}

type Answer = (Response<Incoming>, Way);

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(group: Arc<Group>) -> Self {
        let idle = group.config().idle_timeout;
        Self { pool: Pool::new(idle), shared: http2::Shared::new(idle), group }
    }

    /// The upstream.
    #[must_use]
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Sends a request in HTTP/1.1's form to where `lease` is, and waits for the head of the answer. A request that
    /// does no harm twice is sent once more where a connection that was used before fails: the upstream may have closed
    /// it in the same moment.
    ///
    /// # Errors
    /// [`Error::UpstreamConnect`], [`Error::UpstreamReset`]; what was wrong with the request's own body.
    pub async fn exchange(&self, request: Asking, lease: &mut Lease) -> Result<Answer, Error> {
        // In places of their own: the way of most requests stays small.
        let request = match self.group.config().protocol {
            Protocol::Http2 => return Box::pin(self.over_http2(sent_as(request), lease)).await,
            Protocol::Http1 => request,
        };
        let Some(mut pooled) = self.pool.take(lease.endpoint().id) else {
            return Box::pin(self.over_fresh(sent_as(request), lease)).await;
        };
        let has_body = !request.body.is_end_stream();
        let again = repeatable(&request);
        match (pooled.exchange(sent_as(request)).await, again) {
            (Ok(answer), _) => Ok((answer, self.way(pooled, has_body, lease))),
            (Err(problem), Some(again)) if !problem.is_parse() => {
                lease.retry();
                Box::pin(self.over_fresh(*again, lease)).await
            }
            (Err(problem), _) => Err(self.explain(&problem, lease)),
        }
    }

    /// What keeps `lease` and the way until the answer's body has ended.
    #[must_use]
    pub fn carrier(&self, way: Way, lease: Lease) -> Carrier {
        Carrier::new(way, Arc::clone(&self.pool), lease)
    }

    async fn over_fresh(
        &self,
        request: Request<RequestBody>,
        lease: &mut Lease,
    ) -> Result<Answer, Error> {
        let stream = lease.connect().await?;
        let opened = Connection::open(stream).await;
        let mut fresh = opened.map_err(|problem| self.explain(&problem, lease))?;
        let has_body = !request.body().is_end_stream();
        match fresh.exchange(request).await {
            Ok(answer) => Ok((answer, self.way(fresh, has_body, lease))),
            Err(problem) => Err(self.explain(&problem, lease)),
        }
    }

    fn way(&self, connection: Box<Connection>, has_body: bool, lease: &Lease) -> Way {
        if !has_body || connection.is_ready() {
            return Way::Http1(connection);
        }
        let (pool, endpoint) = (Arc::clone(&self.pool), Arc::clone(lease.endpoint()));
        connection.run_alone(move |connection| pool.put_for(&endpoint, connection));
        Way::Alone
    }

    async fn over_http2(
        &self,
        mut request: Request<RequestBody>,
        lease: &mut Lease,
    ) -> Result<Answer, Error> {
        http2::in_its_form(&mut request, self.group.config().tls.is_some());
        let request = match self.shared.find(lease.endpoint().id) {
            None => request,
            Some(used) => match used.send(request).await {
                Ok(answer) => return Ok((answer, Way::Http2(used))),
                Err(mut problem) => match problem.take_message() {
                    Some(unsent) => {
                        lease.retry();
                        unsent
                    }
                    None => return Err(self.explain(problem.error(), lease)),
                },
            },
        };
        let stream = lease.connect().await?;
        let opened = self.shared.open(lease.endpoint().id, stream).await;
        let fresh = opened.map_err(|problem| self.explain(&problem, lease))?;
        match fresh.send(request).await {
            Ok(answer) => Ok((answer, Way::Http2(fresh))),
            Err(problem) => Err(self.explain(problem.error(), lease)),
        }
    }

    fn explain(&self, problem: &hyper::Error, lease: &Lease) -> Error {
        client_side(problem).unwrap_or_else(|| {
            let problem = root(problem).to_string();
            lease.failed(Trouble::Reset, &problem);
            Error::UpstreamReset { upstream: self.group.config().name.clone(), problem }
        })
    }
}

fn sent_as(request: Asking) -> Request<RequestBody> {
    let asked = *request;
    Request::from_parts(asked.head, asked.body)
}

/// The same request once more, where that does no harm (RFC 9110 section 9.2.2) and it has no body.
fn repeatable(request: &Asking) -> Option<Box<Request<RequestBody>>> {
    let head = &request.head;
    let is_repeatable = head.method.is_idempotent() && request.body.is_end_stream();
    is_repeatable.then(|| {
        let mut again = Request::new(RequestBody::empty());
        again.method_mut().clone_from(&head.method);
        again.uri_mut().clone_from(&head.uri);
        again.headers_mut().clone_from(&head.headers);
        Box::new(again)
    })
}

/// A failure of the client's own body, seen through the upstream's connection.
fn client_side(problem: &hyper::Error) -> Option<Error> {
    let ours = chain(problem).find_map(|cause| cause.downcast_ref::<Error>())?;
    Some(match ours {
        Error::BodyTooLarge(limit) => Error::BodyTooLarge(*limit),
        Error::BodyTimeout(limit) => Error::BodyTimeout(*limit),
        Error::BodyTooSlow(limit) => Error::BodyTooSlow(*limit),
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
