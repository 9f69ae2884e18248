//! What a connection costs while it is idle, and a body while it streams.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::limited;
use crate::support::load::meanwhile;
use crate::support::{Cofferdam, process, quiet};

const IDLE: usize = 10_000;
const EACH: u64 = 12 * 1024;
const GIB: u64 = 1 << 30;
const MOVES: u64 = 8 << 20;

/// Whether this process may hold so many descriptors; what it starts may as well.
fn may_hold(descriptors: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(most.min(1 << 20)), maximum: limit.maximum };
    most >= descriptors && setrlimit(Resource::Nofile, raised).is_ok()
}

fn ask(stream: &mut TcpStream) {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\nuser-agent: test/1.0\r\naccept: */*\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.ends_with(b"whole") {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "closed after {answer:?}");
        answer.extend_from_slice(&piece[..count]);
    }
}

#[test]
fn ten_thousand_idle_connections_cost_little() {
    if !may_hold(IDLE as u64 + 1_000) {
        println!("skipped: {} descriptors are needed (ulimit -Hn)", IDLE + 1_000);
        return;
    }
    let _alone = quiet::alone();
    let cofferdam =
        Cofferdam::start("[[routes]]\nprefix = \"/\"\nrespond = { body = \"whole\" }\n");
    let open = |count: usize| {
        let one = |_| {
            let mut stream = TcpStream::connect(cofferdam.addr()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            ask(&mut stream);
            stream
        };
        (0..count).map(one).collect::<Vec<_>>()
    };
    let _warm = open(64);
    let before = process::resident(cofferdam.pid());
    let mut idle = open(IDLE);
    let each = process::resident(cofferdam.pid()).saturating_sub(before) / IDLE as u64;
    println!("{IDLE} idle connections: {each} bytes each");
    assert!(each < EACH, "{each} bytes each");
    // They rest, and are of use.
    for stream in idle.iter_mut().step_by(100) {
        ask(stream);
    }
}

/// An upstream that reads `upload` bytes of each request and answers with `download`.
fn stream_upstream(upload: u64, download: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let read = take(&mut stream, upload);
        assert_eq!(read, upload);
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {download}\r\n\r\n").as_bytes())
            .unwrap();
        give(&mut stream, download);
    });
    url
}

/// The bytes of a body of this length that came after a head.
fn take(stream: &mut TcpStream, length: u64) -> u64 {
    let (mut piece, mut begun) = (vec![0; 256 << 10], Vec::new());
    let mut read = loop {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "closed within the head");
        begun.extend_from_slice(&piece[..count]);
        if let Some(end) = begun.windows(4).position(|four| four == b"\r\n\r\n") {
            break (begun.len() - end - 4) as u64;
        }
    };
    while read < length {
        let count = stream.read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        read += count as u64;
    }
    read
}

fn give(stream: &mut TcpStream, length: u64) {
    let piece = vec![b'x'; 256 << 10];
    let mut left = length;
    while left > 0 {
        let count = left.min(piece.len() as u64);
        stream.write_all(&piece[..usize::try_from(count).unwrap()]).unwrap();
        left -= count;
    }
}

#[track_caller]
fn streams(upload: u64, download: u64, what: &str) {
    let _alone = quiet::alone();
    let cofferdam = limited(&stream_upstream(upload, download), "max_body_size = \"off\"");
    let (address, pid) = (cofferdam.addr(), cofferdam.pid());
    let before = process::resident(pid);
    let most = AtomicU64::new(0);
    let (read, _) = meanwhile(
        Duration::from_millis(5),
        move || {
            let mut client = TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {upload}\r\n\r\n");
            client.write_all(head.as_bytes()).unwrap();
            give(&mut client, upload);
            take(&mut client, download)
        },
        || most.fetch_max(process::resident(pid), Ordering::Relaxed),
    );
    assert_eq!(read, download);
    let moved = most.into_inner().saturating_sub(before);
    println!("{what}: memory moved by {} KiB", moved >> 10);
    assert!(moved < MOVES, "{what}: memory moved by {} KiB", moved >> 10);
}

#[test]
fn an_upload_of_a_gibibyte_streams() {
    streams(GIB, 2, "1 GiB up");
}

#[test]
fn a_download_of_a_gibibyte_streams() {
    streams(0, GIB, "1 GiB down");
}
