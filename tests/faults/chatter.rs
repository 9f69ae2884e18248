//! A worker that never stops to talk: its limit holds all the same, and its loop serves others.

use std::time::{Duration, Instant};

use super::ground::{AT_ONCE, fault, in_each_mode};
use crate::calls::ground::problem;
use crate::support::http;

const KEYS: &str = "timeout = \"300ms\"\nkill_grace = \"200ms\"";
const LIMIT: Duration = Duration::from_millis(300);

/// `path` is over soon after its limit; meanwhile the loop serves others.
fn ends(stage: &super::ground::Stage, path: &str) -> http::Response {
    let answer = stage.beside_a_neighbour(path).0;
    assert!(answer.elapsed >= LIMIT, "{path}: {:?}", answer.elapsed);
    assert!(answer.elapsed < LIMIT + AT_ONCE, "{path}: {:?}", answer.elapsed);
    answer
}

#[test]
fn lines_for_the_log_without_an_end() {
    in_each_mode(
        |keys| vec![fault("hangs", "chatters", &format!("handler = \"chatters\"\n{KEYS}\n{keys}"))],
        |stage| {
            problem(&ends(stage, "/chatters"), 504, "timeout");
        },
    );
}

#[test]
fn output_without_an_end() {
    in_each_mode(
        |keys| vec![fault("hangs", "prints", &format!("{KEYS}\n{keys}"))],
        |stage| {
            problem(&ends(stage, "/prints"), 504, "timeout");
        },
    );
}

#[test]
fn a_body_without_an_end() {
    in_each_mode(
        |keys| vec![fault("hangs", "pours", &format!("handler = \"pours\"\n{KEYS}\n{keys}"))],
        |stage| {
            let begun = Instant::now();
            let answer = ends(stage, "/pours");
            assert!(answer.status == 200 && !answer.complete);
            println!("{} MiB in {:?}", answer.body.len() >> 20, begun.elapsed());
        },
    );
}
