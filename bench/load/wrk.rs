//! `wrk`. Its percentiles are corrected for requests that waited for a slow one before them.

use std::process::Command;
use std::time::Duration;

use super::{Answers, Order};

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/load/figures.lua");

pub fn arguments(command: &mut Command, order: &Order<'_>) {
    let case = order.case;
    command.arg("--threads").arg(case.workers.to_string());
    command.arg("--connections").arg(case.connections.to_string());
    command.arg("--duration").arg(format!("{}s", order.seconds));
    // A slow answer shows in the percentiles; it is no failure before this.
    command.args(["--timeout", "10s", "--script", FIGURES]);
    if case.mode.is_new() {
        command.args(["--header", "Connection: close"]);
    }
}

/// `None` where anything went wrong.
pub fn read(said: &str, order: &Order<'_>) -> Option<Answers> {
    let line = said.lines().find_map(|line| line.strip_prefix("figures "))?;
    let numbers: Vec<u64> = line.split(' ').map_while(|number| number.parse().ok()).collect();
    let [count, duration, bytes, p50, p99, ref errors @ ..] = numbers[..] else { return None };
    let whole = bytes >= count * order.case.body.size() as u64;
    let fine = count > 0 && whole && errors.len() == 5 && errors.iter().all(|number| *number == 0);
    let count = order.worth(count as f64, bytes as f64);
    fine.then(|| Answers {
        count,
        rate: count / Duration::from_micros(duration).as_secs_f64(),
        p50: Duration::from_micros(p50),
        p99: Duration::from_micros(p99),
    })
}
