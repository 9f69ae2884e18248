//! What is counted of requests: answers, times, refusals, those under way, and those that somebody broke off.

use super::proxy_to;
use crate::support::by_hand::{chunk, read_chunk};
use crate::support::http::{self, Connection, encode};
use crate::support::{Answer, ByHand, Cofferdam, Upstream};

const UPSTREAM: (&str, &str) = ("route", "upstream");

#[track_caller]
fn aborted(cofferdam: &Cofferdam, stage: &str) -> f64 {
    cofferdam.metric("cofferdam_http_requests_aborted_total", &[UPSTREAM, ("stage", stage)])
}

#[track_caller]
fn in_flight(cofferdam: &Cofferdam) -> f64 {
    cofferdam.metric("cofferdam_http_requests_in_flight", &[UPSTREAM])
}

#[test]
fn answers_are_counted_by_route_method_and_code() {
    let upstream = Upstream::builder()
        .route("/ok", Answer::ok("x"))
        .route("/made", Answer::status(201))
        .route("/moved", Answer::status(302))
        .route("/broken", Answer::status(500))
        .start();
    let cofferdam = proxy_to(&upstream.url());
    let sent = [("GET", "/ok"), ("GET", "/ok"), ("PUT", "/made"), ("HEAD", "/ok"), ("BREW", "/ok")];
    for (method, path) in sent.into_iter().chain([("GET", "/moved"), ("GET", "/broken")]) {
        http::request(cofferdam.addr(), method, path, &[], b"");
    }
    eventually!(in_flight(&cofferdam) == 0.0);
    let scrape = cofferdam.metrics();
    let expected = [
        ("GET", "200", 2.0),
        ("PUT", "201", 1.0),
        ("HEAD", "200", 1.0),
        ("other", "200", 1.0),
        ("GET", "302", 1.0),
        ("GET", "500", 1.0),
    ];
    for (method, code, count) in expected {
        let labels = [UPSTREAM, ("method", method), ("code", code)];
        assert_eq!(scrape.metric("cofferdam_http_requests_total", &labels), count, "{labels:?}");
    }
    for (class, count) in [("2xx", 5.0), ("3xx", 1.0), ("4xx", 0.0), ("5xx", 1.0)] {
        let labels = [UPSTREAM, ("code_class", class)];
        let name = "cofferdam_http_request_duration_seconds_count";
        assert_eq!(scrape.metric(name, &labels), count, "{class}");
        let last = [UPSTREAM, ("code_class", class), ("le", "+Inf")];
        assert_eq!(scrape.metric("cofferdam_http_request_duration_seconds_bucket", &last), count);
    }
    assert_eq!(scrape.metric("cofferdam_http_overhead_seconds_count", &[UPSTREAM]), 7.0);
    assert!(scrape.metric("cofferdam_http_overhead_seconds_sum", &[UPSTREAM]) > 0.0);
}

#[test]
fn a_request_is_in_flight_until_its_answer_has_ended() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    assert_eq!(in_flight(&cofferdam), 0.0);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    assert_eq!(in_flight(&cofferdam), 1.0);
    server.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    client.head().unwrap();
    assert_eq!(in_flight(&cofferdam), 1.0);
    server.send(&chunk("")).unwrap();
    assert_eq!(read_chunk(&mut client).unwrap(), "");
    eventually!(in_flight(&cofferdam) == 0.0);
    assert_eq!((aborted(&cofferdam, "request"), aborted(&cofferdam, "response")), (0.0, 0.0));
}

#[test]
fn a_client_that_leaves_while_it_waits_is_an_aborted_request() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    drop(client);
    eventually!(aborted(&cofferdam, "request") == 1.0);
    assert_eq!((in_flight(&cofferdam), aborted(&cofferdam, "response")), (0.0, 0.0));
    assert_eq!(server.rest().unwrap(), b"", "the upstream is left alone");
    let refused = [UPSTREAM, ("reason", "client_gone")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &refused), 1.0);
}

#[test]
fn a_client_that_leaves_in_its_body_is_an_aborted_request() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "10")], b"12345")).unwrap();
    let (mut server, _) = upstream.request();
    assert_eq!(server.exactly(5).unwrap(), b"12345");
    drop(client);
    assert_eq!(server.rest().unwrap(), b"", "the upstream is told nothing whole");
    eventually!(aborted(&cofferdam, "request") == 1.0);
    assert_eq!((in_flight(&cofferdam), aborted(&cofferdam, "response")), (0.0, 0.0));
}

#[test]
fn a_client_that_leaves_in_the_answer_is_an_aborted_response() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    server.send(&chunk("first")).unwrap();
    client.head().unwrap();
    assert_eq!(read_chunk(&mut client).unwrap(), "first");
    drop(client);
    eventually!(aborted(&cofferdam, "response") == 1.0);
    assert_eq!((in_flight(&cofferdam), aborted(&cofferdam, "request")), (0.0, 0.0));
    assert_eq!(server.rest().unwrap(), b"", "the upstream is left alone");
    let answered = [UPSTREAM, ("code", "200")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_total", &answered), 1.0);
}

#[test]
fn connections_are_counted_by_listener() {
    let cofferdam = Cofferdam::start(
        "listen = \"127.0.0.1:0\"\n[[server.listeners]]\nname = \"second\"\naddress = \"127.0.0.1:0\"\n\
         [[routes]]\nprefix = \"/\"\nrespond = { body = \"x\" }\n",
    );
    let open = |name: &str| Connection::open(cofferdam.place(name)).unwrap();
    let held = [open("http"), open("second"), open("second")];
    let now = |name: &str, listener: &str| cofferdam.metric(name, &[("listener", listener)]);
    for (listener, count) in [("http", 1.0), ("second", 2.0)] {
        eventually!(now("cofferdam_connections_open", listener) == count);
        assert_eq!(now("cofferdam_connections_total", listener), count);
    }
    drop(held);
    for (listener, count) in [("http", 1.0), ("second", 2.0)] {
        eventually!(now("cofferdam_connections_open", listener) == 0.0);
        assert_eq!(now("cofferdam_connections_total", listener), count);
    }
}

#[test]
fn fixed_labels_stand_at_zero_from_the_start() {
    let upstream = Upstream::builder().start();
    let cofferdam = proxy_to(&upstream.url());
    let scrape = cofferdam.metrics();
    for (name, labels) in [
        ("cofferdam_http_requests_in_flight", &[UPSTREAM][..]),
        ("cofferdam_http_request_duration_seconds_count", &[UPSTREAM, ("code_class", "5xx")]),
        ("cofferdam_http_requests_rejected_total", &[UPSTREAM, ("reason", "upstream_reset")]),
        ("cofferdam_http_requests_rejected_total", &[("route", "-"), ("reason", "no_route")]),
        ("cofferdam_http_requests_aborted_total", &[UPSTREAM, ("stage", "response")]),
        ("cofferdam_connections_open", &[("listener", "http")]),
        ("cofferdam_connections_total", &[("listener", "http")]),
        ("cofferdam_connection_errors_total", &[("reason", "accept")]),
        ("cofferdam_connection_errors_total", &[("reason", "head_timeout")]),
        ("cofferdam_connection_errors_total", &[("reason", "idle_timeout")]),
        ("cofferdam_connection_errors_total", &[("reason", "protocol")]),
        ("cofferdam_connection_errors_total", &[("reason", "reset")]),
        ("cofferdam_event_loop_stalls_total", &[("worker", "0")]),
        ("cofferdam_log_lines_dropped_total", &[]),
    ] {
        assert!(scrape.has(name, labels), "{name} {labels:?}");
        assert_eq!(scrape.metric(name, labels), 0.0, "{name} {labels:?}");
    }
}
