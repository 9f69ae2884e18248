//! How the program ends, and that its workers end with it: killed, drained, or told twice.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::gates::Gates;
use super::ground::{ask, function, of, start, start_with};
use super::swapped::Swapped;
use crate::support::http::{Connection, encode};
use crate::support::wait::STARTS;
use crate::support::{Cofferdam, http, process, quiet};

/// Two calls of each temper are inside, and spares wait.
fn busy(functions: &[(&str, &str)]) -> (Cofferdam, Vec<Connection>) {
    let function = |(name, fixture): &(&str, &str)| function(name, fixture, "spares = 2", "");
    let cofferdam = start(&functions.iter().map(function).collect::<Vec<_>>());
    let clients = inside(&cofferdam, functions);
    (cofferdam, clients)
}

/// Two calls of each.
fn inside(cofferdam: &Cofferdam, functions: &[(&str, &str)]) -> Vec<Connection> {
    let mut clients = Vec::new();
    for (name, _) in [functions, functions].concat() {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(&encode("GET", &format!("/{name}"), &[], b"")).unwrap();
        clients.push(client);
    }
    clients
}

#[test]
fn killed_it_leaves_no_worker() {
    let tempers = [("ignoring", "ignore_term"), ("looping", "loop"), ("starting", "")];
    let swapped = Swapped::new();
    let mut cofferdam = start(&[
        function("ignoring", "ignore_term", "spares = 2", ""),
        function("looping", "loop", "spares = 2", ""),
        swapped.function("starting", "", ""),
    ]);
    swapped.becomes("hang_constructor");
    let _clients = inside(&cofferdam, &tempers);
    let workers = |state| cofferdam.metric("cofferdam_workers", &[("state", state)]);
    eventually!(within STARTS; (workers("busy"), workers("spare")), |now| *now == (4.0, 4.0));
    eventually!(workers("starting"), |count| *count >= 2.0);
    let below = process::descendants(cofferdam.pid());
    assert!(below.len() >= 10, "{below:?}");
    cofferdam.signal(Signal::KILL);
    cofferdam.wait(Duration::from_secs(1));
    process::no_process_left(&below, Duration::from_secs(1));
}

#[test]
fn told_once_it_finishes_what_runs_and_what_waits() {
    let gates = Gates::open();
    let keys = gates.keys("max_concurrency = 1\nspares = 1");
    let mut cofferdam = start(&[function("f", "gate", &keys, "")]);
    let first = ask(&cofferdam, "/f?mark=1");
    let inside = gates.next();
    let second = ask(&cofferdam, "/f?mark=2");
    eventually!(of(&cofferdam, "queue_depth", "f", &[]), |depth| *depth == 1.0);
    let below = process::descendants(cofferdam.pid());
    cofferdam.signal(Signal::TERM);
    let refused = || http::try_request(cofferdam.addr(), "GET", "/pong", &[], b"").err();
    eventually!(refused().map(|error| error.kind()), |kind| *kind
        == Some(ErrorKind::ConnectionRefused));
    assert!(!inside.is_gone());
    inside.release();
    let inside = gates.next();
    assert_eq!(inside.mark, 2);
    inside.release();
    assert_eq!(first.join().unwrap().text(), "1\n");
    assert_eq!(second.join().unwrap().text(), "2\n");
    let status = cofferdam.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{status:?}");
    process::no_process_left(&below, Duration::from_secs(1));
}

#[test]
fn told_twice_it_ends_at_once() {
    let _alone = quiet::alone();
    let (mut cofferdam, _clients) = busy(&[("ignoring", "ignore_term"), ("looping", "loop")]);
    eventually!(cofferdam.metric("cofferdam_workers", &[("state", "busy")]), |count| *count == 4.0);
    let below = process::descendants(cofferdam.pid());
    cofferdam.signal(Signal::TERM);
    let drains = |lines: &Vec<String>| lines.iter().any(|line| line.contains("SIGTERM: draining"));
    eventually!(cofferdam.stderr(), drains);
    let told = Instant::now();
    cofferdam.signal(Signal::TERM);
    let status = cofferdam.wait(Duration::from_secs(2));
    assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
    assert_eq!(status.code(), Some(0), "{status:?}");
    process::no_process_left(&below, Duration::from_secs(1));
}

#[test]
fn what_does_not_end_is_cut_when_the_drain_is_over() {
    let gates = Gates::open();
    let sections = "[server]\ndrain_timeout = \"300ms\"\n";
    let mut cofferdam = start_with(sections, &[function("f", "gate", &gates.keys(""), "")]);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/f", &[], b"")).unwrap();
    let inside = gates.next();
    let below = process::descendants(cofferdam.pid());
    let told = Instant::now();
    cofferdam.signal(Signal::TERM);
    let status = cofferdam.wait(Duration::from_secs(5));
    assert!(told.elapsed() >= Duration::from_millis(300));
    assert!(told.elapsed() < Duration::from_millis(1500), "{:?}", told.elapsed());
    assert_eq!(status.code(), Some(0), "{status:?}");
    eventually!(inside.is_gone());
    process::no_process_left(&below, Duration::from_secs(1));
}
