//! Each way to run a call against what its users have today, in turns: nginx with fcgiwrap (a program for each call), nginx
//! with uWSGI's symcall (a C function in kept processes), gunicorn's dirty arbiters (kept processes beside the app). One
//! empty C function, the same clients. `cargo bench --bench classes [-- --seconds N --rounds N --strict]`

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a measurement ends by panicking"
)]

mod contenders;
mod support;

use std::process::ExitCode;
use std::time::Duration;

use contenders::{CLASSES, Contender, Running};
use support::client::flood;
use support::kernel::Machine;
use support::report::{Limits, ms, option};

/// More than there are cores: there is always something to do.
const CLIENTS: usize = 8;

/// What one of them did in one round, or the median of its rounds.
#[derive(Clone, Copy)]
struct Figures {
    /// Answers a second.
    rate: f64,
    /// Milliseconds.
    p50: f64,
    /// Milliseconds.
    p99: f64,
    /// Milliseconds of CPU for one call, of all its processes.
    cpu: f64,
}

fn main() -> ExitCode {
    let (seconds, rounds) = (option("seconds", 3), option("rounds", 3));
    println!("{CLIENTS} clients without a pause, the median of {rounds} rounds of {seconds} s\n");
    let before = Machine::with_children();
    let mut ratios = Vec::new();
    println!("| class | who | calls/s | p50, ms | p99, ms | CPU of a call, ms |");
    println!("|---|---|---:|---:|---:|---:|");
    for (class, peer, ours) in CLASSES {
        match peer.missing() {
            Some(what) => println!("skipped: {class}: {what}"),
            None => ratios.extend(compare(class, peer, ours, (seconds, rounds))),
        }
    }
    println!();
    Machine::with_children().report_since(&before);
    let mut limits = Limits::default();
    for (name, ratio) in ratios {
        limits.at_least(&name, ratio, 1.0, "times as many");
    }
    limits.verdict()
}

/// Prints a class, and tells how many times as many calls a second each of ours runs.
fn compare(
    class: &str,
    peer: Contender,
    ours: &[Contender],
    (seconds, rounds): (u32, u32),
) -> Vec<(String, f64)> {
    let all: Vec<Contender> = [peer].into_iter().chain(ours.iter().copied()).collect();
    let mut taken = vec![Vec::new(); all.len()];
    for _ in 0..rounds {
        for (contender, taken) in all.iter().zip(&mut taken) {
            taken.push(round(&contender.start(), seconds));
        }
    }
    let figures: Vec<Figures> = taken.into_iter().map(median).collect();
    for (contender, Figures { rate, p50, p99, cpu }) in all.iter().zip(&figures) {
        let name = contender.name();
        println!("| {class} | {name} | {rate:.0} | {p50:.3} | {p99:.3} | {cpu:.3} |");
    }
    let peers_rate = figures[0].rate;
    let against = |contender: &Contender| {
        format!("{}: calls a second, against {}", contender.name(), peer.name())
    };
    let ratios = figures[1..].iter().map(|figures| figures.rate / peers_rate);
    ours.iter().map(against).zip(ratios).collect()
}

fn round(running: &Running, seconds: u32) -> Figures {
    flood(running.address, "/call", CLIENTS, 1);
    let before = running.cpu();
    let taken = flood(running.address, "/call", CLIENTS, seconds);
    let cpu: Duration = running.cpu() - before;
    Figures {
        rate: taken.count() as f64 / f64::from(seconds),
        p50: ms(taken.percentile(50.0)),
        p99: ms(taken.percentile(99.0)),
        cpu: ms(cpu) / taken.count() as f64,
    }
}

/// Of each figure by itself.
fn median(rounds: Vec<Figures>) -> Figures {
    let of = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Figures { rate: of(|f| f.rate), p50: of(|f| f.p50), p99: of(|f| f.p99), cpu: of(|f| f.cpu) }
}
