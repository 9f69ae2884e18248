//! Slow clients over TLS are bounded as all others, and what is refused within it is refused as without it.

use std::time::{Duration, Instant};

use super::{errors, start, upstream};
use crate::support::http::{Connection, encode};
use crate::support::https::session;
use crate::support::{Authority, Http2, Trust, quiet};

const SOON: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_millis(300);

#[test]
fn a_handshake_has_its_time() {
    let _alone = quiet::alone();
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "header_timeout = \"300ms\"");
    let begun: [&[u8]; 3] = [b"", b"\x16", b"\x16\x03\x01\x02\0\x01\0\x01"];
    for (index, bytes) in begun.iter().enumerate() {
        let begun = Instant::now();
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(bytes).unwrap();
        assert_eq!(client.rest().unwrap(), b"", "{bytes:?}");
        assert!((LIMIT..SOON).contains(&begun.elapsed()), "{bytes:?}: {:?}", begun.elapsed());
        eventually!(errors(&cofferdam, "head_timeout"), |n| *n == index as f64 + 1.0);
    }
    assert_eq!(errors(&cofferdam, "tls"), 0.0);
}

/// `rest` fails where the connection ends without a `close_notify`.
#[test]
fn a_slow_head_is_answered_and_silence_is_not() {
    let _alone = quiet::alone();
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "header_timeout = \"300ms\"");
    for asked in [&[][..], &["http/1.1"]] {
        let trust = Trust::of(&authority).asking(asked);
        let mut client = trust.open(cofferdam.addr()).unwrap();
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
        let answer = client.response("GET").unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (408, "head_timeout"));
        assert_eq!(client.rest().unwrap(), b"", "{asked:?}");
        let mut silent = trust.open(cofferdam.addr()).unwrap();
        assert_eq!(silent.rest().unwrap(), b"", "{asked:?}");
    }
    let mut silent = Trust::of(&authority).asking(&["h2"]).open(cofferdam.addr()).unwrap();
    silent.rest().unwrap();
    eventually!(errors(&cofferdam, "head_timeout"), |n| *n == 5.0);
}

#[test]
fn an_idle_connection_is_closed_with_a_goodbye() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "idle_timeout = \"200ms\"");
    let trust = Trust::of(&authority);
    let mut client = trust.open(cofferdam.addr()).unwrap();
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "made");
    assert_eq!(client.rest().unwrap(), b"");
    let mut client = Http2::open_tls(cofferdam.addr(), &trust.asking(&["h2"]));
    assert_eq!(client.send(Http2::request("GET", "https://a/", b"")).text(), "made");
    eventually!(client.is_closed());
    assert_eq!(errors(&cofferdam, "idle_timeout"), 2.0);
}

#[test]
fn the_gate_stands_behind_tls_too() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "max_header_size = \"8KiB\"");
    let both = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9000));
    let rows = [
        (both, 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405),
        (large.as_str(), 431),
    ];
    for (text, status) in rows {
        let mut client = Trust::of(&authority).open(cofferdam.addr()).unwrap();
        client.send(text.as_bytes()).unwrap();
        let answer = client.response("GET").unwrap();
        assert_eq!(answer.status, status, "{text:?}: {answer:?}");
        assert_eq!(client.rest().unwrap(), b"", "{text:?}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

/// The second piece is refused when hyper has the first already.
#[test]
fn a_head_refused_halfway_ends_with_a_goodbye() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let mut client = Trust::of(&authority).open(cofferdam.addr()).unwrap();
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 200);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    crate::support::wait::pause(Duration::from_millis(100));
    client.send(b"Host: b\x01\r\n\r\n").unwrap();
    assert_eq!(client.response("GET").unwrap().status, 400);
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_client_that_leaves_without_a_goodbye_is_no_error() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let mut client = Trust::of(&authority).open(cofferdam.addr()).unwrap();
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 200);
    assert!(session(&client).alpn_protocol().is_none());
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest().unwrap(), b"");
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]) == 0.0);
    assert_eq!(cofferdam.metric("cofferdam_connection_errors_total", &[]), 0.0);
}

#[test]
fn a_body_that_pauses_is_a_408() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "body_timeout = \"150ms\"");
    let mut client = Trust::of(&authority).open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "10")], b"12345")).unwrap();
    assert_eq!(client.response("POST").unwrap().reason(), "body_timeout");
}
