//! The queue: bounded, in the order that was asked for, and each refusal at once with its reason.

use std::time::{Duration, Instant};

use super::gates::Gates;
use super::ground::{
    Calm, ask, beside_a_neighbour, calls, detail, function, of, problem, start, starts,
};
use crate::support::{Cofferdam, http};

/// One slot, taken by the call marked 0.
fn one_slot(gates: &Gates, queue: &str) -> Cofferdam {
    let keys = gates.keys(&format!("max_concurrency = 1\nqueue = {queue}"));
    start(&[function("f", "gate", &keys, "")])
}

#[track_caller]
fn waits(cofferdam: &Cofferdam, outcome: &str) -> f64 {
    of(cofferdam, "queue_wait_seconds_count", "f", &[("outcome", outcome)])
}

/// The marks of four calls that wait one after the other, in the order in which they get the one slot.
fn served(order: &str) -> Vec<i32> {
    let gates = Gates::open();
    let cofferdam = one_slot(&gates, &format!("{{ order = \"{order}\" }}"));
    let calm = Calm::of(&cofferdam);
    let mut asked = vec![ask(&cofferdam, "/f?mark=0")];
    let mut inside = gates.next();
    for mark in 1..=4 {
        asked.push(ask(&cofferdam, &format!("/f?mark={mark}")));
        eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == f64::from(mark));
    }
    let mut marks = Vec::new();
    for _ in 1..=4 {
        assert!(gates.is_quiet(), "more calls than slots");
        inside.release();
        inside = gates.next();
        marks.push(inside.mark);
    }
    inside.release();
    for (mark, call) in asked.into_iter().enumerate() {
        assert_eq!(call.join().unwrap().text(), format!("{mark}\n"));
    }
    calm.returns(&cofferdam);
    assert_eq!((waits(&cofferdam, "granted"), calls(&cofferdam, "f", "ok")), (5.0, 5.0));
    marks
}

#[test]
fn who_waited_longest_is_next_in_fifo() {
    assert_eq!(served("fifo"), [1, 2, 3, 4]);
}

#[test]
fn who_came_last_is_next_in_lifo() {
    assert_eq!(served("lifo"), [4, 3, 2, 1]);
}

#[test]
fn whose_time_ends_first_is_next_by_deadline() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1\nqueue = { order = \"deadline\" }");
    let route = |name: &str, timeout: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\ncall = \"f\"\ntimeout = {timeout}\n\n"
        )
    };
    let routes =
        [("never", "\"off\""), ("late", "\"60s\""), ("soon", "\"20s\""), ("now", "\"10s\"")];
    let mut functions = vec![function("f", "gate", &keys, "")];
    functions.extend(routes.map(|(name, timeout)| route(name, timeout)));
    let cofferdam = start(&functions);
    let mut asked = vec![ask(&cofferdam, "/f?mark=0")];
    let mut inside = gates.next();
    for (mark, (name, _)) in (1..).zip(routes) {
        asked.push(ask(&cofferdam, &format!("/{name}?mark={mark}")));
        eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == f64::from(mark));
    }
    for mark in [4, 3, 2, 1] {
        inside.release();
        inside = gates.next();
        assert_eq!(inside.mark, mark);
    }
    inside.release();
    asked.into_iter().for_each(|call| assert_eq!(call.join().unwrap().status, 200));
}

#[test]
fn a_full_queue_refuses_at_once() {
    let gates = Gates::open();
    let cofferdam = one_slot(&gates, "{ length = 1 }");
    let calm = Calm::of(&cofferdam);
    let first = ask(&cofferdam, "/f?mark=1");
    let inside = gates.next();
    let second = ask(&cofferdam, "/f?mark=2");
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 1.0);
    let refused: Vec<_> = beside_a_neighbour(&cofferdam, |addr| {
        (0..5).map(|_| http::get(addr, "/f?mark=3")).collect()
    });
    for answer in &refused {
        problem(answer, 503, "queue_full");
        assert!(
            detail(answer).contains("all slots of `f` are taken (1) and its queue is full (1)")
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let fastest = refused.iter().map(|answer| answer.elapsed).min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    inside.release();
    gates.next().release();
    assert_eq!(first.join().unwrap().text(), "1\n");
    assert_eq!(second.join().unwrap().text(), "2\n");
    calm.returns(&cofferdam);
    assert_eq!(starts(&cofferdam, "f"), 2.0);
    let rejected = [("route", "f"), ("reason", "queue_full")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &rejected), 5.0);
}

#[test]
fn without_a_queue_nobody_waits() {
    let gates = Gates::open();
    let cofferdam = one_slot(&gates, "{ length = \"off\" }");
    let first = ask(&cofferdam, "/f?mark=1");
    let inside = gates.next();
    problem(&cofferdam.get("/f?mark=2"), 503, "queue_full");
    inside.release();
    assert_eq!(first.join().unwrap().status, 200);
    eventually!(of(&cofferdam, "slots_in_use", "f", &[]), |slots| *slots == 0.0);
    let again = ask(&cofferdam, "/f?mark=3");
    gates.next().release();
    assert_eq!(again.join().unwrap().text(), "3\n");
}

#[test]
fn a_wait_ends_at_the_limit_of_the_queue_without_a_worker() {
    let gates = Gates::open();
    let cofferdam = one_slot(&gates, "{ timeout = \"300ms\" }");
    let calm = Calm::of(&cofferdam);
    let first = ask(&cofferdam, "/f?mark=1");
    let inside = gates.next();
    let asked = Instant::now();
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/f?mark=2"));
    problem(&answer, 503, "queue_timeout");
    assert_eq!(detail(&answer), "no slot of `f` became free within 300ms");
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert!(answer.elapsed < Duration::from_millis(800), "{:?}", answer.elapsed);
    assert_eq!(of(&cofferdam, "queue_depth", "f", &[]), 0.0);
    inside.release();
    assert_eq!(first.join().unwrap().text(), "1\n");
    calm.returns(&cofferdam);
    assert_eq!((waits(&cofferdam, "timeout"), starts(&cofferdam, "f")), (1.0, 1.0));
    let rejected = [("route", "f"), ("reason", "queue_timeout")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &rejected), 1.0);
}
