//! From a client to an answer, and the same at an upstream: what passes, what is rewritten, what is refused.

mod again;
mod bodies;
mod counted;
mod grpc;
mod heads;
mod http2;
mod limits;
mod respond;
mod upstreams;
mod websocket;

use std::fmt::Debug;

use crate::support::Cofferdam;
use crate::support::http::Response;

/// A proxy to this upstream.
fn proxy_to(url: &str) -> Cofferdam {
    Cofferdam::start(&format!("upstream = \"{url}\"\n"))
}

/// A proxy to this upstream, with these lines under `[server]`.
fn limited(url: &str, server: &str) -> Cofferdam {
    Cofferdam::start(&format!("upstream = \"{url}\"\n[server]\n{server}\n"))
}

/// Checks an answer that the proxy made itself, in all the places that say why.
#[track_caller]
fn refused(response: &Response, status: u16, reason: &str) {
    assert_eq!((response.status, response.reason().as_str()), (status, reason), "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let proxy_status = response.header("proxy-status").unwrap_or_default();
    assert!(proxy_status.starts_with("cofferdam; error="), "{proxy_status}");
    assert!(proxy_status.ends_with(&format!("; details=\"{reason}\"")), "{proxy_status}");
    let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:cofferdam:problem:{reason}"));
    assert!(problem["title"].is_string() && problem["request_id"].is_string(), "{problem}");
}

/// Both are the same, whatever the order.
#[track_caller]
fn same_set<T: Ord + Debug>(mut left: Vec<T>, mut right: Vec<T>) {
    left.sort();
    right.sort();
    assert_eq!(left, right);
}
