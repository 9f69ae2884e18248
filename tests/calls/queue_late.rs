//! What cannot end in time takes no slot; who is refused hears at once, and is told when to come again.

use std::time::{Duration, Instant};

use super::gates::Gates;
use super::ground::{Calm, ask, beside_a_neighbour, calls, detail, function, of, problem, start};
use crate::support::load::at_once;
use crate::support::{http, quiet};

const SLEEP: &str =
    "prototype = \"int sleep_ms(int ms)\"\narguments = { ms = { query = \"ms\", default = 0 } }\n";

#[test]
fn a_call_that_cannot_end_in_time_leaves_the_queue_early() {
    let _alone = quiet::alone();
    let keys = format!("{SLEEP}max_concurrency = 1\nqueue = {{ timeout = \"off\" }}");
    let other = "[[routes]]\nname = \"patient\"\npath = \"/patient\"\ncall = \"f\"\n\n".to_owned();
    let cofferdam = start(&[function("f", "times", &keys, "timeout = \"1500ms\""), other]);
    let calm = Calm::of(&cofferdam);
    for _ in 0..5 {
        assert_eq!(cofferdam.get("/f?ms=500").status, 200);
    }
    let held = ask(&cofferdam, "/patient?ms=2500");
    eventually!(of(&cofferdam, "slots_in_use", "f", &[]), |slots| *slots == 1.0);
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/f?ms=500"));
    problem(&answer, 503, "queue_timeout");
    let told = detail(&answer);
    assert!(
        told.starts_with("no slot of `f` became free in time: its calls usually take "),
        "{told}"
    );
    // 1.5 s less half a second, not the 1.5 s of its route.
    let expected = Duration::from_millis(500)..Duration::from_millis(1_400);
    assert!(expected.contains(&answer.elapsed), "{:?}", answer.elapsed);
    assert_eq!(held.join().unwrap().status, 200);
    calm.returns(&cofferdam);
    assert_eq!((calls(&cofferdam, "f", "ok"), calls(&cofferdam, "f", "timeout")), (6.0, 0.0));
    assert_eq!(of(&cofferdam, "queue_wait_seconds_count", "f", &[("outcome", "timeout")]), 1.0);
}

#[test]
fn what_one_route_takes_says_nothing_of_another() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1");
    let quick =
        "[[routes]]\nname = \"quick\"\npath = \"/quick\"\ncall = \"f\"\ntimeout = \"900ms\"\n\n";
    let cofferdam = start(&[function("f", "gate", &keys, ""), quick.to_owned()]);
    for mark in 0..5 {
        let call = ask(&cofferdam, &format!("/f?mark={mark}"));
        let inside = gates.next();
        let begun = Instant::now();
        eventually!(begun.elapsed() > Duration::from_millis(200));
        inside.release();
        assert_eq!(call.join().unwrap().status, 200);
    }
    let held = ask(&cofferdam, "/f?mark=7");
    let inside = gates.next();
    // Nothing is known of this route: it waits for its whole time.
    let answer = cofferdam.get("/quick");
    problem(&answer, 504, "timeout");
    assert!(answer.elapsed >= Duration::from_millis(900), "{:?}", answer.elapsed);
    inside.release();
    assert_eq!(held.join().unwrap().status, 200);
}

#[test]
fn retry_after_is_when_those_who_wait_were_served() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1\nqueue = { length = 5, timeout = \"off\" }");
    let cofferdam = start(&[function("f", "gate", &keys, "")]);
    let mut asked = vec![ask(&cofferdam, "/f?mark=0")];
    let mut inside = gates.next();
    let begun = Instant::now();
    let refill = |asked: &mut Vec<_>| {
        let depth = of(&cofferdam, "queue_depth", "f", &[]);
        asked.push(ask(&cofferdam, "/f?mark=1"));
        eventually!(of(&cofferdam, "queue_depth", "f", &[]), |now| *now == depth + 1.0);
    };
    (0..5).for_each(|_| refill(&mut asked));
    let hint = || {
        let answer = cofferdam.get("/f?mark=9");
        problem(&answer, 503, "queue_full");
        answer.header("retry-after").unwrap().parse::<u64>().unwrap()
    };
    // Six slots' time, for who waits and for who asks.
    let is_right = |told: u64, slots: u32, begun: Instant| {
        let expected = (begun.elapsed() * 6 / slots).as_secs_f64();
        assert!((expected - 1.0..=expected + 1.0).contains(&(told as f64)), "{told}, {expected}");
    };
    is_right(hint(), 1, begun);
    // A slot becomes free each 600 ms, and the next may at this moment.
    for round in 1..=4 {
        eventually!(begun.elapsed() >= round * Duration::from_millis(600));
        inside.release();
        inside = gates.next();
        refill(&mut asked);
    }
    let told = hint();
    assert!(told >= 3, "{told}");
    is_right(told, 5, begun);
    inside.release();
    (0..5).for_each(|_| gates.next().release());
    asked.into_iter().for_each(|call| assert_eq!(call.join().unwrap().status, 200));
}

#[test]
fn ten_times_more_calls_than_slots_are_refused_within_ten_milliseconds() {
    let _alone = quiet::alone();
    let keys = format!("{SLEEP}max_concurrency = 8\nqueue = {{ length = 8 }}");
    let cofferdam = start(&[function("f", "times", &keys, "")]);
    let calm = Calm::of(&cofferdam);
    let held: Vec<_> = (0..16).map(|_| ask(&cofferdam, "/f?ms=1500")).collect();
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 8.0);
    let addr = cofferdam.addr();
    let answers = beside_a_neighbour(&cofferdam, move |_| {
        let each = move |_| (0..10).map(|_| http::get(addr, "/f?ms=1500")).collect::<Vec<_>>();
        at_once(8, each).0.concat()
    });
    assert_eq!(answers.len(), 80);
    let mut took = Vec::new();
    for answer in &answers {
        problem(answer, 503, "queue_full");
        took.push(answer.elapsed);
    }
    took.sort();
    println!("refusals: median {:?}, worst {:?}", took[40], took[79]);
    // The median: eight clients, and whatever else runs, share the machine with the program.
    assert!(took[40] < Duration::from_millis(10), "{took:?}");
    held.into_iter().for_each(|call| assert_eq!(call.join().unwrap().status, 200));
    let begun = Instant::now();
    assert_eq!(cofferdam.get("/f").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    calm.returns(&cofferdam);
}
