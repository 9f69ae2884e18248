//! Clients that send a byte now and then, or nothing, or do not read: bounded, and told why where nothing was sent.

use std::time::{Duration, Instant};

use super::{Stage, replies};
use crate::support::http::Connection;
use crate::support::wait::pause;

/// Sends `start` at once and then the bytes of `rest` one by one; what came back, and how long it all took.
fn trickle(
    stage: &Stage,
    start: &str,
    rest: &str,
    gap: Duration,
) -> (Vec<replies::Reply>, Duration) {
    let mut connection = stage.open();
    let begun = Instant::now();
    connection.send(start.as_bytes()).unwrap();
    for byte in rest.as_bytes() {
        pause(gap);
        if connection.send(&[*byte]).is_err() || is_ended(&connection) {
            break;
        }
    }
    let replies = replies::read(&connection.rest().unwrap()).unwrap();
    (replies, begun.elapsed())
}

/// Whether something came: an answer, or the end.
fn is_ended(connection: &Connection) -> bool {
    let crate::support::place::Stream::Tcp(stream) = connection.stream() else { return false };
    stream.set_nonblocking(true).unwrap();
    let came = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    came
}

fn told(replies: &[replies::Reply]) -> Vec<(u16, String)> {
    replies.iter().map(|reply| (reply.status, reply.reason())).collect()
}

const GAP: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_millis(400);
const LATEST: Duration = Duration::from_secs(3);

#[test]
fn a_head_byte_by_byte_is_a_408() {
    let stage = Stage::with("header_timeout = \"400ms\"");
    let long = "x".repeat(200);
    for start in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n"] {
        let (replies, took) = trickle(&stage, start, &long, GAP);
        assert_eq!(told(&replies), [(408, "head_timeout".to_owned())], "{start:?}");
        assert_eq!(replies[0].header("connection"), Some("close"));
        assert!((LIMIT..LATEST).contains(&took), "{start:?}: {took:?}");
    }
    assert!(stage.tap.seen().bytes.is_empty());
}

#[test]
fn the_second_head_of_a_connection_is_bounded_too() {
    let stage = Stage::with("header_timeout = \"400ms\"");
    let start = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\n";
    let (replies, took) = trickle(&stage, start, &"x".repeat(200), GAP);
    assert_eq!(replies.iter().map(|r| r.status).collect::<Vec<_>>(), [200, 408]);
    assert!((LIMIT..LATEST).contains(&took), "{took:?}");
    assert_eq!(stage.tap.seen().requests.len(), 1);
}

#[test]
fn a_body_that_stands_still_is_a_408_however_it_is_framed() {
    let stage = Stage::with("body_timeout = \"400ms\"");
    for start in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        let (replies, took) = trickle(&stage, start, "", GAP);
        assert_eq!(told(&replies), [(408, "body_timeout".to_owned())], "{start:?}");
        assert_eq!(replies[0].header("connection"), Some("close"), "{start:?}");
        assert!((LIMIT..LATEST).contains(&took), "{start:?}: {took:?}");
    }
    assert!(stage.tap.seen().requests.is_empty());
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let stage = Stage::with("header_timeout = \"400ms\"");
    let (replies, took) = trickle(&stage, "", "", GAP);
    assert!(replies.is_empty() && (LIMIT..LATEST).contains(&took), "{replies:?} {took:?}");
}

#[test]
fn slow_clients_do_not_hold_others() {
    let stage = Stage::with("header_timeout = \"5s\"");
    let slow: Vec<_> = (0..300)
        .map(|n| {
            let mut connection = stage.open();
            let start = if n % 2 == 0 {
                "GET / HTTP/1.1\r\nX: "
            } else {
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\na"
            };
            connection.send(start.as_bytes()).unwrap();
            connection
        })
        .collect();
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(stage.status("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    drop(slow);
}
