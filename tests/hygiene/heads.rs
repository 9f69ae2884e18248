//! Request lines, hosts, framing and names.

use super::Stage;

/// What is refused, with which status; the connection ends, and the upstream hears nothing.
const REFUSED: &[(u16, &str)] = &[
    // Methods and targets.
    (405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    (400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    (400, "G ET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Hosts.
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [x]\r\n\r\n"),
    // Names and values.
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{0}c\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{1}c\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{7f}c\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n"),
    // Framing.
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nx"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    (400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "GET / HTTP/1.1\nHost: a\n\n"),
    (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        501,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    // Expectations.
    (417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx"),
];

#[test]
fn what_is_malformed_is_refused_and_goes_no_further() {
    let stage = Stage::new();
    for (status, request) in REFUSED {
        let bytes: Vec<u8> = request.chars().map(|character| character as u8).collect();
        assert_eq!(stage.status(&bytes), *status, "{request:?}");
    }
    let seen = stage.upstream.requests();
    assert!(seen.is_empty(), "{:?}", seen.iter().map(|one| &one.target).collect::<Vec<_>>());
}

#[test]
fn a_refusal_ends_the_connection() {
    let stage = Stage::new();
    let follow_up = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    for (_, request) in REFUSED {
        let bytes: Vec<u8> = request.chars().chain(follow_up.chars()).map(|c| c as u8).collect();
        let answers = stage.send(&bytes);
        assert_eq!(answers.matches("proxy-status:").count(), 1, "{request:?}: {answers}");
    }
    assert!(stage.upstream.requests().is_empty());
}

#[test]
fn what_is_unusual_but_clear_passes() {
    let stage = Stage::new();
    let passed = [
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://b.test:81/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhOsT: A.B\r\nX-Tab: a\tb\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
    ];
    for request in passed {
        let answer = stage.send(request.as_bytes());
        assert!(answer.contains(" 200 "), "{request:?}: {answer}");
    }
    let seen = stage.upstream.wait_for(passed.len());
    assert_eq!(seen[1].target, "/x?y");
    assert_eq!(seen[1].header_all("host"), ["b.test:81"], "the absolute form names the host");
    assert_eq!((seen[4].body.as_slice(), seen[4].complete), (&b"x"[..], true));
    assert_eq!(seen[5].header("expect"), None);
}

#[test]
fn names_that_could_stand_for_others_are_dropped() {
    let stage = Stage::new();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\nX-Original-URL: /admin\r\n\
         X-Rewrite-URL: /admin\r\nProxy: http://evil\r\nX-Forwarded-Prefix: /x\r\nX-Kept: 1\r\nConnection: close\r\n\r\n";
    assert_eq!(stage.status(request.as_bytes()), 200);
    let seen = stage.upstream.wait_for(1).remove(0);
    for name in
        ["x_forwarded_for", "x-original-url", "x-rewrite-url", "proxy", "x-forwarded-prefix"]
    {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("x-kept"), Some("1"));
}
