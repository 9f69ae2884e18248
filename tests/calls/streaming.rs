//! Handlers that read their request's body while it comes: any size in little memory, both ways at once, in each mode.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::gates::Gates;
use super::ground::{Calm, calls, function, logged, of, problem, start, start_with};
use crate::support::by_hand::{chunk, read_chunk};
use crate::support::http::{self, Connection};
use crate::support::http2::Http2;
use crate::support::{Cofferdam, process};

/// Bytes of a large body.
const LARGE: usize = 256 * 1024 * 1024;
const ANY_SIZE: &str = "[server]\nmax_body_size = \"off\"\n";
const STREAM: &str = "request_body = \"stream\"\n";
/// Bytes that the proxy may need more for a large body than for none.
const LITTLE: u64 = 12 * 1024 * 1024;

fn streaming(handler: &str, keys: &str) -> String {
    let keys = format!("handler = \"{handler}\"\n{STREAM}{keys}");
    function(handler, "streaming", &keys, "")
}

fn head(path: &str, headers: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes()
}

fn chunked(cofferdam: &Cofferdam, path: &str) -> Connection {
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&head(path, "Transfer-Encoding: chunked\r\n")).unwrap();
    client
}

/// What large bodies are made of.
fn piece() -> Vec<u8> {
    (0..1 << 20).map(|n| (n % 251) as u8).collect()
}

fn pieces() -> impl Iterator<Item = Vec<u8>> {
    let piece = piece();
    (0..LARGE / piece.len()).map(move |_| piece.clone())
}

/// The worker's own word about its memory, in KiB.
fn worker_peak(cofferdam: &Cofferdam) -> u64 {
    let told = |line: &String| line.contains("peak ");
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
    let lines = cofferdam.stderr();
    let line = lines.iter().find(|line| told(line)).unwrap();
    let after = line.split("peak ").nth(1).unwrap();
    after.split(|byte: char| !byte.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn a_large_body_goes_up_in_little_memory() {
    let cofferdam = start_with(ANY_SIZE, &[streaming("count", "")]);
    let calm = Calm::of(&cofferdam);
    let before = process::peak_resident(cofferdam.pid());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&head("/count", &format!("Content-Length: {LARGE}\r\n"))).unwrap();
    pieces().for_each(|piece| client.send(&piece).unwrap());
    let sum = piece().into_iter().map(u64::from).sum::<u64>() * (LARGE / piece().len()) as u64;
    let answer = client.response("POST").unwrap();
    let text = answer.text();
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[..2], [LARGE as u64, sum], "{text}");
    assert!(numbers[2] < 16 * 1024, "the worker took {} KiB", numbers[2]);
    let grown = process::peak_resident(cofferdam.pid()) - before;
    assert!(grown < LITTLE, "the proxy took {grown} bytes");
    drop(client);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "count", "ok"), 1.0);
}

#[test]
fn a_large_body_comes_down_in_little_memory() {
    let cofferdam = start(&[streaming("produce", "")]);
    let calm = Calm::of(&cofferdam);
    let before = process::peak_resident(cofferdam.pid());
    let mut client = TcpStream::connect(cofferdam.addr()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(client, "GET /produce?{LARGE} HTTP/1.0\r\n\r\n").unwrap();
    let mut buffer = vec![0; 1 << 20];
    let (mut bytes, mut payload) = (0, 0);
    loop {
        let count = client.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        bytes += count;
        payload += buffer[..count].iter().filter(|byte| **byte == b'p').count();
    }
    assert!(payload >= LARGE && bytes < LARGE + 1024, "{payload} of {bytes}");
    assert!(worker_peak(&cofferdam) < 16 * 1024);
    let grown = process::peak_resident(cofferdam.pid()) - before;
    assert!(grown < LITTLE, "the proxy took {grown} bytes");
    calm.returns(&cofferdam);
}

#[test]
fn a_large_body_comes_back_while_it_goes() {
    let cofferdam = start_with(ANY_SIZE, &[streaming("echo", "")]);
    let calm = Calm::of(&cofferdam);
    let before = process::peak_resident(cofferdam.pid());
    let mut client = TcpStream::connect(cofferdam.addr()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(&head("/echo", &format!("Content-Length: {LARGE}\r\n"))).unwrap();
    let mut sending = client.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        pieces().for_each(|piece| sending.write_all(&piece).unwrap());
    });
    let mut answer = Connection::from_stream(crate::support::place::Stream::Tcp(client));
    let head = String::from_utf8(answer.head().unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let pattern = [piece(), piece()].concat();
    let mut bytes = 0;
    while let Some(size) = answer.line().unwrap() {
        let size = usize::from_str_radix(&size, 16).unwrap();
        let came = answer.exactly(size + 2).unwrap();
        let at = bytes % (1 << 20);
        assert!(came[..size] == pattern[at..at + size], "at {bytes}");
        bytes += size;
        if size == 0 {
            break;
        }
    }
    sender.join().unwrap();
    assert_eq!(bytes, LARGE);
    assert!(worker_peak(&cofferdam) < 16 * 1024);
    let grown = process::peak_resident(cofferdam.pid()) - before;
    assert!(grown < LITTLE, "the proxy took {grown} bytes");
    drop(answer);
    calm.returns(&cofferdam);
}

#[test]
fn each_piece_comes_back_before_the_next_is_sent_in_each_mode() {
    let modes = ["", "spawn = \"fork\"", "mode = \"pool\"", "mode = \"thread\""];
    for keys in modes {
        let cofferdam = start(&[streaming("echo", keys)]);
        for _ in 0..3 {
            let mut client = chunked(&cofferdam, "/echo");
            let head = String::from_utf8(client.head().unwrap()).unwrap();
            assert!(head.starts_with("HTTP/1.1 200 "), "{keys}: {head}");
            for piece in ["one", "two", "three"] {
                client.send(&chunk(piece)).unwrap();
                assert_eq!(read_chunk(&mut client).unwrap(), piece, "{keys}");
            }
            client.send(b"0\r\n\r\n").unwrap();
            assert_eq!(client.chunked().unwrap(), (vec![], true), "{keys}");
        }
        assert_eq!(calls(&cofferdam, "echo", "ok"), 3.0, "{keys}");
    }
}

#[test]
fn who_reads_nothing_is_sent_little() {
    let gates = Gates::open();
    let cofferdam = start_with(ANY_SIZE, &[streaming("patient", "")]);
    let mut client = TcpStream::connect(cofferdam.addr()).unwrap();
    client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let path = format!("/patient?{}", gates.port());
    client.write_all(&head(&path, &format!("Content-Length: {LARGE}\r\n"))).unwrap();
    let inside = gates.next();
    let mut pieces = pieces();
    let mut sent = 0;
    let rest = loop {
        let piece = pieces.next().expect("all of it was taken, and nobody had read any");
        let mut at = 0;
        while let Ok(count) = client.write(&piece[at..]) {
            at += count;
            if at == piece.len() {
                break;
            }
        }
        sent += at;
        if at < piece.len() {
            break piece[at..].to_vec();
        }
    };
    assert!(sent < 32 << 20, "{sent} bytes were taken");
    inside.release();
    client.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(&rest).unwrap();
    pieces.for_each(|piece| client.write_all(&piece).unwrap());
    let mut client = Connection::from_stream(crate::support::place::Stream::Tcp(client));
    let answer = client.response("POST").unwrap();
    assert!(answer.text().starts_with(&format!("{LARGE} ")), "{}", answer.text());
}

#[test]
fn a_slow_client_holds_a_slot_only_where_the_handler_streams() {
    let whole = function("whole", "streaming", "handler = \"count\"", "");
    let cofferdam = start(&[whole, streaming("count", "")]);
    let calm = Calm::of(&cofferdam);
    for (path, slots) in [("whole", 0.0), ("count", 1.0)] {
        let mut client = chunked(&cofferdam, &format!("/{path}"));
        client.send(&chunk("a piece")).unwrap();
        let busy = if slots > 0.0 { "count" } else { "whole" };
        eventually!(of(&cofferdam, "slots_in_use", busy, &[]), |now| *now == slots);
        eventually!(cofferdam.workers().len(), |now| *now == slots as usize);
        client.send(b"0\r\n\r\n").unwrap();
        assert!(client.response("POST").unwrap().text().starts_with("7 "));
    }
    calm.returns(&cofferdam);
}

#[test]
fn a_body_that_is_too_large_or_too_slow_ends_its_call_with_its_own_word() {
    let limits = "[server]\nmax_body_size = \"1MiB\"\nbody_timeout = \"300ms\"\n";
    let keys = ["", "mode = \"pool\"", "mode = \"thread\""];
    for keys in keys {
        let cofferdam = start_with(limits, &[streaming("count", keys)]);
        let calm = Calm::of(&cofferdam);
        let mut client = chunked(&cofferdam, "/count");
        let _cut = client.send(&chunk(&"x".repeat(2 << 20)));
        problem(&client.response("POST").unwrap(), 413, "body_too_large");
        drop(client);
        let mut client = chunked(&cofferdam, "/count");
        client.send(&chunk("begun")).unwrap();
        problem(&client.response("POST").unwrap(), 408, "body_timeout");
        drop(client);
        if !keys.contains("thread") {
            calm.returns(&cofferdam);
        }
        assert_eq!(calls(&cofferdam, "count", "cancelled"), 2.0, "{keys}");
        assert_eq!(cofferdam.get("/pong").status, 200);
    }
}

#[test]
fn a_client_that_leaves_amid_its_body_ends_the_call_or_is_told_of() {
    let finish = "on_disconnect = \"finish\"";
    let cofferdam = start(&[streaming("count", ""), streaming("ending", finish)]);
    let calm = Calm::of(&cofferdam);
    for path in ["/count", "/ending"] {
        let mut client = chunked(&cofferdam, path);
        client.send(&chunk("begun")).unwrap();
        eventually!(of(&cofferdam, "workers", &path[1..], &[("state", "busy")]), |now| *now == 1.0);
    }
    calm.returns(&cofferdam);
    eventually!(calls(&cofferdam, "count", "cancelled"), |now| *now == 1.0);
    assert_eq!(calls(&cofferdam, "ending", "ok"), 1.0);
    logged(&cofferdam, "ending", "reading ended with -104");
}

#[test]
fn a_body_that_nobody_reads_is_not_the_next_calls() {
    for keys in [
        "mode = \"pool\"\nspares = 1\nmax_concurrency = 1",
        "mode = \"thread\"\nmax_concurrency = 1",
    ] {
        let cofferdam = start(&[streaming("early", keys), streaming("count", keys)]);
        for round in 0..5 {
            let mut client = chunked(&cofferdam, "/early");
            let _closed_early = client.send(&chunk(&"x".repeat(300_000)));
            let answer = client.response("POST").unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (403, "no\n"), "{round}");
        }
        let answer = http::post(cofferdam.addr(), "/count", b"12345");
        assert!(answer.text().starts_with("5 "), "{}", answer.text());
        assert_eq!(calls(&cofferdam, "early", "ok"), 5.0);
    }
}

#[test]
fn a_streamed_body_can_still_be_had_as_a_whole() {
    let cofferdam = start(&[streaming("gather", ""), streaming("too_late", "")]);
    let body = "0123456789".repeat(50_000);
    let answer = http::post(cofferdam.addr(), "/gather", body.as_bytes());
    assert_eq!((answer.status, answer.text()), (200, body));
    assert_eq!(http::post(cofferdam.addr(), "/too_late", b"123456789").text(), "none 0\n");
    let empty = http::request(cofferdam.addr(), "GET", "/gather", &[], b"");
    assert_eq!((empty.status, empty.complete), (200, false));
}

#[test]
fn http_2_streams_both_ways_as_well() {
    let cofferdam = start(&[streaming("echo", "")]);
    let body = vec![b'h'; 3 << 20];
    let url = format!("http://{}/echo", cofferdam.addr());
    let client = Http2::open(cofferdam.addr());
    let answer = client.send(Http2::request("POST", &url, &body));
    assert_eq!((answer.status, answer.body.len()), (200, body.len()));
}
