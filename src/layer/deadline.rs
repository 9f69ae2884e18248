//! The route's time limit: from the request's head to the answer's head.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use crate::handler::always_ready;
use crate::handler::{Error, Request, Response};

/// Ends what takes longer than the route allows.
#[derive(Clone)]
pub struct Deadline<S> {
    inner: S,
    limit: Duration,
}

impl<S> Deadline<S> {
    /// `limit` from the arrival of a request.
    #[must_use]
    pub fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

impl<S> Service<Request> for Deadline<S>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Error;
    type Future = Limited<S::Future>;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Self::Future {
        let deadline = request.context.arrived + self.limit;
        request.context.deadline = Some(deadline);
        let answer = self.inner.call(request);
        Limited { answer, limit: self.limit, deadline: deadline.into(), timer: None }
    }
}

pin_project! {
    /// An answer within its time.
    pub struct Limited<F> {
        #[pin]
        answer: F,
        limit: Duration,
        deadline: Instant,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for Limited<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(context) {
            return Poll::Ready(answer);
        }
        // What is answered at once needs no timer.
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(*this.deadline)));
        }
        match this.timer.as_pin_mut().map(|timer| timer.poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(Error::Timeout(*this.limit))),
            _ => Poll::Pending,
        }
    }
}
