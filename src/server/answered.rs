//! The answer to one request while it is made: what hyper polls. Small, since hyper moves it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};

use crate::call::RequestId;
use crate::handler::{Error, Response, problem};
use crate::route::Promised;
use crate::server::guard::{Panicked, guard};
use crate::server::identify::X_REQUEST_ID;
use crate::server::paced::{Busy, Occupying};

/// An answer on its way, and what its connection must know of it.
pub struct Answered {
    promised: Option<Promised>,
    name: Option<HeaderValue>,
    busy: Option<Busy>,
}

impl Answered {
    /// `begin` starts making the answer; a panic in it, now or later, costs this request alone. `name` is the
    /// `x-request-id` that it gets, if any.
    pub fn new(name: Option<HeaderValue>, busy: Busy, begin: impl FnOnce() -> Promised) -> Self {
        Self { promised: guard(begin).ok(), name, busy: Some(busy) }
    }

    fn poll_promised(&mut self, context: &mut Context<'_>) -> Poll<Response> {
        let polled = match &mut self.promised {
            Some(promised) => guard(|| promised.as_mut().poll(context)),
            None => Err(Panicked),
        };
        let panicked = Error::Internal("this request's handler panicked");
        polled.unwrap_or_else(|_| Poll::Ready(problem::response(&panicked, self.id())))
    }

    fn id(&self) -> RequestId {
        let name = self.name.as_ref().and_then(|name| RequestId::given(name.as_bytes()));
        name.unwrap_or_else(RequestId::next)
    }
}

impl Future for Answered {
    type Output = Result<http::Response<Occupying>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(self.poll_promised(context));
        self.promised = None;
        if let Some(name) = self.name.take() {
            answer.headers_mut().insert(X_REQUEST_ID, name);
        }
        let busy = self.busy.take();
        let is_last = busy.as_ref().is_some_and(Busy::is_last);
        if is_last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(busy)) = (answer.status(), &busy) {
            busy.becomes_tunnel();
        }
        Poll::Ready(Ok(answer.map(|body| Occupying::new(body, busy))))
    }
}
