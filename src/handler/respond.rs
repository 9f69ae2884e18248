//! `respond = { … }`: a fixed answer, made once.

use std::future::{Ready, ready};
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use tower::Service;

use crate::config;
use crate::handler::{Body, Error, Request, Response};

/// Answers every request alike.
#[derive(Clone)]
pub struct Respond {
    answer: Arc<config::Respond>,
    body: Bytes,
}

impl Respond {
    /// With what is configured.
    #[must_use]
    pub fn new(answer: Arc<config::Respond>) -> Self {
        let body = Bytes::copy_from_slice(answer.body.as_bytes());
        Self { answer, body }
    }
}

impl Service<Request> for Respond {
    type Response = Response;
    type Error = Error;
    type Future = Ready<Result<Response, Error>>;

    always_ready!();

    fn call(&mut self, _: Request) -> Self::Future {
        let mut response = Response::new(Body::full(self.body.clone()));
        *response.status_mut() = self.answer.status;
        response.headers_mut().insert(CONTENT_TYPE, self.answer.content_type.clone());
        ready(Ok(response))
    }
}
