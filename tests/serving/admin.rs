//! The operator's side: where it is, what it answers, and that it answers when nothing else has time to.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::PONG;
use crate::support::http::{self, Connection, encode};
use crate::support::load::Times;
use crate::support::metrics::Scrape;
use crate::support::{Cofferdam, Place, quiet};

const DEFAULT: &str = "127.0.0.1:9180";

#[test]
fn where_the_default_address_is_taken_a_free_port_will_do() {
    // Taken by this test, or by somebody else: both will do.
    let _held = TcpListener::bind(DEFAULT);
    let cofferdam = Cofferdam::start(&format!("[admin]\n{PONG}"));
    let Place::Tcp(address) = cofferdam.admin() else { panic!("{:?}", cofferdam.admin()) };
    assert!(address.ip().is_loopback() && address.port() != 9180, "{address}");
    assert_eq!(http::get(cofferdam.admin(), "/livez").status, 200);
    let warns = |line: &String| line.contains("9180 is taken") && line.contains("WARN");
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(warns));
}

#[test]
fn off_is_off() {
    let cofferdam = Cofferdam::start(&format!("[admin]\naddress = \"off\"\n{PONG}"));
    assert_eq!(cofferdam.get("/").text(), "pong\n");
    assert_eq!(cofferdam.stdout().len(), 2, "{:?}", cofferdam.stdout());
}

#[test]
fn it_may_be_at_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let text = format!("[admin]\naddress = \"unix:{}\"\n{PONG}", socket.display());
    let cofferdam = Cofferdam::start(&text);
    assert_eq!(cofferdam.admin(), Place::Unix(socket));
    assert!(cofferdam.metrics().has("cofferdam_build_info", &[]));
}

#[test]
fn metrics_are_in_the_format_of_prometheus() {
    let cofferdam = Cofferdam::start(PONG);
    cofferdam.get("/");
    let answer = http::get(cofferdam.admin(), "/metrics");
    let kind = answer.header("content-type").unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let scrape = Scrape::parse(&text);
    assert!(scrape.samples.len() > 100, "{}", scrape.samples.len());
    for sample in &scrape.samples {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|e| sample.name.strip_suffix(e));
        let known = |name: &str| scrape.types.contains_key(name);
        assert!(known(&sample.name) || family.is_some_and(known), "{sample:?}");
        let is_ours = ["cofferdam_", "process_"].iter().any(|p| sample.name.starts_with(p));
        assert!(is_ours, "{sample:?}");
        let counts = scrape.types.get(&sample.name).is_some_and(|kind| kind == "counter");
        assert_eq!(counts, counts && sample.name.ends_with("_total"), "{sample:?}");
    }
    for (name, kind) in &scrape.types {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} {kind} has no help");
    }
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(scrape.metric("cofferdam_build_info", &version), 1.0);
    assert_eq!(scrape.metric("cofferdam_config_last_reload_successful", &[]), 1.0);
    let taken = scrape.metric("cofferdam_config_last_reload_success_timestamp_seconds", &[]);
    let started = scrape.metric("process_start_time_seconds", &[]);
    assert!((0.0..60.0).contains(&(taken + 1.0 - started)), "{taken} {started}");
}

#[test]
fn health_and_what_is_not_there() {
    let cofferdam = Cofferdam::start(PONG);
    let mut admin = Connection::open(cofferdam.admin()).unwrap();
    for (method, path, status) in [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/", 200),
        ("GET", "/nothing", 404),
        ("POST", "/metrics", 405),
    ] {
        assert_eq!(admin.request(method, path, &[], b"").unwrap().status, status, "{path}");
    }
    assert_eq!(cofferdam.get("/metrics").text(), "pong\n", "clients see no metrics");
}

#[test]
fn each_event_loop_measures_how_late_it_is() {
    let cofferdam = Cofferdam::start(&format!("[server]\nworkers = 2\n{PONG}"));
    for worker in ["0", "1"] {
        let labels = [("worker", worker)];
        eventually!(cofferdam.metric("cofferdam_event_loop_lag_seconds_count", &labels) >= 2.0);
    }
    assert!(cofferdam.metric("process_threads", &[]) >= 4.0);
}

#[test]
fn metrics_answer_while_every_event_loop_is_saturated() {
    const LIMIT: Duration = Duration::from_millis(100);
    let _alone = quiet::alone();
    let cofferdam = Cofferdam::start(&format!("[server]\nworkers = 2\n{PONG}"));
    let address = cofferdam.addr();
    let done = Arc::new(AtomicBool::new(false));
    let client = || {
        let done = Arc::clone(&done);
        std::thread::spawn(move || hammer(address, &done))
    };
    let clients: Vec<_> = (0..32).map(|_| client()).collect();
    // Others may share this machine and hold everybody for a while: one round must be undisturbed.
    let mut rounds = Vec::new();
    while rounds.len() < 5 && rounds.last().is_none_or(|times: &Times| times.max() >= LIMIT) {
        rounds.push(scrapes(&cofferdam.admin()));
    }
    done.store(true, Ordering::Relaxed);
    let answered: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(answered > 1000, "{answered} answers are no load");
    assert!(rounds.last().is_some_and(|times| times.max() < LIMIT), "{rounds:?}");
}

/// The times of twenty scrapes.
fn scrapes(admin: &Place) -> Times {
    Times::of((0..20).map(|_| {
        let scrape = http::get(admin, "/metrics");
        assert_eq!(scrape.status, 200);
        scrape.elapsed
    }))
}

/// Bursts of pipelined requests; how many were answered.
fn hammer(address: SocketAddr, done: &AtomicBool) -> usize {
    let burst = encode("GET", "/", &[], b"").repeat(50);
    let mut connection = Connection::open(address).unwrap();
    let mut answered = 0;
    while !done.load(Ordering::Relaxed) {
        connection.send(&burst).unwrap();
        for _ in 0..50 {
            assert_eq!(connection.response("GET").unwrap().status, 200);
            answered += 1;
        }
    }
    answered
}
