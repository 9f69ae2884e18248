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

use cofferdam::app::demo::spread::Spread;
use support::client::{CONNECTIONS, drive};
use support::kernel::{self, Machine};
use support::program::Cofferdam;
use support::report::{self, Limits, ms, option};

const DIRECT: &str = "/respond";
const CALL: &str = "/call";

const NOTHING: &str = "int nothing(void) { return 0; }";

fn main() -> ExitCode {
    let (rate, seconds) = (option("rate", 500), option("seconds", 20));
    let cofferdam = Cofferdam::start(NOTHING, &config(option("spares", 16)));
    let (pid, address) = (cofferdam.pid(), cofferdam.address);
    let cpu_of_direct = direct_cpu(pid, address, rate, seconds.div_ceil(4));
    let (lookups, cpu, machine) = (lookups(&cofferdam), kernel::cpu(pid), Machine::now(pid));
    println!(
        "{rate} calls and {rate} direct answers a second for {seconds} s on {CONNECTIONS} connections"
    );
    let [direct, called] = drive(address, [DIRECT, CALL], rate, seconds, is_zero);
    Machine::now(pid).report_since(&machine);
    let now = kernel::cpu(pid);
    let workers = ms(now.children - cpu.children) / called.count() as f64;
    let proxy = ms(now.own - cpu.own) / called.count() as f64 - cpu_of_direct;
    let hits = hit_rate(lookups, self::lookups(&cofferdam));
    report(&direct, &called, [workers, proxy], hits)
}

/// Milliseconds of the proxy's CPU for one direct answer: what of its time is no call's.
fn direct_cpu(pid: u32, address: SocketAddr, rate: u32, seconds: u32) -> f64 {
    let before = kernel::cpu(pid).own;
    let answers: usize =
        drive(address, [DIRECT; 2], rate, seconds, is_zero).iter().map(Spread::count).sum();
    ms(kernel::cpu(pid).own - before) / answers as f64
}

fn config(spares: u32) -> String {
    format!(
        "[functions.nothing]\nlibrary = \"./libbench.so\"\nprototype = \"int nothing(void)\"\nspares = {spares}\n\
         [[routes]]\npath = \"/call\"\ncall = \"nothing\"\n\
         [[routes]]\npath = \"/respond\"\nrespond = {{ status = 200, body = \"0\" }}\n"
    )
}

fn is_zero(status: u16, body: &str) -> bool {
    (status, body.trim()) == (200, "0")
}

fn lookups(cofferdam: &Cofferdam) -> [f64; 2] {
    ["result=\"hit\"", "result=\"miss\""]
        .map(|l| cofferdam.metric("cofferdam_spare_lookups_total", l))
}

fn hit_rate(before: [f64; 2], after: [f64; 2]) -> f64 {
    let [hits, misses] = [after[0] - before[0], after[1] - before[1]];
    hits / (hits + misses)
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
    println!("CPU per call: workers {workers:.3} ms, proxy {proxy:.3} ms");
    println!("calls that found a spare: {:.1} %\n", hits * 100.0);
    let mut limits = Limits::default();
    limits.at_most("added latency, p50", added(50.0), 0.25, "ms");
    limits.at_most("added latency, p99", added(99.0), 1.0, "ms");
    limits.at_most("CPU of workers and proxy per call", workers + proxy, 1.6, "ms");
    limits.verdict()
}
