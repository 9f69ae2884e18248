//! The figures as tables of Markdown, each also as a ratio to nginx, and where they stand in the papers.

use std::fmt::Write;
use std::fs;

use crate::matrix::Mode;
use crate::rounds::{Figures, Outcome};

/// What all others are compared with.
pub const BASE: &str = "nginx";
const PAPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
const BEGIN: &str = "<!-- proxies: written by the benchmark -->\n";
const END: &str = "<!-- proxies: end -->\n";

/// The head over [`rows`].
pub fn head() -> String {
    "| case | proxy | requests/s | p50 ms | p99 ms | CPU µs/request | memory MiB | others |\n\
     |---|---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned()
}

/// A row for each proxy of a case.
pub fn rows(outcome: &Outcome) -> String {
    let base = outcome.of(BASE);
    let mut text = String::new();
    for (name, figures) in &outcome.peers {
        let cells = match figures {
            Ok(figures) => cells(figures, base.filter(|_| name != BASE)),
            Err(_) => "FAILED | | | |".to_owned(),
        };
        let (case, others) = (outcome.case, outcome.others);
        writeln!(text, "| {case} | {name} | {cells} | {others:.0} % |").unwrap();
    }
    text
}

fn cells(own: &Figures, base: Option<&Figures>) -> String {
    let cell = |figure: fn(&Figures) -> f64, digits: usize| {
        let ratio = base.map(|base| format!(" ({:.2}×)", figure(own) / figure(base)));
        format!("{:.digits$}{}", figure(own), ratio.unwrap_or_default())
    };
    [
        cell(|own| own.rate, 0),
        cell(|own| own.p50, 3),
        cell(|own| own.p99, 3),
        cell(|own| own.cpu, 1),
        cell(|own| own.memory, 1),
    ]
    .join(" | ")
}

/// Puts `note` and all tables between their marks in `docs/benchmarks.md`.
pub fn write(note: &str, outcomes: &[Outcome]) {
    let paper = fs::read_to_string(PAPER).unwrap();
    let (before, rest) = paper.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut text = format!("{before}{BEGIN}\n{note}\n");
    for mode in Mode::ALL {
        let of_mode = outcomes.iter().filter(|outcome| outcome.case.mode == mode);
        let rows: String = of_mode.map(rows).collect();
        if !rows.is_empty() {
            write!(text, "### {}\n\n{}{rows}\n", mode.title(), head()).unwrap();
        }
    }
    fs::write(PAPER, text + END + after).unwrap();
}
