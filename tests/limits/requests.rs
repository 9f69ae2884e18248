//! Heads with too many headers, bodies that take too long or grow too large, connections that have had enough requests.

use std::time::{Duration, Instant};

use super::limited;
use crate::support::http::{self, Connection, encode};
use crate::support::{Answer, ByHand, Cofferdam, Http2, Upstream};

const SOON: Duration = Duration::from_secs(5);

fn upstream() -> Upstream {
    Upstream::builder().fallback(Answer::ok("x")).start()
}

#[test]
fn more_headers_than_allowed_are_a_431() {
    let upstream = upstream();
    for (most, limit) in [(100, ""), (5, "max_headers = 5"), (200, "max_headers = 200")] {
        let cofferdam = limited(&upstream.url(), limit);
        // `host` is one of them, and `connection` another.
        let status = |count: usize| {
            let headers = vec![("x", "y"); count];
            http::request(cofferdam.addr(), "GET", "/", &headers, b"").status
        };
        assert_eq!(status(most - 2), 200, "{most}");
        assert_eq!(status(most - 1), 431, "{most}");
        let http2 = |count: usize| {
            let mut request = Http2::request("GET", "http://test/", b"");
            for _ in 0..count {
                request.headers_mut().append("x", "y".parse().unwrap());
            }
            Http2::open(cofferdam.addr()).send(request).status
        };
        // `:authority` counts as the `host` that it becomes.
        assert_eq!(http2(most - 1), 200, "{most}");
        assert_eq!(http2(most + 1), 431, "{most}");
    }
}

#[test]
fn a_body_that_drips_is_a_408_when_its_whole_time_is_over() {
    let upstream = upstream();
    let cofferdam =
        limited(&upstream.url(), "body_timeout = \"5s\"\nbody_total_timeout = \"300ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "100")], b"")).unwrap();
    let begun = Instant::now();
    client.stream().set_timeout(Some(Duration::from_millis(50))).unwrap();
    let answer = loop {
        match client.response("POST") {
            Ok(answer) => break answer,
            Err(_) => drop(client.send(b"x")),
        }
        assert!(begun.elapsed() < SOON, "no answer");
    };
    assert_eq!((answer.status, answer.reason().as_str()), (408, "body_timeout"));
    assert!(answer.text().contains("was not whole within 300ms"), "{}", answer.text());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let labels = [("route", "upstream"), ("reason", "body_timeout")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &labels), 1.0);
}

#[test]
fn a_body_that_drips_after_the_answer_has_begun_is_cut() {
    let upstream = ByHand::listen();
    let cofferdam = limited(&upstream.url(), "body_total_timeout = \"300ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "100")], b"x")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfi").unwrap();
    let head = String::from_utf8(client.head().unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let begun = Instant::now();
    let rest = client.rest().unwrap_or_default();
    assert!(!rest.ends_with(b"first"), "it ended whole");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn over_http_2_a_large_body_is_refused_before_and_while_it_comes() {
    let upstream = upstream();
    let cofferdam = limited(&upstream.url(), "max_body_size = \"1KiB\"");
    let client = Http2::open(cofferdam.addr());
    let post = |size: usize| Http2::request("POST", "http://test/", &vec![b'x'; size]);
    assert_eq!(client.send(post(1024)).status, 200);
    let answer = client.send(post(1025));
    assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
    // Its length is not said: what counts is what comes.
    let answer = client.send_in_pieces(post(0), vec![vec![b'x'; 1000]; 2]);
    assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
    assert_eq!(client.send(post(1)).status, 200, "the connection is of use no more");
}

#[test]
fn a_connection_ends_with_its_last_request() {
    let limit = "[server]\nmax_requests_per_connection = 3\n";
    let cofferdam =
        Cofferdam::start(&format!("{limit}[[routes]]\nprefix = \"/\"\nrespond = {{}}\n"));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    for expected in [None, None, Some("close")] {
        let answer = client.request("GET", "/", &[], b"").unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, expected));
    }
    assert_eq!(client.rest().unwrap(), b"");
    let mut client = Http2::open(cofferdam.addr());
    let requests = (0..3).map(|_| Http2::request("GET", "http://test/", b"")).collect();
    assert!(client.send_all(requests).iter().all(|answer| answer.status == 200));
    eventually!(client.is_closed());
}
