//! What is printed: figures in a table of Markdown, and which limits they keep.

use std::process::ExitCode;
use std::time::Duration;

use cofferdam::app::demo::spread::Spread;

/// The limits seen so far.
#[derive(Default)]
pub struct Limits {
    missed: usize,
}

impl Limits {
    /// Prints whether `value` is at most `limit`.
    pub fn at_most(&mut self, name: &str, value: f64, limit: f64, unit: &str) {
        self.note(value <= limit, &format!("{name}: {value:.3} {unit}, limit {limit} {unit}"));
    }

    /// Prints whether `value` is at least `limit`.
    pub fn at_least(&mut self, name: &str, value: f64, limit: f64, unit: &str) {
        self.note(value >= limit, &format!("{name}: {value:.3} {unit}, at least {limit} {unit}"));
    }

    fn note(&mut self, kept: bool, words: &str) {
        self.missed += usize::from(!kept);
        let word = if kept { "met   " } else { "MISSED" };
        println!("{word}  {words}");
    }

    /// A failure only under `--strict`.
    pub fn verdict(&self) -> ExitCode {
        let strict = std::env::args().any(|argument| argument == "--strict");
        if strict && self.missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// The number after `--NAME`, or `default`.
pub fn option(name: &str, default: u32) -> u32 {
    let mut arguments =
        std::env::args().skip_while(|argument| argument.trim_start_matches("--") != name);
    arguments.nth(1).map_or(default, |value| value.parse().unwrap())
}

/// A row of latencies in milliseconds.
pub fn row(name: &str, spread: &Spread) {
    let cells = [50.0, 90.0, 99.0, 99.9, 100.0].map(|percent| ms(spread.percentile(percent)));
    let [p50, p90, p99, p999, max] = cells;
    println!(
        "| {name:<28} | {p50:>8.3} | {p90:>8.3} | {p99:>8.3} | {p999:>8.3} | {max:>8.3} | {:>7} |",
        spread.count()
    );
}

/// The head over [`row`].
pub fn head() {
    println!("| {:<28} | p50 ms   | p90 ms   | p99 ms   | p99.9 ms | max ms   | answers |", "");
    println!("|{:-<30}|---------:|---------:|---------:|---------:|---------:|--------:|", "");
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
