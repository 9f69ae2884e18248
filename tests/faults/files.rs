//! A library that is replaced, or cut short, while it is in use.

use super::ground::Stage;
use crate::calls::ground::{logged, problem};
use crate::calls::swapped::Swapped;
use crate::support::http;

#[test]
fn a_library_that_was_cut_short_ends_workers_only() {
    for mode in ["process", "pool"] {
        let swapped = Swapped::new();
        let keys = format!("mode = \"{mode}\"\nspares = 1");
        let stage = Stage::new(mode, "", &[swapped.function("f", &keys, "")]);
        let there = |state| stage.cofferdam.metric("cofferdam_workers", &[("state", state)]);
        eventually!(there("spare") + there("idle"), |count| *count == 1.0);
        let file = std::fs::OpenOptions::new().write(true).open(swapped.inner()).unwrap();
        file.set_len(0).unwrap();
        let answer = stage.cofferdam.get("/f");
        problem(&answer, 502, "crash");
        assert!(answer.text().contains("SIGBUS"), "{}", answer.text());
        eventually!(stage.cofferdam.get("/f").reason(), |reason| reason == "load_failed");
        assert_eq!(stage.cofferdam.get("/pong").text(), "pong\n");
        swapped.becomes("mild");
        eventually!(stage.cofferdam.get("/f").status, |status| *status == 200);
        assert!(stage.cofferdam.stop().success());
    }
}

#[test]
fn a_library_that_was_replaced_is_one_version_or_the_other() {
    let swapped = Swapped::new();
    let stage = Stage::new("process", "", &[swapped.function("f", "spares = 2", "")]);
    eventually!(stage.cofferdam.metric("cofferdam_workers", &[("state", "spare")]), |count| {
        *count == 2.0
    });
    swapped.becomes("exit3");
    let is_old = |answer: http::Response| match answer.status {
        200 => true,
        _ => {
            problem(&answer, 502, "exit");
            false
        }
    };
    // The spares have the old one; whoever has begun with the new one stays with it.
    let mut seen = (0..20).map(|_| is_old(stage.cofferdam.get("/f")));
    assert_eq!(seen.next(), Some(true));
    assert!(seen.skip(4).all(|is_old| !is_old));
    assert!(stage.cofferdam.stop().success());
}

#[test]
fn a_constructor_that_exits_is_a_failed_load() {
    let swapped = Swapped::new();
    let stage = Stage::new("process", "", &[swapped.function("f", "", "")]);
    swapped.becomes("exit_constructor");
    let id = problem(&stage.cofferdam.get("/f"), 503, "load_failed");
    logged(&stage.cofferdam, &id, "exited with status 0 while the library was loaded");
    stage.ends_well();
}
