//! What is unusual but clear passes, and what it looks like at the upstream.

use super::Stage;

/// The start of a request, the target and the Host that the upstream gets.
const CLEAR: &[(&str, &str, &str)] = &[
    ("GET / HTTP/1.1\r\nHost: a\r\n", "/", "a"),
    ("GET / HTTP/1.1\r\nhOsT: A.B\r\n", "/", "A.B"),
    ("GET / HTTP/1.1\r\nHost:a\r\n", "/", "a"),
    ("GET / HTTP/1.1\r\nHost: \t a \t \r\n", "/", "a"),
    ("GET / HTTP/1.1\r\nHost: a:80\r\n", "/", "a:80"),
    ("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n", "/", "127.0.0.1:8080"),
    ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n", "/", "[::1]:80"),
    ("GET / HTTP/1.1\r\nHost: a_b.c-d\r\n", "/", "a_b.c-d"),
    ("\r\nGET / HTTP/1.1\r\nHost: a\r\n", "/", "a"),
    ("GET /?a=b&c HTTP/1.1\r\nHost: a\r\n", "/?a=b&c", "a"),
    ("GET /x?/../y//z HTTP/1.1\r\nHost: a\r\n", "/x?/../y//z", "a"),
    ("GET /x?%zz HTTP/1.1\r\nHost: a\r\n", "/x?%zz", "a"),
    ("GET http://b.test:81/x?y HTTP/1.1\r\nHost: a\r\n", "/x?y", "b.test:81"),
    ("GET https://b.test/x HTTP/1.1\r\nHost: a\r\n", "/x", "b.test"),
    ("GET HTTP://b.test/x HTTP/1.1\r\nHost: a\r\n", "/x", "b.test"),
    ("GET http://b.test HTTP/1.1\r\nHost: a\r\n", "/", "b.test"),
    ("GET http://b.test?q HTTP/1.1\r\nHost: a\r\n", "/?q", "b.test"),
    ("GET http://b.test//x/../y HTTP/1.1\r\nHost: a\r\n", "/y", "b.test"),
    ("GET //b.test/x HTTP/1.1\r\nHost: a\r\n", "/b.test/x", "a"),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n", "*", "a"),
    ("PROPFIND /x HTTP/1.1\r\nHost: a\r\n", "/x", "a"),
    ("get /x HTTP/1.1\r\nHost: a\r\n", "/x", "a"),
    ("M-SEARCH /x HTTP/1.1\r\nHost: a\r\n", "/x", "a"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX-Obs: caf\u{e9}\r\n", "/", "a"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX-Tab: a\tb\r\n", "/", "a"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\n", "/", "a"),
];

#[test]
fn what_is_clear_passes() {
    let stage = Stage::new();
    for (head, target, host) in CLEAR {
        let seen = stage.passes(head, "");
        assert_eq!((seen.target.as_str(), seen.all("host")), (*target, vec![*host]), "{head:?}");
    }
}

#[test]
fn http_1_0_needs_no_host_but_the_upstream_gets_one() {
    let stage = Stage::new();
    let seen = stage.passes("GET /x HTTP/1.0\r\n", "");
    assert_eq!((seen.target.as_str(), seen.all("host").len()), ("/x", 1));
    let seen = stage.passes("GET /x HTTP/1.0\r\nHost: b\r\n", "");
    assert_eq!(seen.all("host"), ["b"]);
    let seen = stage.passes("POST /x HTTP/1.0\r\nHost: b\r\nContent-Length: 2\r\n", "ab");
    assert_eq!(seen.body, b"ab");
}

#[test]
fn what_belongs_to_the_connection_stays_there() {
    let stage = Stage::new();
    let hop_by_hop = [
        "Connection: X-Listed\r\nX-Listed: 1",
        "Connection: close, x-listed\r\nX-LISTED: 1",
        "Connection: keep-alive\r\nConnection: x-listed\r\nX-Listed: 1\r\nX-Listed: 2",
        "Connection: ,,x-listed ,\r\nX-Listed: 1",
        "Connection: \u{e9}, x-listed\r\nX-Listed: 1",
        "Connection: \"x\", x-listed\r\nX-Listed: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "TE: gzip;q=0.5, chunked",
        "Trailer: X-Sum",
        "Upgrade: h2c",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0",
        "Connection: Upgrade\r\nUpgrade: foo, bar",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "Proxy-Authorization: Basic YTpi",
        "Proxy-Authenticate: Basic",
        "Expect: 100-continue",
    ];
    for fields in hop_by_hop {
        let seen =
            stage.passes(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\nX-Kept: 1\r\n"), "");
        assert_eq!(seen.all("x-listed"), [""; 0], "{fields:?}");
        assert_eq!(seen.all("x-kept"), ["1"], "{fields:?}");
    }
}

#[test]
fn connection_cannot_remove_what_frames_or_names_the_request() {
    let stage = Stage::new();
    let head =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: content-length, host\r\n";
    let seen = stage.passes(head, "hello");
    assert_eq!((seen.body.as_slice(), seen.all("host")), (&b"hello"[..], vec!["a"]));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n";
    assert_eq!(stage.passes(head, "5\r\nhello\r\n0\r\n\r\n").body, b"hello");
}

#[test]
fn names_that_could_stand_for_others_are_dropped() {
    let stage = Stage::new();
    let seen = stage.passes(
        "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\nX_A: 1\r\n_: 1\r\nX-Forwarded_For: 6.6.6.6\r\nX-A: 2\r\n",
        "",
    );
    assert!(seen.headers.iter().all(|(name, _)| !name.contains('_')), "{:?}", seen.headers);
    assert_eq!(seen.all("x-a"), ["2"]);
}

#[test]
fn values_pass_as_they_are() {
    let stage = Stage::new();
    let seen = stage.passes(
        "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-A: 2\r\nX-A: 3, 4\r\nCookie: a=b; c=d\r\nX-Spaces:  a  b \r\n",
        "",
    );
    assert_eq!(seen.all("x-a"), ["1", "2", "3, 4"]);
    assert_eq!(seen.all("cookie"), ["a=b; c=d"]);
    assert_eq!(seen.all("x-spaces"), ["a  b"]);
}

#[test]
fn a_request_to_upgrade_that_is_none_is_passed_as_a_plain_one_or_refused() {
    let stage = Stage::new();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let rows = [
        ("POST / HTTP/1.1\r\nHost: a\r\n", ""),
        ("GET / HTTP/1.0\r\nHost: a\r\n", ""),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n", "hello"),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ];
    for (head, body) in rows {
        stage.tap.forget();
        let replies = stage.send(&format!("{head}{upgrade}\r\n{body}GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        assert!(replies.iter().all(|reply| reply.status != 101), "{head:?}: {replies:?}");
        let seen = stage.tap.seen();
        assert!(seen.faults.is_empty(), "{head:?}: {:?}", seen.faults);
        assert_eq!(seen.requests.len(), replies.iter().filter(|r| r.status == 200).count());
    }
}
