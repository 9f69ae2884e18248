//! `max_concurrency`: calls within it run at once, never more of them, and a slot counted free is free.

use std::time::Duration;

use super::gates::Gates;
use super::ground::{Calm, ask, calls, function, of, start};
use crate::support::load::{at_once, meanwhile};
use crate::support::{http, quiet};

const SLEEP: &str =
    "prototype = \"int sleep_ms(int ms)\"\narguments = { ms = { query = \"ms\" } }\n";

#[test]
fn calls_within_the_limit_take_as_long_as_one() {
    let _alone = quiet::alone();
    let keys = format!("{SLEEP}max_concurrency = 20");
    let cofferdam = start(&[function("sleep", "times", &keys, "")]);
    let calm = Calm::of(&cofferdam);
    let addr = cofferdam.addr();
    let (answers, elapsed) = at_once(20, move |_| http::get(addr, "/sleep?ms=700"));
    assert!(answers.iter().all(|answer| answer.text() == "0\n"), "{answers:?}");
    assert!(elapsed >= Duration::from_millis(700), "{elapsed:?}");
    assert!(elapsed < Duration::from_millis(1400), "{elapsed:?}");
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "sleep", "ok"), 20.0);
}

#[test]
fn there_are_never_more_workers_than_slots() {
    let keys = format!("{SLEEP}max_concurrency = 3");
    let cofferdam = start(&[function("sleep", "times", &keys, "")]);
    let calm = Calm::of(&cofferdam);
    let addr = cofferdam.addr();
    let crowd = move || at_once(24, move |_| http::get(addr, "/sleep?ms=40")).0;
    let look = || {
        let now = cofferdam.metrics();
        let number = |name: &str, labels: &[(&str, &str)]| now.metric(name, labels);
        let slots = number("cofferdam_slots_in_use", &[]);
        let busy = number("cofferdam_workers", &[("state", "busy")]);
        (cofferdam.workers().len(), slots, busy)
    };
    let (answers, looks) = meanwhile(Duration::from_millis(1), crowd, look);
    assert!(answers.iter().all(|answer| answer.text() == "0\n"), "{answers:?}");
    assert!(looks.iter().all(|look| look.0 <= 3 && look.1 <= 3.0 && look.2 <= 3.0), "{looks:?}");
    assert!(looks.iter().any(|look| look.1 == 3.0), "never full: {looks:?}");
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "sleep", "ok"), 24.0);
}

#[test]
fn what_runs_and_what_waits_can_be_seen_while_it_does() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 2\nqueue = { length = 7, timeout = \"off\" }");
    let cofferdam = start(&[function("f", "gate", &keys, "")]);
    let calm = Calm::of(&cofferdam);
    let now = cofferdam.metrics();
    let gauge = |name: &str| of(&cofferdam, name, "f", &[]);
    assert_eq!((gauge("slots"), gauge("slots_in_use"), gauge("queue_limit")), (2.0, 0.0, 7.0));
    assert_eq!(now.metric("cofferdam_queue_oldest_age_seconds", &[]), 0.0);

    let running: Vec<_> = (1..=2).map(|mark| ask(&cofferdam, &format!("/f?mark={mark}"))).collect();
    let inside = [gates.next(), gates.next()];
    eventually!((gauge("slots_in_use"), gauge("queue_depth")), |now| *now == (2.0, 0.0));
    let waiting: Vec<_> = (3..=5).map(|mark| ask(&cofferdam, &format!("/f?mark={mark}"))).collect();
    eventually!((gauge("slots_in_use"), gauge("queue_depth")), |now| *now == (2.0, 3.0));
    assert_eq!(of(&cofferdam, "workers", "f", &[("state", "busy")]), 2.0);
    grows_by(&cofferdam, "queue_oldest_age_seconds", 1.0);
    grows_by(&cofferdam, "slot_busy_seconds_total", 2.0);

    inside.into_iter().for_each(super::gates::Inside::release);
    (0..3).for_each(|_| gates.next().release());
    running
        .into_iter()
        .chain(waiting)
        .for_each(|call| assert_eq!(call.join().unwrap().status, 200));
    calm.returns(&cofferdam);
    assert_eq!(gauge("queue_oldest_age_seconds"), 0.0);
    let granted = [("outcome", "granted")];
    assert_eq!(of(&cofferdam, "queue_wait_seconds_count", "f", &granted), 5.0);
}

/// A number grows by `rate` a second while nothing changes.
#[track_caller]
fn grows_by(cofferdam: &crate::support::Cofferdam, metric: &str, rate: f64) {
    let look = || {
        let before = std::time::Instant::now();
        let value = of(cofferdam, metric, "f", &[]);
        (before, value, std::time::Instant::now())
    };
    let first = look();
    eventually!(look().1, |value| *value >= first.1 + 0.2 * rate);
    let last = look();
    let least = (last.0 - first.2).as_secs_f64() * rate;
    let most = (last.2 - first.0).as_secs_f64() * rate;
    let grown = last.1 - first.1;
    assert!((least - 0.001..=most + 0.001).contains(&grown), "{least} ≤ {grown} ≤ {most}");
}
