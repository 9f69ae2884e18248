//! Floods of HTTP/2: whatever one client sends, another is answered at once, memory stays, and it is over when it is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::TIMEOUT;
use super::tap::Tap;
use crate::support::clib::library;
use crate::support::frames::{self, Frames};
use crate::support::{Cofferdam, http, process, quiet};

/// How long each flood lasts.
const LENGTH: Duration = Duration::from_secs(1);
/// Of another client's answer, while it lasts.
const SOON: Duration = Duration::from_millis(50);
/// On a machine that others keep busy: so many times what an answer takes without a flood.
const TIMES: u32 = 10;
/// What the proxy may grow by.
const GROWTH: u64 = 50 << 20;
/// Clients that flood at once.
const CLIENTS: usize = 2;

/// Sends as fast as it can on one connection until it is refused; `rounds` counts from 0.
type Flood = fn(&mut Frames, u32) -> std::io::Result<()>;

const GET: [(&[u8], &[u8]); 4] = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"a.test"),
    (b":path", b"/flood"),
];

fn get(client: &mut Frames, stream: u32) -> std::io::Result<()> {
    client.head(stream, &GET, frames::END_STREAM)
}

/// Floods until it is told to stop; a connection that is refused is followed by another. How many there were.
fn flood(address: SocketAddr, is_over: &Arc<AtomicBool>, one: Flood) -> JoinHandle<usize> {
    let is_over = Arc::clone(is_over);
    std::thread::spawn(move || {
        let mut connections = 0;
        while !is_over.load(Ordering::Relaxed) {
            let mut client = Frames::open(address);
            connections += 1;
            for round in 0.. {
                if is_over.load(Ordering::Relaxed) || one(&mut client, round).is_err() {
                    break;
                }
            }
        }
        connections
    })
}

/// The median answer to another client, and the slowest but for one in twenty; a connection each.
fn others(cofferdam: &Cofferdam, length: Duration) -> (Duration, Duration) {
    let begun = Instant::now();
    let mut took = Vec::new();
    while begun.elapsed() < length {
        let answer = cofferdam.get("/other");
        assert_eq!(answer.text(), "GET /other");
        took.push(answer.elapsed);
        crate::support::wait::pause(Duration::from_millis(5));
    }
    took.sort();
    (took[took.len() / 2], took[took.len() * 19 / 20])
}

#[track_caller]
fn survives(what: &str, one: Flood) {
    let _alone = quiet::alone();
    let tap = Tap::start();
    let cofferdam = Cofferdam::start(&format!(
        "upstream = \"{}\"\n[[routes]]\npath = \"/fixed\"\nrespond = {{ status = 200, body = \"{}\" }}\n",
        tap.url(),
        "x".repeat(16 << 10)
    ));
    assert_eq!(cofferdam.get("/other").text(), "GET /other");
    let before = process::resident(cofferdam.pid());
    let (calm, _) = others(&cofferdam, LENGTH / 4);
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS).map(|_| flood(cofferdam.addr(), &is_over, one)).collect();
    let (median, late) = others(&cofferdam, LENGTH);
    is_over.store(true, Ordering::Relaxed);
    let connections: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    let grown = process::peak_resident(cofferdam.pid()).saturating_sub(before);
    println!(
        "{what}: {connections} connections, others {median:?} (p95 {late:?}), {} KiB more",
        grown >> 10
    );
    assert!(
        median < SOON.max(calm * TIMES),
        "{what}: others waited for {median:?}, {calm:?} before"
    );
    assert!(grown < GROWTH, "{what}: {grown} bytes more");
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]), |open| *open == 0.0);
    assert_eq!(cofferdam.get("/after").text(), "GET /after");
}

#[test]
fn rapid_resets() {
    survives("rapid resets (CVE-2023-44487)", |client, round| {
        let stream = round * 2 + 1;
        get(client, stream)?;
        client.send(frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
    });
}

#[test]
fn a_block_that_never_ends() {
    survives("CONTINUATION (CVE-2024-27316)", |client, round| match round {
        0 => client.send(frames::HEADERS, frames::END_STREAM, 1, &frames::block(&GET)),
        _ => client.send(frames::CONTINUATION, 0, 1, &frames::block(&[(b"x-a", &[b'x'; 1000])])),
    });
}

#[test]
fn empty_continuations() {
    survives("empty CONTINUATION", |client, round| match round {
        0 => client.send(frames::HEADERS, frames::END_STREAM, 1, &[]),
        _ => client.send(frames::CONTINUATION, 0, 1, &[]),
    });
}

#[test]
fn settings_again_and_again() {
    survives("SETTINGS", |client, round| {
        let value = (round % 2 * 4096).to_be_bytes();
        client.send(frames::SETTINGS, 0, 0, &[&[0, 1], &value[..]].concat())
    });
}

#[test]
fn pings_that_nobody_reads() {
    survives("PING", |client, _| client.send(frames::PING, 0, 0, b"12345678"));
}

#[test]
fn empty_data() {
    survives("empty DATA", |client, round| match round {
        0 => client.head(1, &[(b":method", b"POST"), GET[1], GET[2], GET[3]], 0),
        _ => client.send(frames::DATA, 0, 1, &[]),
    });
}

#[test]
fn data_of_one_byte() {
    survives("DATA of one byte", |client, round| match round {
        0 => client.head(1, &[(b":method", b"POST"), GET[1], GET[2], GET[3]], 0),
        _ => client.send(frames::DATA, 0, 1, b"x"),
    });
}

#[test]
fn resets_that_the_server_is_made_to_send() {
    survives("faults of streams (CVE-2025-8671)", |client, round| {
        let stream = round * 2 + 1;
        get(client, stream)?;
        // An increment of 0 is a fault of the stream: it is the server that resets it.
        client.send(frames::WINDOW_UPDATE, 0, stream, &[0; 4])
    });
}

#[test]
fn malformed_requests_one_after_another() {
    survives("malformed requests", |client, round| {
        let fields = [&GET[..], &[(&b"connection"[..], &b"close"[..])]].concat();
        client.head(round * 2 + 1, &fields, frames::END_STREAM)
    });
}

#[test]
fn priorities_and_unknown_frames() {
    survives("PRIORITY and unknown frames", |client, round| {
        client.send(frames::PRIORITY, 0, round * 2 + 1, &[0, 0, 0, 0, 1])?;
        client.send(0xbe, 0xff, round, &[0; 100])
    });
}

#[test]
fn window_updates() {
    survives("WINDOW_UPDATE", |client, round| match round {
        0 => get(client, 1),
        _ => client.send(frames::WINDOW_UPDATE, 0, u32::from(round < 1000), &1_u32.to_be_bytes()),
    });
}

#[test]
fn more_streams_than_are_allowed() {
    survives("streams over the limit", |client, round| get(client, round * 2 + 1));
}

#[test]
fn requests_whose_answers_nobody_reads() {
    survives("answers that nobody reads", |client, round| {
        let fixed = [GET[0], GET[1], GET[2], (&b":path"[..], &b"/fixed"[..])];
        client.head(round * 2 + 1, &fixed, frames::END_STREAM)?;
        client.send(frames::PING, 0, 0, b"12345678")
    });
}

/// A compressed block that unfolds: one entry of the table, named a thousand times.
#[test]
fn a_bomb_of_references() {
    survives("references to one large field", |client, round| {
        let mut block = Vec::new();
        if round == 0 {
            // Kept in the table (RFC 7541 section 6.2.1): index 62 from then on.
            block.extend_from_slice(&[0x40, 3]);
            block.extend_from_slice(b"x-a");
            block.extend_from_slice(&[127, 0x81, 0x1e]);
            block.extend_from_slice(&[b'x'; 4000]);
        }
        block.extend_from_slice(&[0xbe; 10_000]);
        client.send(
            frames::HEADERS,
            frames::END_HEADERS | frames::END_STREAM,
            round * 2 + 1,
            &block,
        )
    });
}

#[test]
fn a_client_without_a_window_does_not_hold_much() {
    let _alone = quiet::alone();
    let body = vec![b'a'; 512 << 10];
    let upstream = crate::support::Upstream::builder()
        .route("/flood", crate::support::Answer::ok(body))
        .fallback(crate::support::Answer::ok("other"))
        .start();
    let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    assert_eq!(cofferdam.get("/other").text(), "other");
    let before = process::resident(cofferdam.pid());
    let mut stalled = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Frames::open_with(cofferdam.addr(), &[(1, 0), (4, 0)]);
        for stream in 0..100 {
            get(&mut client, stream * 2 + 1).unwrap();
        }
        stalled.push(client);
    }
    eventually!(within TIMEOUT; upstream.requests().len(), |n| *n == 1 + 100 * CLIENTS);
    for _ in 0..50 {
        let answer = cofferdam.get("/other");
        assert_eq!(answer.text(), "other");
    }
    let grown = process::peak_resident(cofferdam.pid()).saturating_sub(before);
    println!("200 answers without a window: {} KiB more", grown >> 10);
    assert!(grown < GROWTH, "{grown} bytes more");
    drop(stalled);
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]), |open| *open == 0.0);
    eventually!(cofferdam.metric("cofferdam_http_requests_in_flight", &[]), |n| *n == 0.0);
}

/// Three slots for calls that take half a minute.
fn isolated() -> Cofferdam {
    Cofferdam::start(&format!(
        "[functions.slow]\nlibrary = {:?}\nprototype = \"int sleep_ms(int ms)\"\narguments = {{ ms = 30000 }}\n\
         max_concurrency = 3\nqueue = {{ length = 10 }}\nspares = \"off\"\n\
         [[routes]]\npath = \"/flood\"\ncall = \"slow\"\n\
         [[routes]]\npath = \"/other\"\nrespond = {{ status = 200, body = \"other\" }}\n",
        library("times")
    ))
}

#[test]
fn a_rapid_reset_of_calls_starts_no_more_workers_than_slots() {
    let _alone = quiet::alone();
    let cofferdam = isolated();
    let calm = http::get(cofferdam.addr(), "/other").elapsed;
    let is_over = Arc::new(AtomicBool::new(false));
    let client = flood(cofferdam.addr(), &is_over, |client, round| {
        let stream = round * 2 + 1;
        get(client, stream)?;
        client.send(frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
    });
    let begun = Instant::now();
    let (mut most, mut took) = (0, Vec::new());
    while begun.elapsed() < LENGTH {
        // A look at /proc takes a while: what was there before and after was there at once.
        let before = cofferdam.workers();
        let after = cofferdam.workers();
        most = most.max(before.iter().filter(|worker| after.contains(worker)).count());
        let answer = http::get(cofferdam.addr(), "/other");
        assert_eq!(answer.text(), "other");
        took.push(answer.elapsed);
    }
    is_over.store(true, Ordering::Relaxed);
    client.join().unwrap();
    took.sort();
    println!("at most {most} workers; others {:?}", took[took.len() / 2]);
    assert!(most <= 3, "{most} workers at once");
    assert!(took[took.len() / 2] < SOON.max(calm * TIMES), "{took:?}, {calm:?} before");
    eventually!(cofferdam.metric("cofferdam_slots_in_use", &[]), |n| *n == 0.0);
    eventually!(cofferdam.workers(), |workers| workers.is_empty());
}

#[test]
fn a_reset_stream_frees_its_place_and_its_worker_at_once() {
    let cofferdam = isolated();
    let mut client = Frames::open(cofferdam.addr());
    for stream in [1, 3, 5, 7, 9] {
        get(&mut client, stream).unwrap();
    }
    let count = |name: &str| cofferdam.metric(name, &[("function", "slow")]);
    eventually!((count("cofferdam_slots_in_use"), count("cofferdam_queue_depth")), |n| *n
        == (3.0, 2.0));
    eventually!(cofferdam.workers().len(), |n| *n == 3);
    // The two that wait go first, then one that runs.
    for (stream, slots, waiting) in [(9, 3.0, 1.0), (7, 3.0, 0.0), (1, 2.0, 0.0)] {
        client.send(frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes()).unwrap();
        eventually!(within Duration::from_secs(2); (count("cofferdam_slots_in_use"), count("cofferdam_queue_depth")), |n| *n == (slots, waiting));
    }
    eventually!(cofferdam.workers().len(), |n| *n == 2);
    drop(client);
    eventually!(count("cofferdam_slots_in_use"), |n| *n == 0.0);
}
