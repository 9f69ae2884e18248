//! At a limit the client is answered first; then the whole group dies, within `kill_grace`.

use std::time::{Duration, Instant};

use super::gates::Gates;
use super::ground::{
    Calm, ask, beside_a_neighbour, calls, detail, function, logged, of, problem, start,
};
use crate::support::http::{self, Connection};
use crate::support::{Cofferdam, process};

const LIMIT: Duration = Duration::from_millis(300);
/// What a busy machine may add to a limit.
const SLACK: Duration = Duration::from_millis(500);

/// The function `f`, called beside a neighbour: 504 at the limit, and what that says.
#[track_caller]
fn is_cut(cofferdam: &Cofferdam) -> String {
    let answer = beside_a_neighbour(cofferdam, |addr| http::get(addr, "/f"));
    let id = problem(&answer, 504, "timeout");
    assert!((LIMIT..LIMIT + SLACK).contains(&answer.elapsed), "{:?}", answer.elapsed);
    logged(cofferdam, &id, "\"reason\":\"timeout\"");
    detail(&answer)
}

#[track_caller]
fn kills(cofferdam: &Cofferdam, cause: &str, signal: &str) -> f64 {
    of(cofferdam, "worker_kills_total", "f", &[("cause", cause), ("signal", signal)])
}

#[test]
fn an_endless_loop_is_over_at_its_limit() {
    let cofferdam = start(&[function("f", "loop", "timeout = \"300ms\"", "")]);
    let calm = Calm::of(&cofferdam);
    assert_eq!(is_cut(&cofferdam), "the call did not end within 0.3 s");
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "timeout"), 1.0);
    assert_eq!(kills(&cofferdam, "timeout", "SIGTERM"), 1.0);
    assert_eq!(kills(&cofferdam, "grace", "SIGKILL"), 0.0);
    assert_eq!(of(&cofferdam, "worker_exits_total", "f", &[("reason", "killed")]), 1.0);
}

/// `fixture` does not feel SIGTERM: it lives on for `kill_grace`, and not much longer.
#[track_caller]
fn is_killed_after_its_grace(fixture: &str) {
    let keys = "timeout = \"300ms\"\nkill_grace = \"400ms\"";
    let cofferdam = start(&[function("f", fixture, keys, "")]);
    let calm = Calm::of(&cofferdam);
    let began = Instant::now();
    is_cut(&cofferdam);
    let workers = cofferdam.workers();
    if began.elapsed() < LIMIT + Duration::from_millis(400) {
        assert_eq!(workers.len(), 1, "it should still have its grace");
    }
    process::no_process_left(&workers, Duration::from_millis(400) + SLACK);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "timeout"), 1.0);
    assert_eq!(kills(&cofferdam, "timeout", "SIGTERM"), 1.0);
    assert_eq!(kills(&cofferdam, "grace", "SIGKILL"), 1.0);
    assert_eq!(of(&cofferdam, "worker_exits_total", "f", &[("reason", "killed")]), 1.0);
}

#[test]
fn a_library_that_ignores_sigterm_is_killed_after_its_grace() {
    is_killed_after_its_grace("ignore_term");
}

#[test]
fn a_library_that_stops_itself_is_killed_after_its_grace() {
    is_killed_after_its_grace("stop");
}

#[test]
fn a_stream_is_cut_at_the_limit_of_its_call() {
    let gates = Gates::open();
    let keys = "handler = \"gated\"\ntimeout = \"300ms\"";
    let cofferdam = start(&[function("f", "gate", keys, "")]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get(&format!("/f?{}", gates.port()));
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "before\n", false));
    assert!((LIMIT..LIMIT + SLACK).contains(&answer.elapsed), "{:?}", answer.elapsed);
    let inside = gates.next();
    eventually!(inside.is_gone());
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "timeout"), 1.0);
}

#[test]
fn the_limit_of_the_route_ends_a_call_as_well() {
    let gates = Gates::open();
    let cofferdam = start(&[function("f", "gate", &gates.keys(""), "timeout = \"300ms\"")]);
    let calm = Calm::of(&cofferdam);
    is_cut(&cofferdam);
    let inside = gates.next();
    eventually!(inside.is_gone());
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "timeout"), 1.0);
    assert_eq!(of(&cofferdam, "calls_total", "f", &[]), 1.0);
}

#[test]
fn the_limit_of_the_route_counts_the_wait_in_the_queue() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1");
    let cofferdam = start(&[function("f", "gate", &keys, "timeout = \"900ms\"")]);
    let calm = Calm::of(&cofferdam);
    let mut first = Connection::open(cofferdam.addr()).unwrap();
    first.send(&http::encode("GET", "/f?mark=1", &[], b"")).unwrap();
    let inside = gates.next();
    let second = ask(&cofferdam, "/f?mark=2");
    eventually!(of(&cofferdam, "queue_oldest_age_seconds", "f", &[]), |age| *age > 0.4);
    inside.release();
    let inside = gates.next();
    assert_eq!(inside.mark, 2);
    let answer = second.join().unwrap();
    problem(&answer, 504, "timeout");
    let limit = Duration::from_millis(900);
    assert!((limit..limit + SLACK).contains(&answer.elapsed), "{:?}", answer.elapsed);
    assert_eq!(first.response("GET").unwrap().text(), "1\n");
    drop(first);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "timeout"), 1.0);
}

#[test]
fn a_wait_in_the_queue_ends_at_the_limit_of_the_route_without_a_worker() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1");
    let held = function("f", "gate", &keys, "timeout = \"300ms\"\npath = \"/f\"");
    let free = "\n[[routes]]\nname = \"free\"\npath = \"/free\"\ncall = \"f\"\n\n".to_owned();
    let cofferdam = start(&[held, free]);
    let calm = Calm::of(&cofferdam);
    let free = ask(&cofferdam, "/free?mark=1");
    let inside = gates.next();
    let answer = cofferdam.get("/f?mark=2");
    problem(&answer, 504, "timeout");
    assert!((LIMIT..LIMIT + SLACK).contains(&answer.elapsed), "{:?}", answer.elapsed);
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |n| *n == 0.0);
    inside.release();
    assert_eq!(free.join().unwrap().text(), "1\n");
    calm.returns(&cofferdam);
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[]), 1.0);
    let waits = |outcome| of(&cofferdam, "queue_wait_seconds_count", "f", &[("outcome", outcome)]);
    assert_eq!((waits("granted"), waits("timeout"), waits("left")), (1.0, 1.0, 0.0));
}
