//! Chunked bodies from clients: read strictly, framed anew, without extensions and trailers.

use super::{Stage, bytes};
use crate::support::http::encode;

const HEAD: &str = "POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn what_is_chunked_clearly_passes() {
    let stage = Stage::new();
    let rows = [
        ("0\r\n\r\n", ""),
        ("3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("a\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
        ("0003\r\nabc\r\n0\r\n\r\n", "abc"),
        ("3;x\r\nabc\r\n0;y=z\r\n\r\n", "abc"),
        ("3;x=\"a;b\"\r\nabc\r\n0\r\n\r\n", "abc"),
        ("3\r\nabc\r\n0\r\nX: y\r\n\r\n", "abc"),
        ("3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: b\r\n\r\n", "abc"),
        ("5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"),
    ];
    for (body, expected) in rows {
        let seen = stage.passes(HEAD, body);
        assert_eq!(seen.body, expected.as_bytes(), "{body:?}");
        assert!(seen.all("x").is_empty() && seen.all("host") == ["a"], "{body:?}");
    }
}

/// Malformed, each with a request behind it for who reads it otherwise.
const MALFORMED: &[&str] = &[
    "\r\n",
    "x\r\nabc\r\n0\r\n\r\n",
    "-1\r\nabc\r\n0\r\n\r\n",
    "+3\r\nabc\r\n0\r\n\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    "3h\r\nabc\r\n0\r\n\r\n",
    "3 \r\nabc\r\n0\r\n\r\n",
    "3\t\r\nabc\r\n0\r\n\r\n",
    " 3\r\nabc\r\n0\r\n\r\n",
    "3 ;x\r\nabc\r\n0\r\n\r\n",
    "3,x\r\nabc\r\n0\r\n\r\n",
    ";x\r\nabc\r\n0\r\n\r\n",
    "3\nabc\r\n0\r\n\r\n",
    "3\rabc\r\n0\r\n\r\n",
    "3\r\r\nabc\r\n0\r\n\r\n",
    "3\u{0}\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "3\r\nabc\n0\r\n\r\n",
    "3\r\nabc\r0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nab\r\n0\r\n\r\n",
    "3;x\nabc\r\n0\r\n\r\n",
    "3;x\rabc\r\n0\r\n\r\n",
    "3;\u{0}\r\nabc\r\n0\r\n\r\n",
    "3;x=\"\r\n\"\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\n0\n\r\n",
    "3\r\nabc\r\n0\r\n\n",
    "3\r\nabc\r\n0\r\nX: y\n\r\n",
    "3\r\nabc\r\n0\r\nX\r\n\r\n",
    "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    "3\r\nabc\r\n0\r\n X: y\r\n\r\n",
    "3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n",
    "3\r\nabc\r\n0\r\nX: \u{0}\r\n\r\n",
    "3\r\nabc\r\n0\r\n: y\r\n\r\n",
    "3\r\nabc\r\n0 \r\n\r\n",
    "3\r\nabc\r\n00000000000000000\r\n\r\n",
    "00000000000000003\r\nabc\r\n0\r\n\r\n",
    "10000000000000003\r\nabc\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "100000000000000000000000000000003\r\nabc\r\n0\r\n\r\n",
];

#[test]
fn a_malformed_chunked_body_is_refused() {
    let stage = Stage::new();
    for body in MALFORMED {
        let replies = stage.send(&format!("{HEAD}\r\n{body}{SMUGGLED}"));
        let shown: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(shown, [400], "{body:?}: {replies:?}");
        assert_eq!(replies[0].reason(), "bad_request", "{body:?}");
        assert_eq!(replies[0].header("connection"), Some("close"), "{body:?}");
    }
    eventually!(stage.tap.seen().open, |open| *open == 0);
    let seen = stage.tap.seen();
    assert!(seen.requests.is_empty() && seen.faults.is_empty(), "{seen:?}");
}

#[test]
fn bytes_that_are_too_many_are_refused() {
    let stage = Stage::new();
    let rows = [
        format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(20_000)),
        format!("0\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
        format!("0\r\n{}\r\n", "X: y\r\n".repeat(100)),
        format!("{}0\r\n\r\n", "1;0123456789012345\r\nx\r\n".repeat(2000)),
        format!("{:0>64}\r\nabc\r\n0\r\n\r\n", 3),
    ];
    for body in rows {
        let replies = stage.send(&format!("{HEAD}\r\n{body}{SMUGGLED}"));
        assert_eq!(replies.len(), 1, "{replies:?}");
        assert_eq!(replies[0].status, 400, "{replies:?}");
    }
    assert!(stage.tap.seen().requests.is_empty());
}

#[test]
fn a_body_that_ends_early_never_becomes_a_request() {
    let stage = Stage::new();
    for body in
        ["", "3", "3\r", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n"]
    {
        let mut connection = stage.open();
        connection.send(&bytes(&format!("{HEAD}\r\n{body}"))).unwrap();
        connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
        connection.rest().unwrap();
    }
    let mut connection = stage.open();
    connection.send(&encode("POST", "/short", &[("content-length", "10")], b"12345")).unwrap();
    connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
    connection.rest().unwrap();
    eventually!(stage.tap.seen().open, |open| *open == 0);
    let seen = stage.tap.seen();
    assert!(seen.requests.is_empty() && seen.faults.is_empty(), "{seen:?}");
}

#[test]
fn the_verdict_does_not_depend_on_how_the_bytes_come() {
    let stage = Stage::new();
    let rows = [
        ("3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n", 200),
        ("3\r\nabcd\r\n0\r\n\r\n", 400),
        ("3\r\nabc\r\n0\r\nX: y\n\r\n", 400),
    ];
    for (body, status) in rows {
        let mut connection = stage.open();
        let whole = bytes(&format!("{HEAD}Connection: close\r\n\r\n{body}"));
        for byte in whole {
            if connection.send(&[byte]).is_err() {
                break;
            }
        }
        let replies = super::replies::read(&connection.rest().unwrap()).unwrap();
        assert_eq!(replies.iter().map(|r| r.status).collect::<Vec<_>>(), [status], "{body:?}");
    }
}
