//! What a client may send, and how long it may take: each limit, its answer, and that nobody else is held.

use std::time::{Duration, Instant};

use super::{limited, refused};
use crate::support::by_hand::chunk;
use crate::support::http::{self, Connection, encode};
use crate::support::{Answer, ByHand, Cofferdam, Upstream};

/// Far longer than any limit here, far shorter than the patience of the client.
const SOON: Duration = Duration::from_secs(5);

fn upstream() -> Upstream {
    Upstream::builder().fallback(Answer::ok("x")).start()
}

#[track_caller]
fn errors(cofferdam: &Cofferdam, reason: &str) -> f64 {
    cofferdam.metric("cofferdam_connection_errors_total", &[("reason", reason)])
}

#[track_caller]
fn rejected(cofferdam: &Cofferdam, reason: &str) -> f64 {
    let labels = [("route", "upstream"), ("reason", reason)];
    cofferdam.metric("cofferdam_http_requests_rejected_total", &labels)
}

#[test]
fn an_announced_body_that_is_too_large_is_refused_before_it_comes() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "max_body_size = \"1KiB\"");
    assert_eq!(http::post(cofferdam.addr(), "/", &[b'x'; 1024]).status, 200);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "1025")], b"")).unwrap();
    let answer = client.response("POST").unwrap();
    refused(&answer, 413, "body_too_large");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(rejected(&cofferdam, "body_too_large"), 1.0);
}

#[test]
fn a_chunked_body_that_grows_too_large_is_refused_while_it_comes() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "max_body_size = \"1KiB\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("transfer-encoding", "chunked")], b"")).unwrap();
    client.send(&chunk(&"x".repeat(1024))).unwrap();
    client.send(&chunk("y")).unwrap();
    refused(&client.response("POST").unwrap(), 413, "body_too_large");
    assert_eq!(rejected(&cofferdam, "body_too_large"), 1.0);
    eventually!(upstream.requests(), |r| r.first().is_some_and(|r| !r.complete));
}

#[test]
fn a_body_that_pauses_too_long_is_a_408() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "body_timeout = \"150ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "10")], b"12345")).unwrap();
    let sent = Instant::now();
    refused(&client.response("POST").unwrap(), 408, "body_timeout");
    assert_eq!(rejected(&cofferdam, "body_timeout"), 1.0);
    assert!((Duration::from_millis(150)..SOON).contains(&sent.elapsed()), "{:?}", sent.elapsed());
}

#[test]
fn a_slow_body_is_no_pause() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "body_timeout = \"500ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "12")], b"")).unwrap();
    for _ in 0..12 {
        crate::support::wait::pause(Duration::from_millis(60));
        client.send(b"x").unwrap();
    }
    assert_eq!(client.response("POST").unwrap().status, 200);
}

#[test]
fn a_head_that_takes_too_long_is_a_408_and_the_end() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "header_timeout = \"200ms\"\nidle_timeout = \"1m\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    for round in 1..=2 {
        client.send(b"GET / HTTP/1.1\r\nhost: te").unwrap();
        let begun = Instant::now();
        refused(&client.response("GET").unwrap(), 408, "head_timeout");
        assert!((Duration::from_millis(190)..SOON).contains(&begun.elapsed()));
        assert_eq!(client.rest().unwrap(), b"");
        assert_eq!(errors(&cofferdam, "head_timeout"), f64::from(round));
        // The second round: a head after an answer on the same connection.
        client = Connection::open(cofferdam.addr()).unwrap();
        assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 200);
    }
}

#[test]
fn one_byte_after_another_does_not_stretch_the_time_of_a_head() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "header_timeout = \"300ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let begun = Instant::now();
    client.send(b"GET / HTTP/1.1\r\nx: ").unwrap();
    client.stream().set_timeout(Some(Duration::from_millis(40))).unwrap();
    let answer = loop {
        match client.head() {
            Ok(head) => break String::from_utf8(head).unwrap(),
            Err(_) => drop(client.send(b"y")),
        }
        assert!(begun.elapsed() < SOON, "still open");
    };
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn a_connection_that_never_speaks_is_closed() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "header_timeout = \"150ms\"\nidle_timeout = \"off\"");
    let mut silent = Connection::open(cofferdam.addr()).unwrap();
    let mut undecided = Connection::open(cofferdam.addr()).unwrap();
    undecided.send(b"PRI * HT").unwrap();
    assert_eq!(silent.rest().unwrap(), b"");
    let answer = String::from_utf8(undecided.rest().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(errors(&cofferdam, "head_timeout"), 2.0);
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]), |n| *n == 0.0);
}

#[test]
fn an_idle_connection_is_closed_after_its_own_time_not_that_of_a_head() {
    // Longer than a head may take: a timer that was set for it has fired meanwhile.
    let late = Answer::ok("x").delay(Duration::from_millis(150));
    let upstream = Upstream::builder().fallback(late).start();
    let limits = "header_timeout = \"100ms\"\nidle_timeout = \"500ms\"";
    let cofferdam = limited(&upstream.url(), limits);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    for _ in 0..2 {
        assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 200);
        crate::support::wait::pause(Duration::from_millis(200));
    }
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 200);
    client.stream().set_timeout(Some(SOON)).unwrap();
    let begun = Instant::now();
    assert_eq!(client.rest().unwrap(), b"");
    assert!((Duration::from_millis(400)..SOON).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(errors(&cofferdam, "idle_timeout"), 1.0);
    assert_eq!(errors(&cofferdam, "head_timeout"), 0.0);
}

#[test]
fn a_request_is_not_idle_however_long_it_takes() {
    let slow = Answer::ok("x").delay(Duration::from_millis(400));
    let gap = Duration::from_millis(400);
    let upstream = Upstream::builder()
        .route("/slow", slow)
        .route("/streamed", Answer::status(200).chunks(&["a", "b"], gap))
        .start();
    let limits = "header_timeout = \"100ms\"\nidle_timeout = \"100ms\"";
    let cofferdam = limited(&upstream.url(), limits);
    for (path, body) in [("/slow", "x"), ("/streamed", "ab")] {
        let answer = cofferdam.get(path);
        assert_eq!((answer.text().as_str(), answer.complete), (body, true), "{path}");
    }
}

#[test]
fn a_head_that_is_too_large_is_a_431() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "max_header_size = \"16KiB\"");
    let value = "v".repeat(12 * 1024);
    let fits = http::request(cofferdam.addr(), "GET", "/", &[("x-large", &value)], b"");
    assert_eq!(fits.status, 200);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let large = [("x-one", value.as_str()), ("x-two", value.as_str())];
    client.send(&encode("GET", "/", &large, b"")).unwrap();
    assert_eq!(client.response("GET").unwrap().status, 431);
    assert_eq!(client.rest().unwrap(), b"");
    let many: Vec<_> = (0..500).map(|_| ("x", "y")).collect();
    let answer = http::request(cofferdam.addr(), "GET", "/", &many, b"");
    assert_eq!(answer.status, 431);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn connections_beyond_the_most_wait_until_one_ends() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "max_connections = 2");
    let mut first = Connection::open(cofferdam.addr()).unwrap();
    let mut second = Connection::open(cofferdam.addr()).unwrap();
    for client in [&mut first, &mut second] {
        assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 200);
    }
    let mut third = Connection::open(cofferdam.addr()).unwrap();
    third.send(&encode("GET", "/", &[], b"")).unwrap();
    third.stream().set_timeout(Some(Duration::from_millis(200))).unwrap();
    third.head().expect_err("a third connection was served");
    assert_eq!(cofferdam.metric("cofferdam_connections_open", &[("listener", "http")]), 2.0);
    drop(first);
    third.stream().set_timeout(Some(http::TIMEOUT)).unwrap();
    assert_eq!(third.response("GET").unwrap().status, 200);
    assert_eq!(cofferdam.metric("cofferdam_connections_total", &[("listener", "http")]), 3.0);
}

#[test]
fn a_client_that_waits_to_be_told_to_continue_is_told() {
    let upstream = ByHand::listen();
    let cofferdam = super::proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let headers = [("content-length", "4"), ("expect", "100-continue")];
    client.send(&encode("POST", "/", &headers, b"")).unwrap();
    let told = String::from_utf8(client.head().unwrap()).unwrap();
    assert!(told.starts_with("HTTP/1.1 100"), "{told}");
    client.send(b"body").unwrap();
    let (mut server, _) = upstream.request();
    assert_eq!(server.exactly(4).unwrap(), b"body");
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(client.response("POST").unwrap().status, 200);
}
