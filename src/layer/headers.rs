//! `request_headers` and `response_headers`: changed on the way to the handler and back.

use std::sync::Arc;

use http::header::HeaderMap;
use tower::Service;

use crate::config::Edits;
use crate::handler::{Answering, Error, Request, Response, always_ready};

/// Changes the headers of a request and of its answer.
#[derive(Clone)]
pub struct Headers<S> {
    inner: S,
    edits: Arc<(Edits, Edits)>,
}

impl<S> Headers<S> {
    /// Of requests, and of answers.
    #[must_use]
    pub fn new(inner: S, edits: (Edits, Edits)) -> Self {
        Self { inner, edits: Arc::new(edits) }
    }
}

impl<S> Service<Request> for Headers<S>
where
    S: Service<Request, Response = Response, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        edit(&mut request.head.headers, &self.edits.0);
        let answer = self.inner.call(request);
        let edits = Arc::clone(&self.edits);
        Box::pin(async move {
            let mut response = answer.await?;
            edit(response.headers_mut(), &edits.1);
            Ok(response)
        })
    }
}

fn edit(headers: &mut HeaderMap, edits: &Edits) {
    for name in &edits.remove {
        headers.remove(name);
    }
    for (name, value) in &edits.set {
        headers.insert(name, value.clone());
    }
    for (name, value) in &edits.add {
        headers.append(name, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_what_goes_then_what_is_set_then_what_is_added() {
        let header = |name: &str, value: &str| (name.parse().unwrap(), value.parse().unwrap());
        let edits = Edits {
            remove: vec!["a".parse().unwrap(), "b".parse().unwrap()],
            set: vec![header("b", "2"), header("c", "3")],
            add: vec![header("c", "4")],
        };
        let mut headers = HeaderMap::new();
        for (name, value) in ["a", "b", "b", "c", "d"].map(|name| header(name, "0")) {
            headers.append::<http::HeaderName>(name, value);
        }
        edit(&mut headers, &edits);
        let of = |name: &str| {
            let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap());
            values.collect::<Vec<_>>().join(" ")
        };
        let all = ["a", "b", "c", "d"].map(of);
        assert_eq!(all, ["", "2", "3 4", "0"]);
    }
}
