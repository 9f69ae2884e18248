//! `h2load`. It tells no percentiles, so they are taken from its log, a line `START STATUS MICROSECONDS` for each answer.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cofferdam::app::demo::spread::Spread;

use super::{Answers, Order};

pub fn arguments(command: &mut Command, order: &Order<'_>) {
    let case = order.case;
    // It adds to a log that it finds.
    let _ = fs::remove_file(log(order));
    command.arg(format!("--threads={}", case.workers));
    command.arg(format!("--clients={}", case.connections));
    command.arg(format!("--max-concurrent-streams={}", case.body.streams()));
    command.arg(format!("--duration={}", order.seconds));
    command.arg(format!("--log-file={}", log(order).display()));
}

fn log(order: &Order<'_>) -> PathBuf {
    order.folder.join("h2load.log")
}

/// `None` where anything went wrong.
pub fn read(said: &str, order: &Order<'_>) -> Option<Answers> {
    let number = |word: &str| number_before(said, word);
    let wrong = ["failed", "errored", "timeout", "3xx", "4xx", "5xx"];
    let wrong = wrong.iter().map(|word| number(word)).sum::<Option<f64>>()?;
    let (count, bytes) = (number("succeeded")?, bytes_of_bodies(said)?);
    let whole = bytes >= count * order.case.body.size() as f64;
    let http2 = said.contains("Application protocol: h2");
    let times = times(&fs::read_to_string(log(order)).ok()?)?;
    let count = order.worth(count, bytes);
    (wrong == 0.0 && whole && http2).then(|| Answers {
        count,
        rate: count / f64::from(order.seconds),
        p50: times.percentile(50.0),
        p99: times.percentile(99.0),
    })
}

/// The number before a word: `43504 succeeded, 0 failed`.
fn number_before(said: &str, word: &str) -> Option<f64> {
    let (before, _) = said.split_once(&format!(" {word}"))?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Of a line `traffic: … 424.84MB (445480960) data`.
fn bytes_of_bodies(said: &str) -> Option<f64> {
    let (before, _) = said.split_once(") data")?;
    before.rsplit('(').next()?.parse().ok()
}

/// `None` where one is no success.
fn times(log: &str) -> Option<Spread> {
    let time = |line: &str| {
        let mut fields = line.split('\t').skip(1);
        let (status, taken) = (fields.next()?, fields.next()?);
        (status == "200").then_some(Duration::from_micros(taken.parse().ok()?))
    };
    Spread::of(log.lines().map(time).collect::<Option<_>>()?)
}
