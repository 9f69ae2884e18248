//! A library that is replaced, or cut short, while it is in use.

use super::ground::{Stage, refused};
use crate::calls::ground::problem;
use crate::calls::swapped::Swapped;

#[test]
fn a_library_that_was_cut_short_ends_workers_only() {
    for (mode, keys) in super::ground::MODES {
        let swapped = Swapped::new();
        let keys = format!("{keys}\nspares = 1");
        let stage = Stage::new(mode, "", &[swapped.function("f", &keys, "")]);
        let spares = || stage.cofferdam.metric("cofferdam_workers", &[("state", "spare")]);
        eventually!(spares(), |count| *count == 1.0);
        let file = std::fs::OpenOptions::new().write(true).open(swapped.path()).unwrap();
        file.set_len(0).unwrap();
        let answer = stage.cofferdam.get("/f");
        problem(&answer, refused("crash", "").status, "crash");
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
    for (mode, keys) in super::ground::MODES {
        let swapped = Swapped::new();
        let keys = format!("{keys}\nspares = 2");
        let stage = Stage::new(mode, "", &[swapped.function("f", &keys, "")]);
        eventually!(stage.cofferdam.metric("cofferdam_workers", &[("state", "spare")]), |count| {
            *count == 2.0
        });
        swapped.becomes("exit3");
        let mut seen =
            (0..20).map(|_| stage.cofferdam.get("/f")).map(|answer| match answer.status {
                200 => true,
                _ => {
                    problem(&answer, 502, "exit");
                    false
                }
            });
        // The spares have the old one; whoever has begun with the new one stays with it.
        assert_eq!(seen.next(), Some(true));
        assert!(seen.skip(4).all(|is_old| !is_old));
        assert!(stage.cofferdam.stop().success());
    }
}
