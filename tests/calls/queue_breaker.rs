//! Crash storms: after so many crashes in a row calls are refused, a few try, and it ends by itself.

use rustix::process::Signal;

use super::gates::Gates;
use super::ground::{
    Calm, ask, beside_a_neighbour, calls, detail, function, of, problem, start, starts,
};
use super::swapped::Swapped;
use crate::support::load::at_once;
use crate::support::{Cofferdam, http};

fn is_open(cofferdam: &Cofferdam) -> bool {
    of(cofferdam, "breaker_open", "f", &[]) == 1.0
}

#[track_caller]
fn opened(cofferdam: &Cofferdam, cause: &str) -> f64 {
    of(cofferdam, "breaker_opened_total", "f", &[("cause", cause)])
}

#[test]
fn a_storm_of_crashes_is_refused_and_ends_by_itself() {
    let swapped = Swapped::new();
    let keys = "breaker = { crashes = 5, for = \"300ms\" }";
    let cofferdam = start(&[swapped.function("f", keys, "")]);
    let calm = Calm::of(&cofferdam);
    swapped.becomes("segv");
    for _ in 0..5 {
        assert!(!is_open(&cofferdam));
        problem(&cofferdam.get("/f"), 502, "crash");
    }
    eventually!(is_open(&cofferdam));
    let before = starts(&cofferdam, "f");
    let answers = beside_a_neighbour(&cofferdam, |addr| {
        at_once(4, move |_| (0..50).map(|_| http::get(addr, "/f")).collect::<Vec<_>>()).0.concat()
    });
    let (refused, tried): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 503);
    for answer in &refused {
        problem(answer, 503, "breaker_open");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(detail(answer).starts_with("nothing but crashes came of the last calls of `f`"));
    }
    // One try each 300 ms at most, and starts for those only.
    tried.iter().for_each(|answer| drop(problem(answer, 502, "crash")));
    assert!(refused.len() > 150, "{} of {}", refused.len(), answers.len());
    assert_eq!(starts(&cofferdam, "f") - before, tried.len() as f64);
    assert_eq!(opened(&cofferdam, "crash"), 1.0);

    swapped.becomes("mild");
    eventually!(cofferdam.get("/f").status, |status| *status == 200);
    eventually!(!is_open(&cofferdam));
    assert_eq!(cofferdam.get("/f").status, 200);
    calm.returns(&cofferdam);
    let log = cofferdam.stderr().concat();
    assert!(
        log.contains("\"reason\":\"breaker_open\"") && log.contains("calls are run again"),
        "{log}"
    );
}

#[test]
fn the_default_lets_some_crashes_pass_and_no_storm() {
    let cofferdam = start(&[function("f", "segv", "", "")]);
    let addr = cofferdam.addr();
    for _ in 0..20 {
        problem(&cofferdam.get("/f"), 502, "crash");
    }
    let answers = at_once(8, move |_| (0..25).map(|_| http::get(addr, "/f")).collect::<Vec<_>>());
    let answers = answers.0.concat();
    let refused = answers.iter().filter(|answer| answer.reason() == "breaker_open").count();
    assert!(refused >= 100, "{refused}");
    let crashes = calls(&cofferdam, "f", "crash");
    // Those that were under way when it opened, and tries.
    assert!((50.0..=90.0).contains(&crashes), "{crashes}");
}

#[test]
fn crashes_among_answers_are_no_storm() {
    let gates = Gates::open();
    let keys = gates.keys("breaker = { crashes = 3 }");
    let cofferdam = start(&[function("f", "gate", &keys, "")]);
    for _ in 0..4 {
        for _ in 0..2 {
            let call = ask(&cofferdam, "/f");
            let _inside = gates.next();
            let worker = cofferdam.workers().pop().unwrap();
            worker.signal(Signal::ABORT);
            problem(&call.join().unwrap(), 502, "crash");
        }
        let call = ask(&cofferdam, "/f");
        gates.next().release();
        assert_eq!(call.join().unwrap().status, 200);
    }
    assert_eq!((calls(&cofferdam, "f", "crash"), opened(&cofferdam, "crash")), (8.0, 0.0));
}

#[test]
fn who_waits_when_it_opens_is_told_at_once() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1\nbreaker = { crashes = 1, for = \"1m\" }");
    let cofferdam = start(&[function("f", "gate", &keys, "")]);
    let calm = Calm::of(&cofferdam);
    let first = ask(&cofferdam, "/f");
    let _inside = gates.next();
    let waiting: Vec<_> = (0..3).map(|_| ask(&cofferdam, "/f")).collect();
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 3.0);
    cofferdam.workers().pop().unwrap().signal(Signal::SEGV);
    problem(&first.join().unwrap(), 502, "crash");
    for call in waiting {
        let answer = call.join().unwrap();
        problem(&answer, 503, "breaker_open");
        assert_eq!(answer.header("retry-after"), Some("60"));
    }
    calm.returns(&cofferdam);
    assert_eq!(starts(&cofferdam, "f"), 1.0);
    let refused = [("outcome", "refused")];
    assert_eq!(of(&cofferdam, "queue_wait_seconds_count", "f", &refused), 3.0);
    let rejected = [("route", "f"), ("reason", "breaker_open")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &rejected), 3.0);
}

#[test]
fn starts_that_fail_are_bounded_and_keep_their_reason() {
    let swapped = Swapped::new();
    let cofferdam = start(&[swapped.function("f", "", "")]);
    let calm = Calm::of(&cofferdam);
    swapped.goes();
    let answers = beside_a_neighbour(&cofferdam, |addr| {
        at_once(4, move |_| (0..25).map(|_| http::get(addr, "/f")).collect::<Vec<_>>()).0.concat()
    });
    for answer in &answers {
        problem(answer, 503, "load_failed");
    }
    let tried = starts(&cofferdam, "f");
    assert!((5.0..=15.0).contains(&tried), "{tried}");
    assert_eq!(opened(&cofferdam, "start"), 1.0);
    swapped.becomes("mild");
    eventually!(cofferdam.get("/f").status, |status| *status == 200);
    eventually!(!is_open(&cofferdam));
    calm.returns(&cofferdam);
}

#[test]
fn off_it_refuses_nobody() {
    let cofferdam = start(&[function("f", "segv", "breaker = \"off\"", "")]);
    let addr = cofferdam.addr();
    let answers = at_once(4, move |_| (0..20).map(|_| http::get(addr, "/f")).collect::<Vec<_>>());
    answers.0.concat().iter().for_each(|answer| drop(problem(answer, 502, "crash")));
    assert_eq!((calls(&cofferdam, "f", "crash"), opened(&cofferdam, "crash")), (80.0, 0.0));
}

#[test]
fn a_spare_that_dies_while_it_waits_is_not_replaced_in_a_storm() {
    let cofferdam = start(&[function("f", "dies_waiting", "spares = 2\nbreaker = \"off\"", "")]);
    let told = |lines: &Vec<String>| {
        lines
            .iter()
            .any(|line| line.contains("a spare died while it waited, the next start is in 400ms"))
    };
    eventually!(cofferdam.stderr(), told);
    // Two of them, then two for each pause: 100, 200, 400 ms.
    let starts = starts(&cofferdam, "f");
    assert!(starts <= 10.0, "{starts}");
}

#[test]
fn every_isolated_mode_has_it() {
    for keys in ["mode = \"pool\"", "mode = \"detached\"", "spawn = \"fork\""] {
        let keys = format!("{keys}\nbreaker = {{ crashes = 3, for = \"1m\" }}");
        let cofferdam = start(&[function("f", "segv", &keys, "")]);
        let answers = || cofferdam.get("/f");
        eventually!(answers().reason(), |reason| reason == "breaker_open");
        assert!(is_open(&cofferdam), "{keys}");
        assert!(calls(&cofferdam, "f", "crash") >= 3.0, "{keys}");
    }
}

#[test]
fn a_detached_call_that_was_promised_runs_though_it_opens() {
    let gates = Gates::open();
    let limits =
        "mode = \"detached\"\nmax_concurrency = 1\nbreaker = { crashes = 1, for = \"1m\" }";
    let cofferdam = start(&[function("f", "gate", &gates.keys(limits), "")]);
    for mark in 1..=3 {
        assert_eq!(cofferdam.get(&format!("/f?mark={mark}")).status, 202);
    }
    let inside = gates.next();
    cofferdam.workers().pop().unwrap().signal(Signal::SEGV);
    eventually!(is_open(&cofferdam));
    problem(&cofferdam.get("/f?mark=4"), 503, "breaker_open");
    assert_eq!(inside.mark, 1);
    for mark in 2..=3 {
        let inside = gates.next();
        assert_eq!(inside.mark, mark);
        inside.release();
    }
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 2.0);
}
