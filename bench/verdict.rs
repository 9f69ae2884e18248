//! What the figures must keep: ahead of nginx and not behind HAProxy where it counts most, far behind nginx nowhere.

use std::process::ExitCode;

use crate::matrix::FIRST;
use crate::peers::{Peer, Program};
use crate::rounds::{Figures, Outcome};
use crate::support::report::Limits;
use crate::table::BASE;

/// Requests/s in any case, as a ratio to nginx.
const LEAST: f64 = 0.9;

/// Prints the limits. A missed one is a failure under `--strict`.
pub fn of(outcomes: &[Outcome], peers: &[Peer]) -> ExitCode {
    let ours = peers.iter().find(|peer| matches!(peer.program, Program::Cofferdam(..)));
    let mut limits = Limits::default();
    if let Some(ours) = ours {
        first(outcomes, &ours.name, &mut limits);
        everywhere(outcomes, &ours.name, &mut limits);
    }
    limits.verdict()
}

/// Prints what went wrong, and how many times.
pub fn failures(outcomes: &[Outcome]) -> usize {
    let failed = outcomes.iter().flat_map(|outcome| {
        outcome.peers.iter().filter_map(|(name, figures)| {
            Some(format!("{name}, {}:\n{}", outcome.case, figures.as_ref().err()?))
        })
    });
    failed.inspect(|failure| println!("\nFAILED  {failure}")).count()
}

fn first(outcomes: &[Outcome], ours: &str, limits: &mut Limits) {
    let outcome = outcomes.iter().find(|outcome| outcome.case == FIRST);
    let Some((outcome, own)) = outcome.and_then(|found| Some((found, found.of(ours)?))) else {
        println!("not measured: {ours}, {FIRST}");
        return;
    };
    for (peer, cpu, rate) in [(BASE, 0.90, 1.02), ("haproxy", 1.0, 1.0)] {
        let Some(other) = outcome.of(peer) else { continue };
        let ratio = |figure: fn(&Figures) -> f64| figure(own) / figure(other);
        let unit = format!("× {peer}");
        limits.at_most(&format!("{FIRST}: CPU of a request"), ratio(|of| of.cpu), cpu, &unit);
        limits.at_least(&format!("{FIRST}: requests/s"), ratio(|of| of.rate), rate, &unit);
        limits.at_most(&format!("{FIRST}: p99"), ratio(|of| of.p99), 1.0, &unit);
    }
}

/// The worst case, and each other one that is below the limit.
fn everywhere(outcomes: &[Outcome], ours: &str, limits: &mut Limits) {
    let ratio = |outcome: &Outcome| Some(outcome.of(ours)?.rate / outcome.of(BASE)?.rate);
    let ratios = outcomes.iter().filter_map(|outcome| Some((ratio(outcome)?, outcome.case)));
    let mut ratios: Vec<_> = ratios.collect();
    ratios.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let unit = format!("× {BASE}");
    let low = ratios.iter().skip(1).take_while(|(ratio, _)| *ratio < LEAST);
    for (ratio, case) in ratios.first().into_iter().chain(low) {
        limits.at_least(&format!("{case}: requests/s"), *ratio, LEAST, &unit);
    }
}
