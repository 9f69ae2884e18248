//! `compress = true`: answers that are text, by what the client takes. Never what is compressed already, a part of a whole, a
//! stream of events, or what says `no-transform`.

use std::convert::Infallible;
use std::future::ready;

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Extensions, HeaderValue, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use tower::{Service, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;

use crate::handler::body::Cut;
use crate::handler::{Answering, Body, Error, Request, Response, always_ready};

/// Below this, in bytes, the gain is eaten by the headers.
const LEAST: u64 = 1024;
/// Beside `text/*`, `*+json` and `*+xml`.
const TEXTUAL: [&str; 9] = [
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-ndjson",
    "application/x-javascript",
    "application/manifest+json",
    "application/wasm",
    "font/ttf",
    "font/otf",
];

/// Compresses the answers of a route.
#[derive(Clone)]
pub struct Compress<S> {
    inner: S,
}

impl<S> Compress<S> {
    /// Around `inner`.
    #[must_use]
    pub fn new(inner: S, (): ()) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request> for Compress<S>
where
    S: Service<Request, Response = Response, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, request: Request) -> Answering {
        let mut asked = http::Request::new(());
        for accepted in request.head.headers.get_all(ACCEPT_ENCODING) {
            asked.headers_mut().append(ACCEPT_ENCODING, accepted.clone());
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            match is_compressible(&answer) {
                true => Ok(compressed(asked, answer).await),
                false => Ok(answer),
            }
        })
    }
}

/// The event loop does the work: its cheapest level is what nginx takes as well.
async fn compressed(asked: http::Request<()>, answer: Response) -> Response {
    let status = answer.status();
    let mut answer = Some(answer);
    let answered = service_fn(move |_: http::Request<()>| {
        ready(Ok::<_, Infallible>(answer.take().unwrap_or_else(|| Response::new(Body::empty()))))
    });
    let always = |_: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| true;
    let mut compression =
        Compression::new(answered).compress_when(always).quality(CompressionLevel::Fastest);
    let Ok(mut answer) = compression.call(asked).await;
    // A client that takes nothing as it is gets it all the same.
    *answer.status_mut() = status;
    if answer.headers().contains_key(CONTENT_ENCODING) {
        weaken(answer.headers_mut());
        return answer.map(|body| Body::stream(body.map_err(|_| Cut), None));
    }
    answer.map(tower_http::compression::CompressionBody::into_inner)
}

fn is_compressible(answer: &Response) -> bool {
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let written = || text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let length = answer.body().size_hint().exact().filter(|length| *length > 0).or_else(written);
    let is_fixed = text(CACHE_CONTROL).is_some_and(|value| value.contains("no-transform"));
    ![204, 205, 206, 304].contains(&answer.status().as_u16())
        && !is_fixed
        && !answer.headers().contains_key(CONTENT_ENCODING)
        && length.is_none_or(|length: u64| length >= LEAST)
        && text(CONTENT_TYPE).is_some_and(is_textual)
}

fn is_textual(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence != "text/event-stream"
        && (essence.starts_with("text/")
            || essence.ends_with("+json")
            || essence.ends_with("+xml")
            || TEXTUAL.contains(&essence.as_str()))
}

/// Another coding is another representation: a strong validator would call them byte for byte the same (RFC 9110
/// section 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_text() {
        for kind in ["text/html; charset=utf-8", "TEXT/plain", "application/json", "image/svg+xml"]
        {
            assert!(is_textual(kind), "{kind}");
        }
        for kind in ["text/event-stream", "image/png", "application/grpc", "application/zip", ""] {
            assert!(!is_textual(kind), "{kind}");
        }
    }

    #[test]
    fn a_strong_validator_becomes_a_weak_one() {
        for (tag, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
            let mut headers = HeaderMap::new();
            headers.insert(ETAG, tag.parse().unwrap());
            weaken(&mut headers);
            assert_eq!(headers[ETAG], expected);
        }
    }
}
