//! Reads and checks what a function is given *before* it waits for a slot: a slow or wrong request costs none. A body that
//! is to be streamed is left for the call.

use std::sync::Arc;

use bytes::Bytes;
use http_body::Body as _;
use tower::Service;

use crate::config::Function;
use crate::config::function::Entry;
use crate::ffi::request::Input;
use crate::handler::always_ready;
use crate::handler::arguments::{input, needs_body};
use crate::handler::{Answering, Error, Request, RequestBody, Response};

/// A function's body is held in memory: this bounds it where `max_body_size` is "off".
const LARGEST_BODY: u64 = 64 * 1024 * 1024;

/// Puts a function's input into the request's context.
#[derive(Clone)]
pub struct Intake<S> {
    inner: S,
    function: Arc<Function>,
    needs_body: bool,
}

impl<S> Intake<S> {
    /// Of `function`.
    #[must_use]
    pub fn new(inner: S, function: Arc<Function>) -> Self {
        let needs_body = needs_body(&function.entry);
        Self { inner, function, needs_body }
    }
}

impl<S> Service<Request> for Intake<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        let Self { mut inner, function, needs_body } = self.clone();
        Box::pin(async move {
            let is_streamed = streams(&function.entry) && !request.body.is_end_stream();
            let body = match needs_body && !is_streamed {
                true => take(&mut request.body).collect(LARGEST_BODY).await?,
                false => Bytes::new(),
            };
            let mut input = input(&function.entry, &request.head, &request.context, body)?;
            if let Input::Request(request) = &mut input {
                request.is_streamed = is_streamed;
            }
            request.context.input = Some(Box::new(input));
            inner.call(request).await
        })
    }
}

fn streams(entry: &Entry) -> bool {
    matches!(entry, Entry::Handler { is_streamed: true, .. })
}

fn take(body: &mut RequestBody) -> RequestBody {
    std::mem::replace(body, RequestBody::empty())
}
