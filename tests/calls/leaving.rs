//! A client that leaves: its call ends and its slot is free at once, unless the function says `finish`.

use super::gates::Gates;
use super::ground::{Calm, ask, calls, function, of, start, starts};
use crate::support::Cofferdam;
use crate::support::http::{Connection, encode};

fn one_slot(gates: &Gates, on_disconnect: &str) -> Cofferdam {
    let more = format!("max_concurrency = 1\non_disconnect = \"{on_disconnect}\"");
    start(&[function("f", "gate", &gates.keys(&more), "")])
}

/// Asks, and can leave: dropped, it hangs up.
fn client(cofferdam: &Cofferdam, path: &str) -> Connection {
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", path, &[], b"")).unwrap();
    client
}

#[track_caller]
fn aborted(cofferdam: &Cofferdam, stage: &str) -> f64 {
    let labels = [("route", "f"), ("stage", stage)];
    cofferdam.metric("cofferdam_http_requests_aborted_total", &labels)
}

#[test]
fn its_worker_dies_and_the_next_one_runs() {
    let gates = Gates::open();
    let cofferdam = one_slot(&gates, "kill");
    let calm = Calm::of(&cofferdam);
    let leaving = client(&cofferdam, "/f?mark=1");
    let left = gates.next();
    let next = ask(&cofferdam, "/f?mark=2");
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 1.0);
    drop(leaving);
    let inside = gates.next();
    assert_eq!(inside.mark, 2);
    assert!(left.is_gone(), "its slot was given away while it lived");
    inside.release();
    assert_eq!(next.join().unwrap().text(), "2\n");
    calm.returns(&cofferdam);
    assert_eq!((calls(&cofferdam, "f", "cancelled"), calls(&cofferdam, "f", "ok")), (1.0, 1.0));
    let kills = [("cause", "cancel"), ("signal", "SIGTERM")];
    assert_eq!(of(&cofferdam, "worker_kills_total", "f", &kills), 1.0);
    assert_eq!(of(&cofferdam, "worker_exits_total", "f", &[("reason", "killed")]), 1.0);
    assert_eq!((aborted(&cofferdam, "call"), aborted(&cofferdam, "request")), (1.0, 0.0));
    let gone = [("route", "f"), ("reason", "client_gone")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &gone), 1.0);
}

#[test]
fn its_call_ends_in_its_own_time_where_the_function_says_finish() {
    let gates = Gates::open();
    let cofferdam = one_slot(&gates, "finish");
    let calm = Calm::of(&cofferdam);
    let leaving = client(&cofferdam, "/f?mark=1");
    let inside = gates.next();
    drop(leaving);
    eventually!(aborted(&cofferdam, "call"), |count| *count == 1.0);
    assert_eq!(of(&cofferdam, "slots_in_use", "f", &[]), 1.0);
    assert!(!inside.is_gone());
    inside.release();
    calm.returns(&cofferdam);
    assert_eq!((calls(&cofferdam, "f", "ok"), calls(&cofferdam, "f", "cancelled")), (1.0, 0.0));
    assert_eq!(of(&cofferdam, "worker_kills_total", "f", &[]), 0.0);
    assert_eq!(of(&cofferdam, "worker_exits_total", "f", &[("reason", "done")]), 1.0);
}

#[test]
fn who_leaves_while_waiting_never_starts_a_worker() {
    let gates = Gates::open();
    let cofferdam = one_slot(&gates, "kill");
    let calm = Calm::of(&cofferdam);
    let first = ask(&cofferdam, "/f?mark=1");
    let inside = gates.next();
    let leaving = client(&cofferdam, "/f?mark=2");
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 1.0);
    drop(leaving);
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 0.0);
    inside.release();
    assert_eq!(first.join().unwrap().text(), "1\n");
    calm.returns(&cofferdam);
    assert!(gates.is_quiet());
    assert_eq!((starts(&cofferdam, "f"), calls(&cofferdam, "f", "cancelled")), (1.0, 0.0));
    assert_eq!(of(&cofferdam, "queue_wait_seconds_count", "f", &[("outcome", "left")]), 1.0);
    assert_eq!((aborted(&cofferdam, "queue"), aborted(&cofferdam, "request")), (1.0, 0.0));
}

#[test]
fn who_leaves_in_the_middle_of_a_stream_ends_it() {
    let gates = Gates::open();
    let cofferdam = start(&[function("f", "gate", "handler = \"gated\"", "")]);
    let calm = Calm::of(&cofferdam);
    let mut leaving = client(&cofferdam, &format!("/f?{}", gates.port()));
    leaving.head().unwrap();
    let inside = gates.next();
    drop(leaving);
    eventually!(inside.is_gone());
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "cancelled"), 1.0);
    assert_eq!(aborted(&cofferdam, "response"), 1.0);
}
