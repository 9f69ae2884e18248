//! What scrapes cost those who do not ask for them: a fast route at a fixed rate, with ten scrapes a second and without, in
//! turns, of a proxy with 20 routes and 10 functions. `cargo bench --bench scrapes [-- --rate N --rounds N --scrapes N --strict]`

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a measurement ends by panicking"
)]

mod support;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cofferdam::app::demo::spread::Spread;
use support::client::{drive, wait_until};
use support::kernel;
use support::program::Cofferdam;
use support::report::{Limits, ms, option};

const NOTHING: &str = "int nothing(void) { return 0; }";
/// Of one window; windows with and without scrapes follow one another, so that what else the machine does meets both.
const SECONDS: u32 = 2;
const FAST: &str = "/route-0";

fn main() -> ExitCode {
    let (rate, rounds, scrapes) =
        (option("rate", 1000), option("rounds", 10), option("scrapes", 10));
    let cofferdam = Cofferdam::start(NOTHING, &config());
    let window = || drive(cofferdam.address, [FAST, FAST], rate / 2, SECONDS, is_zero);
    let _warm = window();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut cpu = Duration::ZERO;
    for _ in 0..rounds {
        without.push(window());
        let before = kernel::cpu(cofferdam.pid()).own;
        with.push(scraped(cofferdam.admin(), scrapes, window));
        cpu += kernel::cpu(cofferdam.pid()).own - before;
    }
    println!("{rate} requests/s, {rounds} windows of {SECONDS} s each, {scrapes} scrapes/s");
    let [without, with] = [without, with].map(p99);
    let all = f64::from(rounds * SECONDS);
    println!(
        "p99: {without:.4} ms without, {with:.4} ms with; {:.1} ms of CPU a second with",
        ms(cpu) / all
    );
    let mut limits = Limits::default();
    limits.at_most("p99 with scrapes, of that without", with / without * 100.0, 102.0, "%");
    limits.verdict()
}

/// The median of the windows' p99, in milliseconds: one window may have met something else.
fn p99(windows: Vec<[Spread; 2]>) -> f64 {
    let of = |spread: &Spread| ms(spread.percentile(99.0));
    let mut all: Vec<f64> = windows.iter().flatten().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Does `window` while somebody scrapes so often.
fn scraped<T>(admin: SocketAddr, a_second: u32, window: impl FnOnce() -> T) -> T {
    let done = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU32::new(0));
    let (is_done, counted) = (Arc::clone(&done), Arc::clone(&count));
    let scraper = thread::spawn(move || {
        let mut due = Instant::now();
        while !is_done.load(Ordering::Relaxed) {
            wait_until(due);
            due += Duration::from_secs(1) / a_second;
            assert!(scrape(admin) > 1000);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let result = window();
    done.store(true, Ordering::Relaxed);
    scraper.join().unwrap();
    assert!(count.load(Ordering::Relaxed) >= a_second * SECONDS, "too few scrapes");
    result
}

/// As Prometheus asks; the bytes that came.
fn scrape(admin: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(admin).unwrap();
    let head = "GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\naccept-encoding: gzip\r\n\
        accept: application/openmetrics-text;version=1.0.0\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap()
}

fn config() -> String {
    let mut text = "[defaults]\nspares = \"off\"\n".to_owned();
    for n in 0..10 {
        let _ = write!(
            text,
            "[functions.function-{n}]\nlibrary = \"./libbench.so\"\nprototype = \"int nothing(void)\"\n\
             [[routes]]\npath = \"/function-{n}\"\ncall = \"function-{n}\"\n\
             [[routes]]\npath = \"/route-{n}\"\nrespond = {{ status = 200, body = \"0\" }}\n"
        );
    }
    text
}

fn is_zero(status: u16, body: &str) -> bool {
    (status, body.trim()) == (200, "0")
}
