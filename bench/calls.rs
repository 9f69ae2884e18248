//! What a process for each call adds to an answer, and what it costs: calls of an empty C function and direct answers,
//! interleaved on the same connections at a fixed rate. `cargo bench --bench calls [-- --rate N --seconds N --spares N --strict]`

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a measurement ends by panicking"
)]

mod support;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cofferdam::app::demo::spread::Spread;
use support::client::{Connection, at_once, wait_until};
use support::kernel::{self, Cpu, Machine};
use support::program::Cofferdam;
use support::report::{self, Limits, ms, option};

const CONNECTIONS: u32 = 16;
const PATHS: [&str; 2] = ["/respond", "/call"];

const NOTHING: &str = "int nothing(void) { return 0; }";

fn main() -> ExitCode {
    let (rate, seconds) = (option("rate", 500), option("seconds", 20));
    let cofferdam = Cofferdam::start(NOTHING, &config(option("spares", 16)));
    drive(cofferdam.address, rate, 1);
    let (lookups, before) = (lookups(&cofferdam), kernel::cpu(cofferdam.pid()));
    println!(
        "{rate} calls and {rate} direct answers a second for {seconds} s on {CONNECTIONS} connections"
    );
    let machine = Machine::now(cofferdam.pid());
    let [direct, called] = drive(cofferdam.address, rate, seconds);
    Machine::now(cofferdam.pid()).report_since(&machine);
    let cpu = spent(before, kernel::cpu(cofferdam.pid()), called.count());
    let hits = hit_rate(lookups, self::lookups(&cofferdam));
    report(&direct, &called, cpu, hits)
}

fn config(spares: u32) -> String {
    format!(
        "[functions.nothing]\nlibrary = \"./libbench.so\"\nprototype = \"int nothing(void)\"\nspares = {spares}\n\
         [[routes]]\npath = \"/call\"\ncall = \"nothing\"\n\
         [[routes]]\npath = \"/respond\"\nrespond = {{ status = 200, body = \"0\" }}\n"
    )
}

/// Each of [`PATHS`] at `rate` requests a second, evenly spaced, whatever the answers do.
fn drive(address: SocketAddr, rate: u32, seconds: u32) -> [Spread; 2] {
    let requests = rate * seconds * 2;
    let gap = Duration::from_secs(1) / (rate * 2);
    let begin = Instant::now() + Duration::from_millis(100);
    let clients = at_once(CONNECTIONS as usize, move |client| {
        let mut connection = Connection::open(address);
        let mine = (client as u32..requests).step_by(CONNECTIONS as usize);
        mine.map(|request| ask(&mut connection, begin + gap * request, which(request)))
            .collect::<Vec<_>>()
    });
    let taken: Vec<(usize, Duration)> = clients().into_iter().flatten().collect();
    [0, 1].map(|path| {
        let of_path = taken.iter().filter(|(of, _)| *of == path);
        Spread::of(of_path.map(|(_, taken)| *taken).collect()).unwrap()
    })
}

/// One and the other in turn, and each connection carries both.
fn which(request: u32) -> usize {
    ((request + request / CONNECTIONS) % 2) as usize
}

fn ask(connection: &mut Connection, due: Instant, path: usize) -> (usize, Duration) {
    let begun = wait_until(due);
    let (status, body) = connection.get(PATHS[path]);
    let taken = begun.elapsed();
    assert_eq!((status, body.trim()), (200, "0"), "{}", PATHS[path]);
    (path, taken)
}

fn lookups(cofferdam: &Cofferdam) -> [f64; 2] {
    ["result=\"hit\"", "result=\"miss\""]
        .map(|l| cofferdam.metric("cofferdam_spare_lookups_total", l))
}

fn hit_rate(before: [f64; 2], after: [f64; 2]) -> f64 {
    let [hits, misses] = [after[0] - before[0], after[1] - before[1]];
    hits / (hits + misses)
}

/// Milliseconds of CPU for each call: of workers, and of the proxy with its direct answers.
fn spent(before: Cpu, after: Cpu, calls: usize) -> [f64; 2] {
    let spent = [after.children - before.children, after.own - before.own];
    spent.map(|time| ms(time) / calls as f64)
}

fn report(direct: &Spread, called: &Spread, [workers, proxy]: [f64; 2], hits: f64) -> ExitCode {
    let added = |percent| ms(called.percentile(percent)) - ms(direct.percentile(percent));
    report::head();
    report::row("respond", direct);
    report::row("call, a process each", called);
    println!(
        "\nadded: p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms",
        added(50.0),
        added(90.0),
        added(99.0)
    );
    println!(
        "CPU per call: workers {workers:.3} ms, proxy {proxy:.3} ms (its direct answers among it)"
    );
    println!("calls that found a spare: {:.1} %\n", hits * 100.0);
    let mut limits = Limits::default();
    limits.at_most("added latency, p50", added(50.0), 0.25, "ms");
    limits.at_most("added latency, p99", added(99.0), 1.0, "ms");
    limits.at_most("CPU of workers and proxy per call", workers + proxy, 1.6, "ms");
    limits.verdict()
}
