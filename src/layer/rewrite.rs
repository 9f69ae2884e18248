//! `strip_prefix` and `rewrite`: the handler gets another path than the one that was matched.

use std::sync::Arc;

use tower::Service;

use crate::config;
use crate::handler::target::rewritten;
use crate::handler::{Answering, Error, Request, Response, always_ready};

/// Rewrites the path of each request.
#[derive(Clone)]
pub struct Rewrite<S> {
    inner: S,
    rewrite: Arc<config::Rewrite>,
}

impl<S> Rewrite<S> {
    /// As configured.
    #[must_use]
    pub fn new(inner: S, rewrite: config::Rewrite) -> Self {
        Self { inner, rewrite: Arc::new(rewrite) }
    }
}

impl<S> Service<Request> for Rewrite<S>
where
    S: Service<Request, Response = Response, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        match rewritten(&request.head.uri, &self.rewrite) {
            Ok(uri) => request.head.uri = uri,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        }
        Box::pin(self.inner.call(request))
    }
}
