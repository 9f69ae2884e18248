//! Fixed answers, and what is refused before any route sees it.

use super::refused;
use crate::support::Cofferdam;
use crate::support::http::{self, Connection};

const PONG: &str = r#"
[[routes]]
path = "/ping"
respond = { body = "pong\n" }

[[routes]]
path = "/teapot"
respond = { status = 418, body = "{}", content_type = "application/json" }

[[routes]]
path = "/empty"
respond = { status = 204 }
"#;

#[test]
fn a_fixed_answer_is_sent_as_it_stands() {
    let cofferdam = Cofferdam::start(PONG);
    let pong = cofferdam.get("/ping?any=query");
    assert_eq!((pong.status, pong.text().as_str(), pong.complete), (200, "pong\n", true));
    assert_eq!(pong.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(pong.header("content-length"), Some("5"));
    let teapot = http::post(cofferdam.addr(), "/teapot", b"tea");
    assert_eq!((teapot.status, teapot.text().as_str()), (418, "{}"));
    assert_eq!(teapot.header("content-type"), Some("application/json"));
    let empty = cofferdam.get("/empty");
    assert_eq!((empty.status, empty.header("content-length")), (204, None));
}

#[test]
fn an_answer_to_head_has_no_body_and_leaves_the_connection_in_order() {
    let cofferdam = Cofferdam::start(PONG);
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    for _ in 0..3 {
        let head = connection.request("HEAD", "/ping", &[], b"").unwrap();
        assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
        assert_eq!(connection.request("GET", "/ping", &[], b"").unwrap().text(), "pong\n");
    }
    assert_eq!(cofferdam.metric("cofferdam_connections_total", &[("listener", "http")]), 1.0);
    let aborted = "cofferdam_http_requests_aborted_total";
    assert_eq!(cofferdam.metric(aborted, &[]), 0.0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let cofferdam = Cofferdam::start(PONG);
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    let both = [http::encode("GET", "/teapot", &[], b""), http::encode("GET", "/ping", &[], b"")];
    connection.send(&both.concat()).unwrap();
    assert_eq!(connection.response("GET").unwrap().status, 418);
    assert_eq!(connection.response("GET").unwrap().text(), "pong\n");
}

/// All that comes back until the proxy closes.
fn sent(cofferdam: &Cofferdam, bytes: &str) -> String {
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    connection.send(bytes.as_bytes()).unwrap();
    String::from_utf8(connection.rest().unwrap()).unwrap()
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let cofferdam = Cofferdam::start(PONG);
    let answer = sent(&cofferdam, "GET /ping HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\npong\n"), "{answer}");
}

#[test]
fn what_no_route_takes_is_a_404_that_says_so() {
    let cofferdam = Cofferdam::start(PONG);
    let answer = cofferdam.get("/nothing");
    refused(&answer, 404, "no_route");
    let labels = [("route", "-"), ("reason", "no_route")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &labels), 1.0);
}

#[test]
fn exactly_one_host_is_needed_on_http_1_1() {
    let cofferdam = Cofferdam::start(PONG);
    for hosts in ["", "host: a\r\nhost: b\r\n", "host: a\r\nhost: a\r\n"] {
        let mut connection = Connection::open(cofferdam.addr()).unwrap();
        connection.send(format!("GET /ping HTTP/1.1\r\n{hosts}\r\n").as_bytes()).unwrap();
        let answer = connection.response("GET").unwrap();
        refused(&answer, 400, "bad_request");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(connection.rest().unwrap(), b"");
    }
    let labels = [("route", "-"), ("reason", "bad_request")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &labels), 3.0);
}

#[test]
fn what_is_not_http_is_refused_and_closed() {
    let cofferdam = Cofferdam::start(PONG);
    for nonsense in ["nonsense\r\n\r\n", "GET /ping HTTP/1.1\r\nno colon\r\n\r\n", "\x16\x03\x01"] {
        let answer = sent(&cofferdam, nonsense);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let errors = [("reason", "protocol")];
    eventually!(cofferdam.metric("cofferdam_connection_errors_total", &errors), |n| *n == 3.0);
    assert_eq!(cofferdam.get("/ping").status, 200);
}
