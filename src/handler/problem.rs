//! The answers that the proxy makes itself: `application/problem+json` (RFC 9457) with `Proxy-Status` (RFC 9209).

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::call::{Reason, RequestId};
use crate::handler::{Body, Error, Response};

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    request_id: String,
}

/// The answer to a request that failed with `error`.
#[must_use]
pub fn response(error: &Error, id: RequestId) -> Response {
    let (status, reason) = error.status_and_reason();
    let mut response = Response::new(Body::full(Bytes::from(text(error, id))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(PROXY_STATUS, proxy_status(reason));
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.is_about_the_message() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(methods) = error.allowed() {
        headers.insert(ALLOW, HeaderValue::from_static(methods));
    }
    response
}

/// The same as the bytes of HTTP/1.1, where no request came that could be answered; the connection is to be closed.
#[must_use]
pub fn last_words(error: &Error, id: RequestId) -> Vec<u8> {
    let (status, reason) = error.status_and_reason();
    let text = text(error, id);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\nproxy-status: {}\r\n\
         x-request-id: {id}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        proxy_status_text(reason),
        text.len()
    );
    (head + &text).into_bytes()
}

fn text(error: &Error, id: RequestId) -> String {
    let (status, reason) = error.status_and_reason();
    let problem = Problem {
        r#type: format!("urn:cofferdam:problem:{reason}"),
        title: reason.title(),
        status: status.as_u16(),
        reason: reason.as_str(),
        detail: error.public_detail(),
        request_id: id.to_string(),
    };
    serde_json::to_string(&problem).unwrap_or_default() + "\n"
}

/// `cofferdam; error=TYPE; details="REASON"`: both are words from closed lists.
fn proxy_status(reason: Reason) -> HeaderValue {
    let text = proxy_status_text(reason);
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("cofferdam"))
}

fn proxy_status_text(reason: Reason) -> String {
    format!("cofferdam; error={}; details=\"{reason}\"", error_type(reason))
}

/// The proxy error type of RFC 9209 section 2.3.
fn error_type(reason: Reason) -> &'static str {
    match reason {
        Reason::NoRoute | Reason::NoFile => "destination_not_found",
        Reason::BadRequest
        | Reason::BadArgument
        | Reason::HeadTimeout
        | Reason::BodyTimeout
        | Reason::BodyTooLarge
        | Reason::HeadTooLarge
        | Reason::RateLimited
        | Reason::Poisoned
        | Reason::ClientGone => "http_request_error",
        Reason::QueueFull | Reason::QueueTimeout => "connection_limit_reached",
        Reason::BreakerOpen
        | Reason::Draining
        | Reason::StartFailed
        | Reason::LoadFailed
        | Reason::UpstreamConnect => "destination_unavailable",
        Reason::Crash
        | Reason::Exit
        | Reason::Oom
        | Reason::SandboxViolation
        | Reason::UpstreamReset => "connection_terminated",
        Reason::Protocol => "http_protocol_error",
        Reason::ReplyTooLarge => "http_response_body_size",
        Reason::Failed => "proxy_internal_response",
        Reason::Timeout | Reason::UpstreamTimeout => "http_response_timeout",
        Reason::Internal => "proxy_internal_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_in_every_place() {
        let error = Error::QueueFull { function: "f".into(), slots: 1, length: 2, again: 7 };
        let response = response(&error, RequestId::next());
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(
            response.headers()["proxy-status"],
            "cofferdam; error=connection_limit_reached; details=\"queue_full\""
        );
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }

    #[test]
    fn every_reason_makes_a_valid_header() {
        for reason in Reason::ALL {
            assert!(proxy_status(*reason).to_str().unwrap().contains(reason.as_str()));
        }
    }
}
