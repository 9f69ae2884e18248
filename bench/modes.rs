//! Each mode side by side: what a call adds to a direct answer at a fixed rate, how many calls a second it sustains, and what
//! one costs in CPU. An empty C function. `cargo bench --bench modes [-- --rate N --seconds N --flood N --strict]`

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a measurement ends by panicking"
)]

mod support;

use std::process::ExitCode;
use std::time::Duration;

use cofferdam::app::demo::spread::Spread;
use support::client::{drive, flood};
use support::kernel::{self, Machine};
use support::program::Cofferdam;
use support::report::{Limits, ms, option};

/// Of the flood: more than there are cores, so that the proxy always has something to do.
const FLOODERS: usize = 8;

const NOTHING: &str = "int nothing(void) { return 0; }";

/// Name, keys of the function, and the targets: milliseconds added at p50 and p99, calls a second, CPU of one in milliseconds.
type Mode = (&'static str, &'static str, [Option<f64>; 4]);

const MODES: [Mode; 6] = [
    ("process", "spares = 16", [Some(0.20), Some(0.8), Some(1000.0), Some(1.6)]),
    ("fork", "spawn = \"fork\"\nspares = 16", [Some(0.20), Some(0.8), Some(2000.0), None]),
    ("pool", "mode = \"pool\"\nspares = 4", [Some(0.10), Some(0.4), Some(15_000.0), None]),
    ("thread", "mode = \"thread\"", [Some(0.06), Some(0.3), None, None]),
    ("inline", "mode = \"inline\"", [None; 4]),
    ("detached", "mode = \"detached\"\nspawn = \"fork\"\nspares = 16", [None; 4]),
];

/// What was measured of a mode.
struct Figures {
    name: &'static str,
    targets: [Option<f64>; 4],
    /// Milliseconds more than a direct answer: p50, p99.
    added: [f64; 2],
    /// Calls a second, and their median in milliseconds.
    flood: [f64; 2],
    /// Milliseconds of all processes for one call, at the fixed rate.
    cpu: f64,
}

fn main() -> ExitCode {
    let (rate, seconds, flood) = (option("rate", 500), option("seconds", 5), option("flood", 4));
    println!(
        "{rate} calls and {rate} direct answers a second for {seconds} s each, then {FLOODERS} clients without a pause for {flood} s"
    );
    let before = Machine::with_children();
    let figures = MODES.map(|mode| measure(mode, rate, seconds, flood));
    Machine::with_children().report_since(&before);
    report(&figures)
}

fn measure((name, keys, targets): Mode, rate: u32, seconds: u32, flood_seconds: u32) -> Figures {
    let config = format!(
        "[functions.nothing]\nlibrary = \"./libbench.so\"\nprototype = \"int nothing(void)\"\n{keys}\n\
         traits = [\"reusable\", \"threadsafe\"]\nqueue = {{ length = 10000 }}\n\
         [[routes]]\npath = \"/call\"\ncall = \"nothing\"\n\
         [[routes]]\npath = \"/respond\"\nrespond = {{ body = \"0\" }}\n"
    );
    let cofferdam = Cofferdam::start(NOTHING, &config);
    let (pid, address) = (cofferdam.pid(), cofferdam.address);
    drive(address, ["/call"; 2], rate, 1, is_taken);
    let direct_cpu = cpu_of(pid, || drive(address, ["/respond"; 2], rate, 2, is_taken));
    let mut spreads = None;
    let both_cpu = cpu_of(pid, || {
        let [direct, called] = drive(address, ["/respond", "/call"], rate, seconds, is_taken);
        spreads = Some([direct.clone(), called.clone()]);
        [direct, called]
    });
    let [direct, called] = spreads.unwrap();
    let added = [50.0, 99.0].map(|p| ms(called.percentile(p)) - ms(direct.percentile(p)));
    let flood = match name {
        "detached" => [f64::NAN; 2],
        _ => {
            let taken = flood(address, "/call", FLOODERS, flood_seconds);
            [taken.count() as f64 / f64::from(flood_seconds), ms(taken.percentile(50.0))]
        }
    };
    Figures { name, targets, added, flood, cpu: both_cpu * 2.0 - direct_cpu }
}

/// Milliseconds of CPU for one answer: the proxy's own, its workers that have ended, and those that live.
fn cpu_of(pid: u32, run: impl FnOnce() -> [Spread; 2]) -> f64 {
    let used = || {
        let cpu = kernel::cpu(pid);
        let living = kernel::children(pid).into_iter().map(kernel::scheduled).sum::<Duration>();
        ms(cpu.own + cpu.children + living)
    };
    let before = used();
    let answers: usize = run().iter().map(Spread::count).sum();
    (used() - before) / answers as f64
}

/// A detached call is accepted, the others have run.
fn is_taken(status: u16, _: &str) -> bool {
    [200, 202].contains(&status)
}

fn report(figures: &[Figures]) -> ExitCode {
    println!(
        "\n| mode | added p50, ms | added p99, ms | CPU of a call, ms | calls/s | p50 meanwhile, ms |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for Figures { name, added: [p50, p99], flood: [rate, median], cpu, .. } in figures {
        let flood =
            if rate.is_nan() { "| |".to_owned() } else { format!("{rate:.0} | {median:.3}") };
        println!("| {name} | {p50:.3} | {p99:.3} | {cpu:.3} | {flood} |");
    }
    println!();
    let mut limits = Limits::default();
    for figures in figures {
        let Figures { name, targets: [p50, p99, rate, cpu], .. } = figures;
        let most = [
            (p50, "added p50", figures.added[0]),
            (p99, "added p99", figures.added[1]),
            (cpu, "CPU of a call", figures.cpu),
        ];
        for (limit, what, value) in most {
            if let Some(limit) = limit {
                limits.at_most(&format!("{name}: {what}"), value, *limit, "ms");
            }
        }
        if let Some(limit) = rate {
            limits.at_least(&format!("{name}: calls a second"), figures.flood[0], *limit, "");
        }
    }
    limits.verdict()
}
