//! The end: what has begun is finished, nothing new is taken, and what takes too long is cut.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::by_hand::{chunk, read_chunk};
use crate::support::http::{self, Connection, encode};
use crate::support::{Answer, ByHand, Cofferdam, Http2, Upstream};

const SOON: Duration = Duration::from_secs(5);

/// A proxy to `url` that drains for at most this long.
fn start(url: &str, drain_timeout: &str) -> Cofferdam {
    Cofferdam::start(&format!(
        "upstream = \"{url}\"\n[server]\ndrain_timeout = \"{drain_timeout}\"\n"
    ))
}

/// SIGTERM, and waits until it takes no new connections.
fn begin_drain(cofferdam: &Cofferdam) {
    let address = cofferdam.addr();
    assert_eq!(http::get(cofferdam.admin(), "/readyz").status, 200);
    cofferdam.signal(Signal::TERM);
    eventually!(TcpStream::connect(address).is_err());
    let ready = http::get(cofferdam.admin(), "/readyz");
    assert_eq!((ready.status, ready.text().as_str()), (503, "draining\n"));
    assert_eq!(http::get(cofferdam.admin(), "/livez").status, 200);
}

#[test]
fn what_has_begun_ends_whole() {
    let upstream = ByHand::listen();
    let mut cofferdam = start(&upstream.url(), "1m");
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(&encode("GET", "/", &[], b"")).unwrap();
        clients.push((client, upstream.request().0));
    }
    let (streaming, server) = &mut clients[1];
    server.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    server.send(&chunk("first")).unwrap();
    streaming.head().unwrap();
    assert_eq!(read_chunk(streaming).unwrap(), "first");

    begin_drain(&cofferdam);
    let (waiting, server) = &mut clients[0];
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole").unwrap();
    let answer = waiting.response("GET").unwrap();
    assert_eq!((answer.text().as_str(), answer.complete), ("whole", true));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(waiting.rest().unwrap(), b"");
    let (streaming, server) = &mut clients[1];
    for part in ["second", ""] {
        server.send(&chunk(part)).unwrap();
        assert_eq!(read_chunk(streaming).unwrap(), part);
    }
    assert_eq!(streaming.rest().unwrap(), b"");
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn idle_connections_are_closed_and_do_not_hold_the_end() {
    let upstream = Upstream::builder().fallback(Answer::ok("x")).start();
    let mut cofferdam = start(&upstream.url(), "1m");
    let mut used = Connection::open(cofferdam.addr()).unwrap();
    assert_eq!(used.request("GET", "/", &[], b"").unwrap().text(), "x");
    let mut fresh = Connection::open(cofferdam.addr()).unwrap();
    let opened = [("listener", "http")];
    eventually!(cofferdam.metric("cofferdam_connections_open", &opened) == 2.0);
    cofferdam.signal(Signal::TERM);
    assert_eq!(used.rest().unwrap(), b"");
    assert_eq!(fresh.rest().unwrap(), b"");
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn sigint_drains_as_well() {
    let upstream = Upstream::builder().start();
    let mut cofferdam = start(&upstream.url(), "1m");
    cofferdam.signal(Signal::INT);
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn streams_of_http_2_end_whole_and_no_new_ones_are_taken() {
    let slow = Answer::ok("slow").delay(Duration::from_millis(500));
    let upstream = Upstream::builder().fallback(slow).start();
    let mut cofferdam = start(&upstream.url(), "1m");
    let address = cofferdam.addr();
    let client = std::thread::spawn(move || {
        let mut client = Http2::open(address);
        let requests = (0..5).map(|_| Http2::request("GET", "http://test/", b"")).collect();
        let answers = client.send_all(requests);
        (answers, client.is_closed())
    });
    upstream.wait_for(5);
    begin_drain(&cofferdam);
    let (answers, is_closed) = client.join().unwrap();
    assert!(answers.iter().all(|answer| answer.complete && answer.text() == "slow"));
    assert!(is_closed, "the connection takes more");
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn what_takes_too_long_is_cut() {
    let upstream = ByHand::listen();
    let mut cofferdam = start(&upstream.url(), "300ms");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let _server = upstream.request();
    let begun = Instant::now();
    cofferdam.signal(Signal::TERM);
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(client.rest().unwrap(), b"");
    let told = |line: &String| line.contains("drain_timeout") && line.contains("1 connection,");
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
}

#[test]
fn a_second_signal_ends_at_once() {
    let upstream = ByHand::listen();
    let mut cofferdam = start(&upstream.url(), "1m");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let _server = upstream.request();
    begin_drain(&cofferdam);
    cofferdam.signal(Signal::TERM);
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert_eq!(client.rest().unwrap(), b"");
}
