//! What a library does to its own process costs one request, which is told why.

use std::time::Duration;

use super::ground::{
    Calm, beside_a_neighbour, calls, detail, function, json, logged, of, problem, start,
};
use crate::support::process::{self, Process};
use crate::support::{Cofferdam, http};

/// The function `f`, called once beside a neighbour: the request's id, and what the problem says.
#[track_caller]
fn fails(cofferdam: &Cofferdam, status: u16, reason: &str) -> (String, String) {
    let calm = Calm::of(cofferdam);
    let answer = beside_a_neighbour(cofferdam, |addr| http::get(addr, "/f"));
    let id = problem(&answer, status, reason);
    calm.returns(cofferdam);
    assert_eq!(calls(cofferdam, "f", reason), 1.0);
    assert_eq!(of(cofferdam, "calls_total", "f", &[]), 1.0);
    let rejected = [("route", "f"), ("reason", reason)];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &rejected), 1.0);
    logged(cofferdam, &id, &format!("\"reason\":\"{reason}\""));
    (id, detail(&answer))
}

#[track_caller]
fn exits(cofferdam: &Cofferdam, reason: &str) -> f64 {
    of(cofferdam, "worker_exits_total", "f", &[("reason", reason)])
}

#[test]
fn a_segfault_is_a_crash_by_its_signal() {
    let cofferdam = start(&[function("f", "segv", "", "")]);
    let (_, told) = fails(&cofferdam, 502, "crash");
    assert_eq!(told, "the function crashed: SIGSEGV");
    assert_eq!(exits(&cofferdam, "crash"), 1.0);
}

#[test]
fn a_crash_is_answered_at_once() {
    let cofferdam = start(&[function("f", "segv", "spares = 1", "")]);
    let fastest = (0..5).map(|_| cofferdam.get("/f").elapsed).min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn an_abort_is_a_crash_and_its_last_words_are_logged() {
    let cofferdam = start(&[function("f", "abort", "", "")]);
    let (id, told) = fails(&cofferdam, 502, "crash");
    assert_eq!(told, "the function crashed: SIGABRT");
    logged(&cofferdam, &id, "invariant broken");
}

#[test]
fn an_exit_is_no_answer_whatever_its_status() {
    for (fixture, status) in [("exit0", 0), ("exit3", 3)] {
        let cofferdam = start(&[function("f", fixture, "", "")]);
        let (_, told) = fails(&cofferdam, 502, "exit");
        assert!(told.contains(&format!("exit status {status}")), "{told}");
        assert_eq!(exits(&cofferdam, "exit"), 1.0);
    }
}

#[test]
fn a_thread_that_ends_instead_of_returning_is_an_exit() {
    let cofferdam = start(&[function("f", "thread_exit", "", "")]);
    fails(&cofferdam, 502, "exit");
}

#[test]
fn a_grandchild_is_gone_with_its_call_and_does_not_delay_it() {
    let cofferdam = start(&[function("f", "grandchild", "", "")]);
    let calm = Calm::of(&cofferdam);
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/f"));
    assert_eq!(answer.status, 200);
    let grandchild = u32::try_from(json(&answer).as_u64().unwrap()).unwrap();
    eventually!(Process::of(grandchild), Option::is_none);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "f", "ok"), 1.0);
}

#[test]
fn a_flood_of_output_blocks_nobody_and_is_cut_in_the_log() {
    let cofferdam = start(&[function("f", "flood", "", "")]);
    let calm = Calm::of(&cofferdam);
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/f"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "0\n"));
    calm.returns(&cofferdam);
    let output = |line: &&String| line.contains("library output");
    eventually!(cofferdam.stderr().iter().filter(output).count(), |n| *n == 1);
    let line = cofferdam.stderr().into_iter().find(|line| output(&line)).unwrap();
    assert!(line.contains("bytes cut]") && line.len() < 32 * 1024, "{} bytes", line.len());
    assert!(line.contains("\"stream\":\"stdout\"") && !line.contains('\u{1b}'), "{line}");
    assert!(line.contains("00016383"), "the last line is not there: {line}");
}

#[test]
fn standard_input_is_at_its_end_at_once() {
    let cofferdam = start(&[function("f", "stdin", "", "")]);
    let answer = cofferdam.get("/f");
    assert_eq!((answer.status, answer.text().as_str()), (200, "0\n"));
    assert!(answer.elapsed < Duration::from_secs(2), "{:?}", answer.elapsed);
}

#[test]
fn what_a_library_prints_is_in_the_log_with_the_request() {
    let cofferdam = start(&[function("f", "unflushed", "", "")]);
    assert_eq!(cofferdam.get("/f").text(), "0\n");
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(|line| {
        line.contains("half a line")
            && line.contains("\"request_id\":")
            && line.contains("\"stream\":\"stdout\"")
    }));
}

#[test]
fn two_hundred_calls_in_a_row_leave_nothing() {
    let cofferdam = start(&[
        function("ok", "stdin", "spares = 2", ""),
        function("bad", "segv", "spares = 1", ""),
    ]);
    eventually!(cofferdam.metric("cofferdam_workers", &[("state", "spare")]), |n| *n == 3.0);
    let calm = Calm::of(&cofferdam);
    let mut most = 0;
    for number in 0..200 {
        let bad = number % 4 == 3;
        let answer = cofferdam.get(if bad { "/bad" } else { "/ok" });
        assert_eq!(answer.status, if bad { 502 } else { 200 }, "{}", answer.text());
        most = most.max(process::descriptors(cofferdam.pid()).len());
    }
    eventually!(cofferdam.metric("cofferdam_workers", &[("state", "spare")]), |n| *n == 3.0);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "ok", "ok"), 150.0);
    assert_eq!(calls(&cofferdam, "bad", "crash"), 50.0);
    let ended = cofferdam.metric("cofferdam_worker_exits_total", &[]);
    let started = cofferdam.metric("cofferdam_worker_starts_total", &[]);
    assert_eq!((ended, started), (200.0, 203.0));
    assert!(most < 200, "{most} descriptors at once");
}
