//! Bodies through the proxy: each part goes on as it comes, and what waits in between is little.

use crate::support::by_hand::{chunk, read_chunk};
use crate::support::http::{self, Connection, encode};
use crate::support::place::Stream;
use crate::support::{Answer, ByHand, Upstream, process};

use super::{limited, proxy_to};

const MIB: usize = 1 << 20;
const LARGE: usize = 32 * MIB;
/// What the proxy may grow by while [`LARGE`] passes: buffers of two sockets, none of the body.
const GROWTH: u64 = 6 << 20;

#[test]
fn a_request_body_goes_on_as_it_comes() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("transfer-encoding", "chunked")], b"")).unwrap();
    client.send(&chunk("first")).unwrap();
    let (mut server, head) = upstream.request();
    assert!(head.to_lowercase().contains("transfer-encoding: chunked"), "{head}");
    assert_eq!(read_chunk(&mut server).unwrap(), "first");
    client.send(&chunk("second")).unwrap();
    assert_eq!(read_chunk(&mut server).unwrap(), "second");
    client.send(&chunk("")).unwrap();
    assert_eq!(read_chunk(&mut server).unwrap(), "");
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    assert_eq!(client.response("POST").unwrap().text(), "ok");
}

#[test]
fn an_answers_body_goes_on_as_it_comes() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    let head = String::from_utf8(client.head().unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for part in ["first", "second", ""] {
        server.send(&chunk(part)).unwrap();
        assert_eq!(read_chunk(&mut client).unwrap(), part);
    }
}

#[test]
fn an_answer_may_come_before_the_request_has_ended() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("POST", "/", &[("transfer-encoding", "chunked")], b"")).unwrap();
    client.send(&chunk("question")).unwrap();
    let (mut server, _) = upstream.request();
    assert_eq!(read_chunk(&mut server).unwrap(), "question");
    server.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    server.send(&chunk("answer")).unwrap();
    client.head().unwrap();
    assert_eq!(read_chunk(&mut client).unwrap(), "answer");
    client.send(&chunk("another")).unwrap();
    assert_eq!(read_chunk(&mut server).unwrap(), "another");
    client.send(&chunk("")).unwrap();
    server.send(&chunk("")).unwrap();
    assert_eq!(read_chunk(&mut client).unwrap(), "");
}

#[test]
fn a_large_answer_passes_in_little_memory_though_its_client_is_slow() {
    let body = vec![b'a'; LARGE];
    let upstream = Upstream::builder().fallback(Answer::ok(body)).start();
    let cofferdam = proxy_to(&upstream.url());
    let before = process::peak_resident(cofferdam.pid());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    client.head().unwrap();
    let mut taken = 0;
    while taken < LARGE {
        let part = client.exactly(MIB).unwrap();
        assert!(part.iter().all(|byte| *byte == b'a'));
        taken += part.len();
    }
    let grown = process::peak_resident(cofferdam.pid()) - before;
    assert!(grown < GROWTH, "{grown} bytes more");
}

#[test]
fn a_large_request_passes_in_little_memory_though_its_upstream_is_slow() {
    let upstream = ByHand::listen();
    let cofferdam = limited(&upstream.url(), "max_body_size = \"off\"");
    let before = process::peak_resident(cofferdam.pid());
    let address = cofferdam.addr();
    let client = std::thread::spawn(move || http::post(address, "/", &vec![b'b'; LARGE]));
    let (mut server, _) = upstream.request();
    let mut taken = 0;
    while taken < LARGE {
        taken += server.exactly(MIB).unwrap().len();
    }
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(client.join().unwrap().status, 200);
    let grown = process::peak_resident(cofferdam.pid()) - before;
    assert!(grown < GROWTH, "{grown} bytes more");
}

#[test]
fn who_does_not_read_holds_back_who_sends() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n").as_bytes()).unwrap();
    client.head().unwrap();
    let before = process::resident(cofferdam.pid());
    server.stream().set_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    server.send(&vec![b'c'; LARGE]).expect_err("all was taken though nobody reads");
    let grown = process::resident(cofferdam.pid()).saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes more");
}

#[test]
fn a_body_goes_up_while_nobody_reads_the_answer() {
    const SIZE: usize = 16 << 20;
    let upstream = ByHand::listen();
    let cofferdam = limited(&upstream.url(), "max_body_size = \"off\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let length = SIZE.to_string();
    client.send(&encode("POST", "/", &[("content-length", &length)], b"")).unwrap();
    let (server, _) = upstream.request();
    let Stream::Tcp(stream) = server.stream() else { panic!("over TCP only") };
    let mut writer = Connection::from_stream(Stream::Tcp(stream.try_clone().unwrap()));
    let answering = std::thread::spawn(move || {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
        writer.send(head.as_bytes()).unwrap();
        writer.send(&vec![b'a'; SIZE]).unwrap();
    });
    let reading = std::thread::spawn({
        let mut server = server;
        move || server.exactly(SIZE).unwrap().len()
    });
    client.send(&vec![b'q'; SIZE]).unwrap();
    assert_eq!(reading.join().unwrap(), SIZE);
    let answer = client.response("POST").unwrap();
    assert_eq!((answer.status, answer.body.len(), answer.complete), (200, SIZE, true));
    answering.join().unwrap();
}
