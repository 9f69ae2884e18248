//! A drain over TLS, and answers that break off: an end that is whole is told, one that is not is not.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use super::start;
use crate::support::http::encode;
use crate::support::wait::pause;
use crate::support::{Answer, Authority, ByHand, Http2, Trust, Upstream};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn what_has_begun_ends_whole() {
    let (authority, upstream) = (Authority::new(), ByHand::listen());
    let mut cofferdam = start(&authority, &upstream.url(), "drain_timeout = \"1m\"");
    let address = cofferdam.addr();
    let trust = Trust::of(&authority);
    let mut idle = trust.open(address).unwrap();
    idle.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut first, _) = upstream.request();
    first.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(idle.response("GET").unwrap().status, 200);
    let mut busy = trust.open(address).unwrap();
    busy.send(&encode("GET", "/", &[], b"")).unwrap();
    let mut server = match first.head() {
        Ok(_) => first,
        Err(_) => upstream.request().0,
    };
    cofferdam.signal(Signal::TERM);
    eventually!(TcpStream::connect(address).is_err());
    assert_eq!(idle.rest().unwrap(), b"");
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole").unwrap();
    let answer = busy.response("GET").unwrap();
    assert_eq!((answer.text().as_str(), answer.complete), ("whole", true));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(busy.rest().unwrap(), b"");
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn streams_of_http_2_end_whole() {
    let slow = Answer::ok("slow").delay(Duration::from_millis(500));
    let (authority, upstream) = (Authority::new(), Upstream::builder().fallback(slow).start());
    let mut cofferdam = start(&authority, &upstream.url(), "drain_timeout = \"1m\"");
    let address = cofferdam.addr();
    let trust = Trust::of(&authority).asking(&["h2"]);
    let client = std::thread::spawn(move || {
        let mut client = Http2::open_tls(address, &trust);
        let requests = (0..5).map(|_| Http2::request("GET", "https://a/", b"")).collect();
        let answers = client.send_all(requests);
        (answers, client.is_closed())
    });
    upstream.wait_for(5);
    cofferdam.signal(Signal::TERM);
    let (answers, is_closed) = client.join().unwrap();
    assert!(answers.iter().all(|answer| answer.complete && answer.text() == "slow"));
    assert!(is_closed, "the connection takes more");
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

/// To HTTP/1.0 only the end of the connection ends an answer: a goodbye would make a whole of it.
#[test]
fn a_cut_answer_ends_without_a_goodbye() {
    let (authority, upstream) = (Authority::new(), ByHand::listen());
    let cofferdam = start(&authority, &upstream.url(), "");
    for (end, is_whole) in [("0\r\n\r\n", true), ("", false)] {
        let mut client = Trust::of(&authority).open(cofferdam.addr()).unwrap();
        client.send(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let (mut server, _) = upstream.request();
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
        server.send(format!("{head}{end}").as_bytes()).unwrap();
        client.head().unwrap();
        assert_eq!(client.exactly(4).unwrap(), b"half");
        drop(server);
        assert_eq!(client.rest().is_ok(), is_whole, "{end:?}");
    }
}

#[test]
fn a_tunnel_passes_bytes_both_ways_and_ends_with_a_goodbye() {
    let (authority, upstream) = (Authority::new(), ByHand::listen());
    let cofferdam = start(&authority, &upstream.url(), "idle_timeout = \"200ms\"");
    let mut client = Trust::of(&authority).asking(&["http/1.1"]).open(cofferdam.addr()).unwrap();
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "x"),
        ("sec-websocket-version", "13"),
    ];
    client.send(&encode("GET", "/", &upgrade, b"")).unwrap();
    let (mut server, head) = upstream.request();
    assert!(head.to_lowercase().contains("x-forwarded-proto: https\r\n"), "{head}");
    let grant = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: y\r\n\r\n";
    server.send(grant.as_bytes()).unwrap();
    assert_eq!(client.response("GET").unwrap().status, 101);
    // Longer than an idle connection may be.
    pause(Duration::from_millis(400));
    for _ in 0..3 {
        client.send(b"\x81\x04ping").unwrap();
        assert_eq!(server.exactly(6).unwrap(), b"\x81\x04ping");
        server.send(b"\x81\x04pong").unwrap();
        assert_eq!(client.exactly(6).unwrap(), b"\x81\x04pong");
    }
    drop(server);
    assert_eq!(client.rest().unwrap(), b"");
    drop(client);
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]) == 0.0);
}
