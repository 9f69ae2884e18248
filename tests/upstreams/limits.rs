//! `max_connections` and its queue: in order, bounded, and each place free as soon as its request has ended.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use super::{errors, of, refused, start};
use crate::support::http::{self, Connection, Response, encode};
use crate::support::{ByHand, Cofferdam};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx";

/// One request at a time to an upstream by hand.
fn one_at_a_time(queue: &str) -> (ByHand, Cofferdam) {
    let upstream = ByHand::listen();
    let lines = format!("url = \"{}\"\nmax_connections = 1\nqueue = {queue}\n", upstream.url());
    let cofferdam = start(&lines);
    (upstream, cofferdam)
}

fn ask(address: SocketAddr, path: &str) -> JoinHandle<Response> {
    let path = path.to_owned();
    std::thread::spawn(move || http::get(address, &path))
}

#[track_caller]
fn waiting(cofferdam: &Cofferdam, count: usize) {
    eventually!(of(cofferdam, "queue_depth", &[]), |depth| *depth == count as f64);
}

/// The path that a head asks for.
fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

#[test]
fn who_waits_longest_is_next() {
    let (upstream, cofferdam) = one_at_a_time("{ length = 10 }");
    let mut asked = vec![ask(cofferdam.addr(), "/0")];
    let (mut server, head) = upstream.request();
    assert_eq!(path(&head), "/0");
    for mark in 1..=4 {
        asked.push(ask(cofferdam.addr(), &format!("/{mark}")));
        waiting(&cofferdam, mark);
    }
    for mark in 1..=4 {
        assert_eq!(of(&cofferdam, "in_flight", &[]), 1.0);
        server.send(ANSWER).unwrap();
        let (next, head) = upstream.request();
        assert_eq!(path(&head), format!("/{mark}"));
        server = next;
    }
    server.send(ANSWER).unwrap();
    for answer in asked {
        assert_eq!(answer.join().unwrap().text(), "x");
    }
    eventually!(of(&cofferdam, "in_flight", &[]), |count| *count == 0.0);
    assert_eq!(of(&cofferdam, "queue_depth", &[]), 0.0);
}

#[test]
fn a_full_queue_refuses_at_once_and_names_the_upstream() {
    let (upstream, cofferdam) = one_at_a_time("{ length = 1 }");
    let first = ask(cofferdam.addr(), "/1");
    let (mut server, _) = upstream.request();
    let second = ask(cofferdam.addr(), "/2");
    waiting(&cofferdam, 1);
    let answer = cofferdam.get("/3");
    refused(&answer, 503, "queue_full");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(
        answer.text().contains(
            "upstream `app` has as many requests as it may (1) and its queue is full (1)"
        )
    );
    assert_eq!(errors(&cofferdam, "queue_full"), 1.0);
    server.send(ANSWER).unwrap();
    assert_eq!(first.join().unwrap().status, 200);
    upstream.request().0.send(ANSWER).unwrap();
    assert_eq!(second.join().unwrap().status, 200);
}

#[test]
fn without_a_queue_nobody_waits() {
    let (upstream, cofferdam) = one_at_a_time("{ length = \"off\" }");
    let first = ask(cofferdam.addr(), "/1");
    let (mut server, _) = upstream.request();
    refused(&cofferdam.get("/2"), 503, "queue_full");
    server.send(ANSWER).unwrap();
    assert_eq!(first.join().unwrap().status, 200);
}

#[test]
fn a_wait_ends_at_the_limit_of_the_queue() {
    let (upstream, cofferdam) = one_at_a_time("{ timeout = \"200ms\" }");
    let first = ask(cofferdam.addr(), "/1");
    let (mut server, _) = upstream.request();
    let answer = cofferdam.get("/2");
    refused(&answer, 503, "queue_timeout");
    assert!(answer.text().contains("no request at upstream `app` ended within 200ms"));
    assert!(answer.elapsed >= Duration::from_millis(200), "{:?}", answer.elapsed);
    assert_eq!(errors(&cofferdam, "queue_timeout"), 1.0);
    assert_eq!(of(&cofferdam, "queue_depth", &[]), 0.0);
    server.send(ANSWER).unwrap();
    assert_eq!(first.join().unwrap().status, 200);
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let (upstream, cofferdam) = one_at_a_time("{ length = 10 }");
    let mut leaving = Connection::open(cofferdam.addr()).unwrap();
    leaving.send(&encode("GET", "/left", &[], b"")).unwrap();
    let (_server, _) = upstream.request();
    let mut impatient = Connection::open(cofferdam.addr()).unwrap();
    impatient.send(&encode("GET", "/impatient", &[], b"")).unwrap();
    waiting(&cofferdam, 1);
    let stays = ask(cofferdam.addr(), "/stays");
    waiting(&cofferdam, 2);
    drop(impatient);
    waiting(&cofferdam, 1);
    drop(leaving);
    let (mut server, head) = upstream.request();
    assert_eq!(path(&head), "/stays");
    server.send(ANSWER).unwrap();
    assert_eq!(stays.join().unwrap().text(), "x");
}

#[test]
fn a_place_is_taken_until_the_body_has_ended() {
    let (upstream, cofferdam) = one_at_a_time("{ length = 10 }");
    let first = ask(cofferdam.addr(), "/1");
    let (mut server, _) = upstream.request();
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\na";
    server.send(head).unwrap();
    let second = ask(cofferdam.addr(), "/2");
    waiting(&cofferdam, 1);
    assert_eq!(of(&cofferdam, "in_flight", &[]), 1.0);
    server.send(b"b").unwrap();
    let (mut server, head) = upstream.request();
    assert_eq!(path(&head), "/2");
    server.send(ANSWER).unwrap();
    assert_eq!((first.join().unwrap().text().as_str(), second.join().unwrap().status), ("ab", 200));
}

#[test]
fn a_pause_in_a_body_has_a_limit_of_its_own() {
    let upstream = ByHand::listen();
    let cofferdam =
        start(&format!("url = \"{}\"\nresponse_idle_timeout = \"150ms\"\n", upstream.url()));
    let asked = ask(cofferdam.addr(), "/");
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123").unwrap();
    let answer = asked.join().unwrap();
    assert_eq!((answer.text().as_str(), answer.complete), ("0123", false));
    assert!(answer.elapsed < Duration::from_secs(5), "{:?}", answer.elapsed);
}
