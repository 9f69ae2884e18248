//! Workers started ahead: a call takes one, another takes its place, and one that dies is nobody's loss.

use std::time::Duration;

use rustix::process::Signal;

use super::ground::{Calm, calls, function, of, start, starts};
use crate::support::process::Process;
use crate::support::{Cofferdam, http, process};

#[track_caller]
fn spares(cofferdam: &Cofferdam) -> f64 {
    of(cofferdam, "workers", "f", &[("state", "spare")])
}

#[track_caller]
fn lookups(cofferdam: &Cofferdam, result: &str) -> f64 {
    of(cofferdam, "spare_lookups_total", "f", &[("result", result)])
}

#[test]
fn they_are_there_before_a_call_and_replaced_after_it() {
    let cofferdam = start(&[function("f", "stdin", "spares = 2", "")]);
    eventually!(spares(&cofferdam), |count| *count == 2.0);
    let calm = Calm::of(&cofferdam);
    let ahead = cofferdam.workers();
    assert_eq!(ahead.len(), 2);
    assert!(ahead.iter().all(|worker| worker.name == "cof:f"), "{ahead:?}");
    assert_eq!(cofferdam.get("/f").status, 200);
    eventually!(spares(&cofferdam), |count| *count == 2.0);
    eventually!(cofferdam.workers(), |now| now.len() == 2);
    let now = cofferdam.workers();
    assert_eq!(now.iter().filter(|worker| ahead.contains(worker)).count(), 1, "{now:?}");
    calm.returns(&cofferdam);
    assert_eq!((lookups(&cofferdam, "hit"), lookups(&cofferdam, "miss")), (1.0, 0.0));
    let kind = |kind| of(&cofferdam, "worker_starts_total", "f", &[("kind", kind)]);
    assert_eq!((kind("spare"), kind("demand")), (3.0, 0.0));
}

/// SCHED_OTHER is policy 0: field 41 of `/proc/PID/stat`, and the nice value is field 19, that of the proxy itself.
#[test]
fn a_spare_that_started_at_idle_priority_waits_at_normal() {
    let cofferdam = start(&[function("f", "stdin", "spares = 4", "")]);
    eventually!(spares(&cofferdam), |count| *count == 4.0);
    let policy_and_nice = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
        (fields[41 - 3].to_owned(), fields[19 - 3].to_owned())
    };
    let normal = policy_and_nice(cofferdam.pid());
    assert_eq!(normal.0, "0");
    for worker in cofferdam.workers() {
        assert_eq!(policy_and_nice(worker.pid), normal);
    }
}

#[test]
fn no_process_ever_serves_two_calls() {
    let pid = "prototype = \"int getpid(void)\"\nspares = 2";
    let cofferdam = start(&[super::ground::function_of("f", "libc.so.6".as_ref(), pid, "")]);
    let mut client = http::Connection::open(cofferdam.addr()).unwrap();
    let mut pids: Vec<String> =
        (0..30).map(|_| client.request("GET", "/f", &[], b"").unwrap().text()).collect();
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 30);
    assert_eq!(lookups(&cofferdam, "hit") + lookups(&cofferdam, "miss"), 30.0);
}

#[test]
fn more_calls_than_spares_start_workers_of_their_own() {
    let keys = "prototype = \"int sleep_ms(int ms)\"\narguments = { ms = 200 }\nspares = 1";
    let cofferdam = start(&[function("f", "times", keys, "")]);
    eventually!(spares(&cofferdam), |count| *count == 1.0);
    let addr = cofferdam.addr();
    let (answers, _) = crate::support::load::at_once(4, move |_| http::get(addr, "/f"));
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert!(lookups(&cofferdam, "miss") >= 1.0 && lookups(&cofferdam, "hit") >= 1.0);
    assert_eq!(lookups(&cofferdam, "miss") + lookups(&cofferdam, "hit"), 4.0);
    let demand = [("kind", "demand")];
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &demand), lookups(&cofferdam, "miss"));
}

#[test]
fn one_that_is_killed_by_hand_is_replaced_and_no_request_fails() {
    let cofferdam = start(&[function("f", "stdin", "spares = 2", "")]);
    eventually!(spares(&cofferdam), |count| *count == 2.0);
    let calm = Calm::of(&cofferdam);
    for _ in 0..3 {
        let victims = cofferdam.workers();
        victims.iter().for_each(|victim| victim.signal(Signal::KILL));
        process::no_process_left(&victims, Duration::from_secs(1));
        for _ in 0..4 {
            assert_eq!(cofferdam.get("/f").status, 200);
        }
        let are_new = |now: &Vec<Process>| {
            now.len() == 2 && now.iter().all(|w| w.is_alive() && !victims.contains(w))
        };
        eventually!(cofferdam.workers(), are_new);
        eventually!(spares(&cofferdam), |count| *count == 2.0);
    }
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "ok"), 12.0);
}

#[test]
fn one_that_dies_is_replaced_without_a_call() {
    let cofferdam = start(&[function("f", "stdin", "spares = 2", "")]);
    eventually!(spares(&cofferdam), |count| *count == 2.0);
    let victim = cofferdam.workers().remove(0);
    victim.signal(Signal::KILL);
    eventually!(starts(&cofferdam, "f"), |count| *count == 3.0);
    eventually!(spares(&cofferdam), |count| *count == 2.0);
    eventually!(victim.state(), Option::is_none);
}
