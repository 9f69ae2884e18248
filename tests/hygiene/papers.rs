//! The tables of `docs/http.md` are true.

use super::{Stage, bytes};
use crate::support::{Answer, Cofferdam, Upstream};

const DOCS: &str = include_str!("../../docs/http.md");

/// The examples of a section's table, with their status.
fn rows(section: &str) -> Vec<(String, u16)> {
    let (_, rest) = DOCS.split_once(&format!("## {section}\n")).unwrap();
    let text = rest.split("\n## ").next().unwrap();
    let row = |line: &str| {
        let [_, _, example, status, _] = line.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let example = example.strip_prefix('`')?.strip_suffix('`')?;
        let example = example.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0");
        Some((example, status.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn the_requests_that_the_papers_refuse_are_refused() {
    let rows = rows("Requests that are refused");
    assert!(rows.len() > 20, "{rows:?}");
    let stage = Stage::new();
    for (request, status) in rows {
        stage.refuses(status, &request);
    }
}

#[test]
fn the_answers_that_the_papers_refuse_are_refused() {
    let rows = rows("Answers that are refused");
    assert!(rows.len() > 5, "{rows:?}");
    for (answer, status) in rows {
        let upstream = Upstream::builder().fallback(Answer::raw(bytes(&answer))).start();
        let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
        let told = cofferdam.get("/");
        assert_eq!((told.status, told.reason().as_str()), (status, "upstream_reset"), "{answer:?}");
    }
}
