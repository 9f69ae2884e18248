//! The route's time limit: from the request's head to the answer's head.

use std::time::Duration;

use tokio::time::timeout_at;
use tower::Service;

use crate::handler::always_ready;
use crate::handler::{Answering, Error, Request, Response};

/// Ends what takes longer than the route allows.
#[derive(Clone)]
pub struct Deadline<S> {
    inner: S,
    limit: Option<Duration>,
}

impl<S> Deadline<S> {
    /// `limit` from the arrival of a request; `None`: none.
    #[must_use]
    pub fn new(inner: S, limit: Option<Duration>) -> Self {
        Self { inner, limit }
    }
}

impl<S> Service<Request> for Deadline<S>
where
    S: Service<Request, Response = Response, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        let Some(limit) = self.limit else { return Box::pin(self.inner.call(request)) };
        let deadline = request.context.arrived + limit;
        request.context.deadline = Some(deadline);
        let answer = self.inner.call(request);
        Box::pin(async move {
            match timeout_at(deadline.into(), answer).await {
                Ok(answer) => answer,
                Err(_) => Err(Error::Timeout(limit)),
            }
        })
    }
}
