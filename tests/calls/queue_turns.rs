//! Who shares a queue: keys take turns and cannot fill it alone, and a route's priority goes before the order.

use std::thread::JoinHandle;

use super::gates::{Gates, Inside};
use super::ground::{Calm, ask, function, of, problem, start};
use crate::support::http::Response;
use crate::support::{Cofferdam, http};

/// `GET path` of a tenant, on a thread of its own; returns when the call waits, or was refused.
fn waiting(cofferdam: &Cofferdam, path: &str, tenant: &str) -> JoinHandle<Response> {
    let (addr, path, tenant) = (cofferdam.addr(), path.to_owned(), tenant.to_owned());
    let depth = || of(cofferdam, "queue_depth", "f", &[]);
    let before = depth();
    let call = std::thread::spawn(move || {
        http::request(addr, "GET", &path, &[("x-tenant", &tenant)], b"")
    });
    eventually!(call.is_finished() || depth() > before);
    call
}

/// The marks of the next calls, in the order in which they get the one slot.
fn served(gates: &Gates, mut inside: Inside, count: usize) -> Vec<i32> {
    let mut marks = Vec::new();
    for _ in 0..count {
        inside.release();
        inside = gates.next();
        marks.push(inside.mark);
    }
    inside.release();
    marks
}

fn fair(gates: &Gates, more: &str) -> Cofferdam {
    let queue = format!("queue = {{ fair_by = {{ header = \"X-Tenant\" }}{more} }}");
    start(&[function("f", "gate", &gates.keys(&format!("max_concurrency = 1\n{queue}")), "")])
}

#[test]
fn tenants_take_turns() {
    let gates = Gates::open();
    let cofferdam = fair(&gates, "");
    let calm = Calm::of(&cofferdam);
    let first = ask(&cofferdam, "/f?mark=0");
    let inside = gates.next();
    let calls: Vec<_> = [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "c"), (6, "b")]
        .map(|(mark, tenant)| waiting(&cofferdam, &format!("/f?mark={mark}"), tenant))
        .into();
    assert_eq!(served(&gates, inside, 6), [1, 4, 5, 2, 6, 3]);
    for call in calls.into_iter().chain([first]) {
        assert_eq!(call.join().unwrap().status, 200);
    }
    calm.returns(&cofferdam);
}

#[test]
fn who_fills_the_queue_makes_room_for_others() {
    let gates = Gates::open();
    let cofferdam = fair(&gates, ", length = 3");
    let calm = Calm::of(&cofferdam);
    let first = ask(&cofferdam, "/f?mark=0");
    let inside = gates.next();
    let greedy: Vec<_> =
        (1..=3).map(|mark| waiting(&cofferdam, &format!("/f?mark={mark}"), "a")).collect();
    problem(&waiting(&cofferdam, "/f?mark=4", "a").join().unwrap(), 503, "queue_full");
    let (addr, rejected) = (cofferdam.addr(), [("route", "f"), ("reason", "queue_full")]);
    let other = std::thread::spawn(move || {
        http::request(addr, "GET", "/f?mark=5", &[("x-tenant", "b")], b"")
    });
    // The last of the greedy one goes; one that has as many as the others does not.
    eventually!(greedy[2].is_finished());
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 3.0);
    problem(&waiting(&cofferdam, "/f?mark=6", "b").join().unwrap(), 503, "queue_full");
    assert_eq!(served(&gates, inside, 3), [1, 5, 2]);
    let answers: Vec<_> = greedy.into_iter().map(|call| call.join().unwrap()).collect();
    problem(&answers[2], 503, "queue_full");
    assert_eq!((answers[0].status, answers[1].status), (200, 200));
    assert_eq!((other.join().unwrap().status, first.join().unwrap().status), (200, 200));
    calm.returns(&cofferdam);
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &rejected), 3.0);
    assert_eq!(of(&cofferdam, "queue_wait_seconds_count", "f", &[("outcome", "refused")]), 1.0);
}

#[test]
fn clients_take_turns_by_address() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1\nqueue = { fair_by = \"client\" }");
    let cofferdam = start(&[
        "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n\n".to_owned(),
        function("f", "gate", &keys, ""),
    ]);
    let first = ask(&cofferdam, "/f?mark=0");
    let inside = gates.next();
    let ask = |mark: i32, client: &str| {
        let (addr, client) = (cofferdam.addr(), client.to_owned());
        let before = of(&cofferdam, "queue_depth", "f", &[]);
        let call = std::thread::spawn(move || {
            let headers = [("x-forwarded-for", client.as_str())];
            http::request(addr, "GET", &format!("/f?mark={mark}"), &headers, b"")
        });
        eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth > before);
        call
    };
    // The same /64 twice.
    let calls = [ask(1, "2001:db8::1"), ask(2, "2001:db8::2"), ask(3, "192.0.2.1")];
    assert_eq!(served(&gates, inside, 3), [1, 3, 2]);
    calls.into_iter().chain([first]).for_each(|call| assert_eq!(call.join().unwrap().status, 200));
}

/// Routes of each priority to `f`.
fn prioritised(gates: &Gates, queue: &str) -> Cofferdam {
    let route = |word: &str| {
        format!(
            "[[routes]]\nname = \"{word}\"\npath = \"/{word}\"\ncall = \"f\"\npriority = \"{word}\"\n\n"
        )
    };
    let keys = gates.keys(&format!("max_concurrency = 1\nqueue = {queue}"));
    start(&[function("f", "gate", &keys, ""), route("high"), route("low")])
}

#[test]
fn a_higher_priority_goes_first() {
    let gates = Gates::open();
    let cofferdam = prioritised(&gates, "{}");
    let first = ask(&cofferdam, "/f?mark=0");
    let inside = gates.next();
    let paths = ["/low?mark=1", "/f?mark=2", "/high?mark=3", "/low?mark=4", "/high?mark=5"];
    let calls = paths.map(|path| waiting(&cofferdam, path, ""));
    assert_eq!(served(&gates, inside, 5), [3, 5, 2, 1, 4]);
    calls.into_iter().chain([first]).for_each(|call| assert_eq!(call.join().unwrap().status, 200));
}

#[test]
fn a_low_priority_waits_for_ten_others_at_most() {
    let gates = Gates::open();
    let cofferdam = prioritised(&gates, "{}");
    let first = ask(&cofferdam, "/f?mark=0");
    let inside = gates.next();
    let mut calls = vec![waiting(&cofferdam, "/low?mark=100", "")];
    for mark in 1..=12 {
        calls.push(waiting(&cofferdam, &format!("/high?mark={mark}"), ""));
    }
    let marks = served(&gates, inside, 13);
    assert_eq!(marks.iter().position(|mark| *mark == 100), Some(9), "{marks:?}");
    calls.into_iter().chain([first]).for_each(|call| assert_eq!(call.join().unwrap().status, 200));
}

#[test]
fn a_full_queue_has_room_for_a_higher_priority() {
    let gates = Gates::open();
    let cofferdam = prioritised(&gates, "{ length = 2 }");
    let first = ask(&cofferdam, "/f?mark=0");
    let inside = gates.next();
    let low = waiting(&cofferdam, "/low?mark=1", "");
    let normal = waiting(&cofferdam, "/f?mark=2", "");
    let addr = cofferdam.addr();
    let high = std::thread::spawn(move || http::get(addr, "/high?mark=3"));
    problem(&low.join().unwrap(), 503, "queue_full");
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 2.0);
    problem(&cofferdam.get("/low?mark=4"), 503, "queue_full");
    assert_eq!(served(&gates, inside, 2), [3, 2]);
    for call in [first, normal, high] {
        assert_eq!(call.join().unwrap().status, 200);
    }
}
