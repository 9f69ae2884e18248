//! An event loop that is held: told while it is, by a thread that is not, and counted once.

use crate::calls::ground::{ask, function, of, start_with};
use crate::support::{Cofferdam, quiet};

/// One loop, and two functions that hold it.
fn start() -> Cofferdam {
    let inline = |name: &str, symbol: &str| {
        let traits = "traits = [\"reusable\", \"threadsafe\"]";
        let keys = format!(
            "mode = \"inline\"\n{traits}\nprototype = \"int {symbol}(int ms)\"\narguments = {{ ms = 1500 }}"
        );
        function(name, "times", &keys, "")
    };
    start_with(
        "[server]\nworkers = 1\n[accounting]\nstall_after = \"400ms\"\n",
        &[inline("sleeps", "sleep_ms"), inline("spins", "spin_ms")],
    )
}

fn stalls(cofferdam: &Cofferdam) -> f64 {
    cofferdam.metric("cofferdam_event_loop_stalls_total", &[("worker", "0")])
}

#[test]
fn it_is_told_while_it_lasts_with_the_system_call_and_counted_once() {
    let _alone = quiet::alone();
    let cofferdam = start();
    for (path, function, what, total) in
        [("/sleeps", "sleeps", "is in clock_nanosleep", 1.0), ("/spins", "spins", "computes", 2.0)]
    {
        let asked = ask(&cofferdam, path);
        let tells =
            |line: &String| line.contains("event loop 0 is held, for") && line.contains(what);
        eventually!(cofferdam.stderr(), |lines| lines.iter().any(tells));
        assert_eq!(stalls(&cofferdam), total);
        assert_eq!(of(&cofferdam, "workers", function, &[("state", "busy")]), 1.0);
        assert!(!asked.is_finished(), "it was told when it was over");
        assert_eq!(asked.join().unwrap().status, 200);
        let over = |line: &String| {
            line.contains("event loop 0 was held for") && !line.contains("ms: every")
        };
        eventually!(cofferdam.stderr(), |lines| lines.iter().filter(|l| over(l)).count() as f64
            == total);
        assert_eq!(stalls(&cofferdam), total, "counted by both who saw it");
    }
    let told: Vec<_> =
        cofferdam.stderr().into_iter().filter(|l| l.contains("is held, for")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let waits = "\"wait_channel\":\"hrtimer_nanosleep\"";
    assert!(told[0].contains("\"syscall\":\"clock_nanosleep\""), "{told:?}");
    if !told[0].contains(waits) {
        assert!(!told[0].contains("wait_channel"), "the kernel says nothing else: {told:?}");
    }
    assert!(!told[1].contains("\"syscall\""), "{told:?}");
}
