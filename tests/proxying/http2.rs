//! Cleartext HTTP/2 from clients: many streams on one connection, to an upstream that speaks HTTP/1.1.

use std::time::Duration;

use super::{limited, proxy_to, refused};
use crate::support::{Answer, Http2, Upstream};

#[test]
fn a_request_passes_with_its_authority_as_the_host() {
    let upstream = Upstream::builder().fallback(Answer::ok("made").header("x-up", "1")).start();
    let cofferdam = proxy_to(&upstream.url());
    let client = Http2::open(cofferdam.addr());
    let mut request = Http2::request("PUT", "http://app.test:81/a%2Fb?q=1", b"body");
    request.headers_mut().insert("x-one", "1".parse().unwrap());
    let answer = client.send(request);
    assert_eq!((answer.status, answer.text().as_str()), (200, "made"));
    assert_eq!(answer.header("x-up"), Some("1"));

    let seen = upstream.wait_for(1).remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PUT", "/a%2Fb?q=1"));
    assert_eq!(seen.header_all("host"), ["app.test:81"]);
    assert_eq!(seen.header_all("x-forwarded-host"), ["app.test:81"]);
    assert_eq!(seen.header_all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.header_all("x-one"), ["1"]);
    assert_eq!(seen.body, b"body");
    assert!(seen.head.ends_with(b"\r\n\r\n") && !seen.head.windows(2).any(|w| w == b"\n:"));
}

#[test]
fn streams_do_not_wait_for_each_other() {
    let delay = Duration::from_millis(500);
    let upstream = Upstream::builder()
        .route("/slow", Answer::ok("slow").delay(delay))
        .route("/fast", Answer::ok("fast"))
        .start();
    let cofferdam = proxy_to(&upstream.url());
    let client = Http2::open(cofferdam.addr());
    let begun = std::time::Instant::now();
    let get = |path: &str| Http2::request("GET", &format!("http://test{path}"), b"");
    let requests = (0..20).map(|n| get(if n % 2 == 0 { "/slow" } else { "/fast" })).collect();
    let answers = client.send_all(requests);
    assert!(begun.elapsed() < delay * 5, "{:?}", begun.elapsed());
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.text(), if n % 2 == 0 { "slow" } else { "fast" });
    }
    assert_eq!(cofferdam.metric("cofferdam_connections_total", &[("listener", "http")]), 1.0);
    assert_eq!(upstream.wait_for(20).len(), 20);
}

#[test]
fn large_bodies_pass_both_ways() {
    let body = vec![b'z'; 3 << 20];
    let upstream = Upstream::builder().fallback(Answer::ok(body.clone())).start();
    let cofferdam = proxy_to(&upstream.url());
    let client = Http2::open(cofferdam.addr());
    let answer = client.send(Http2::request("POST", "http://test/", &body));
    assert!(answer.complete && answer.body == body, "{} bytes", answer.body.len());
    assert_eq!(upstream.wait_for(1)[0].body.len(), body.len());
}

#[test]
fn refusals_are_the_same_as_on_http_1() {
    let upstream = Upstream::builder().route("/hang", Answer::hang()).start();
    let cofferdam = limited(&upstream.url(), "max_body_size = \"1KiB\"\nidle_timeout = \"1m\"");
    let client = Http2::open(cofferdam.addr());
    let answer = client.send(Http2::request("POST", "http://test/", &[b'x'; 2048]));
    refused(&answer, 413, "body_too_large");
    assert_eq!(answer.header("connection"), None);
    assert_eq!(client.send(Http2::request("GET", "http://test/", b"")).status, 404);
}

#[test]
fn an_answer_that_breaks_off_resets_its_stream_only() {
    let upstream = Upstream::builder()
        .route("/cut", Answer::ok("0123456789").cut_after(4))
        .fallback(Answer::ok("whole"))
        .start();
    let cofferdam = proxy_to(&upstream.url());
    let client = Http2::open(cofferdam.addr());
    let cut = client.send(Http2::request("GET", "http://test/cut", b""));
    assert_eq!((cut.status, cut.complete), (200, false));
    assert_eq!(client.send(Http2::request("GET", "http://test/", b"")).text(), "whole");
}

#[test]
fn an_idle_connection_is_closed() {
    let upstream = Upstream::builder().fallback(Answer::ok("x")).start();
    let cofferdam = limited(&upstream.url(), "header_timeout = \"1m\"\nidle_timeout = \"200ms\"");
    let mut client = Http2::open(cofferdam.addr());
    assert_eq!(client.send(Http2::request("GET", "http://test/", b"")).text(), "x");
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]), |n| *n == 0.0);
    eventually!(client.is_closed());
}
