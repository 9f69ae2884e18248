//! A library that does not come back: 504 at its limit, dead within `kill_grace`, its slot free.

use std::time::{Duration, Instant};

use super::ground::{AT_ONCE, Stage, fault, fine, in_each_mode, late};
use crate::calls::ground::of;

const LIMIT: Duration = Duration::from_millis(300);
const GRACE: Duration = Duration::from_millis(200);

/// A symbol, and whether SIGTERM ends it.
const HANGS: [(&str, bool); 6] = [
    ("sleeps", true),
    ("deadlocks", true),
    ("loops", true),
    ("stops", false),
    ("ignores", false),
    ("waits_for_a_vfork", true),
];

fn limited(keys: &str) -> String {
    format!("{keys}\ntimeout = \"300ms\"\nkill_grace = \"200ms\"\nmax_concurrency = 1")
}

#[test]
fn a_hang_is_a_timeout_and_dead_within_the_grace() {
    in_each_mode(
        |keys| HANGS.map(|(name, _)| fault("hangs", name, &limited(keys))).to_vec(),
        |stage| HANGS.iter().for_each(|(name, is_docile)| hangs(stage, name, *is_docile)),
    );
}

fn hangs(stage: &Stage, name: &str, is_docile: bool) {
    let begun = Instant::now();
    let answer = stage.call(name, late(LIMIT));
    let over = begun.elapsed();
    assert!(answer.elapsed >= LIMIT, "{name}: {:?}", answer.elapsed);
    // With the looks at what is left.
    assert!(over < LIMIT + GRACE + 2 * AT_ONCE, "{name}: its worker was there for {over:?}");
    let kills = |cause, signal| {
        let labels = [("cause", cause), ("signal", signal)];
        of(&stage.cofferdam, "worker_kills_total", name, &labels)
    };
    assert_eq!(kills("timeout", "SIGTERM"), 1.0, "{name}");
    // A process group that ends by SIGTERM needs no more.
    let killed = kills("grace", "SIGKILL");
    assert!(if is_docile { killed == 0.0 } else { killed == 1.0 }, "{name}: {killed}");
    assert_eq!(of(&stage.cofferdam, "slots_in_use", name, &[]), 0.0);
}

#[test]
fn a_byte_now_and_then_does_not_extend_the_limit() {
    in_each_mode(
        |keys| vec![fault("hangs", "drips", &limited(&format!("handler = \"drips\"\n{keys}")))],
        |stage| {
            let begun = Instant::now();
            stage.breaks("drips", "..", "timeout");
            assert!(begun.elapsed() < LIMIT + GRACE + AT_ONCE, "{:?}", begun.elapsed());
        },
    );
}

#[test]
fn a_hang_at_the_exit_holds_no_answer() {
    in_each_mode(
        |keys| vec![fault("hangs", "hangs_at_its_exit", &limited(keys))],
        |stage| drop(stage.call("hangs_at_its_exit", fine("5"))),
    );
}
