//! `retry`: an idempotent call that crashed before its first byte runs again.

use std::time::Duration;

use super::{Tally, fickle, logged, shown};
use crate::calls::ground::{calls, function, of, problem, start};
use crate::faults::ground::MODES;
use crate::support::clib::library;
use crate::support::http::{self, Response};
use crate::support::program::File;
use crate::support::{Cofferdam, quiet};

/// `symbol`, which crashes in its first `times` runs, `ms` after their beginning.
fn crashing(symbol: &str, tally: &Tally, (times, ms): (u32, u32), keys: &str) -> String {
    let path = shown(&tally.path());
    fickle(
        "f",
        &format!(
            "prototype = \"int {symbol}(const char *tally, int times, int ms)\"\n\
             arguments = {{ tally = {{ const = \"{path}\" }}, times = {times}, ms = {ms} }}\nsandbox = \"off\"\n{keys}"
        ),
    )
}

const IDEMPOTENT: &str = "traits = [\"idempotent\"]";

fn retries(cofferdam: &Cofferdam) -> f64 {
    of(cofferdam, "call_retries_total", "f", &[])
}

#[test]
fn a_call_that_crashed_runs_again_in_another_process() {
    for (mode, keys) in MODES {
        let tally = Tally::new();
        let traits =
            if keys.contains("pool") { "\"idempotent\", \"reusable\"" } else { "\"idempotent\"" };
        let keys = format!("{keys}\ntraits = [{traits}]\nretry = 2");
        let cofferdam = start(&[crashing("fickle", &tally, (2, 0), &keys)]);
        let answer = cofferdam.get("/f");
        assert_eq!((answer.status, answer.text().as_str()), (200, "3\n"), "{mode}");
        eventually!(of(&cofferdam, "slots_in_use", "f", &[]), |taken| *taken == 0.0);
        assert_eq!((calls(&cofferdam, "f", "ok"), calls(&cofferdam, "f", "crash")), (1.0, 0.0));
        assert_eq!((retries(&cofferdam), tally.runs()), (2.0, 3), "{mode}");
        assert_eq!(of(&cofferdam, "worker_exits_total", "f", &[("reason", "crash")]), 2.0);
        logged(&cofferdam, &["the call runs again: retry 2 of 2"]);
    }
}

#[test]
fn it_runs_so_often_and_no_more() {
    let tally = Tally::new();
    let cofferdam =
        start(&[crashing("fickle", &tally, (9, 0), &format!("{IDEMPOTENT}\nretry = 2"))]);
    problem(&cofferdam.get("/f"), 502, "crash");
    assert_eq!((tally.runs(), retries(&cofferdam), calls(&cofferdam, "f", "crash")), (3, 2.0, 1.0));
}

#[test]
fn the_library_may_declare_it() {
    let tally = Tally::new();
    let cofferdam = start(&[crashing("declared", &tally, (1, 0), "retry = 1")]);
    assert_eq!(cofferdam.get("/f").text(), "2\n");
}

#[test]
fn what_nobody_declares_runs_once_and_that_is_said() {
    let tally = Tally::new();
    let cofferdam = start(&[crashing("fickle", &tally, (1, 0), "retry = 1")]);
    let mend = "`f` has `retry`, and nobody says that a call of it may run twice";
    logged(&cofferdam, &[mend, "COF_IDEMPOTENT", "fickle_traits"]);
    problem(&cofferdam.get("/f"), 502, "crash");
    assert_eq!((tally.runs(), retries(&cofferdam)), (1, 0.0));
    let file = File::of(&format!(
        "listen = \":0\"\n[functions.f]\nlibrary = \"{}\"\nprototype = \"int jumps(void)\"\nretry = 1\n",
        library("fickle").display()
    ));
    let ended = file.run("check", &[]);
    assert!(ended.code == Some(0) && ended.stderr.contains(mend), "{ended:?}");
}

#[test]
fn only_a_crash_is_tried_again() {
    for (how, status, reason) in
        [("exit", 502, "exit"), ("hang", 504, "timeout"), ("fail", 500, "failed")]
    {
        let tally = Tally::new();
        let keys = format!(
            "prototype = \"int leaves(const char *tally, const char *how)\"\nsuccess = \"== 0\"\n\
             arguments = {{ tally = {{ const = \"{}\" }}, how = {{ const = \"{how}\" }} }}\n\
             sandbox = \"off\"\n{IDEMPOTENT}\nretry = 3\ntimeout = \"300ms\"",
            shown(&tally.path())
        );
        let cofferdam = start(&[fickle("f", &keys)]);
        problem(&cofferdam.get("/f"), status, reason);
        assert_eq!((tally.runs(), retries(&cofferdam)), (1, 0.0), "{how}");
    }
}

fn handler(symbol: &str, keys: &str) -> Cofferdam {
    let keys =
        format!("handler = \"{symbol}\"\nsandbox = \"off\"\n{IDEMPOTENT}\nretry = 3\n{keys}");
    start(&[function("f", "fickle", &keys, "")])
}

fn post(cofferdam: &Cofferdam, tally: &Tally, body: &[u8]) -> Response {
    let path = shown(&tally.path());
    http::request(cofferdam.addr(), "POST", "/f", &[("x-tally", &path)], body)
}

#[test]
fn the_whole_body_is_there_again() {
    let (cofferdam, tally) = (handler("echoes", ""), Tally::new());
    assert_eq!(post(&cofferdam, &tally, b"the body").text(), "the body");
    assert_eq!(tally.runs(), 2);
}

#[test]
fn a_body_that_was_streamed_is_gone() {
    let (cofferdam, tally) = (handler("echoes", "request_body = \"stream\""), Tally::new());
    problem(&post(&cofferdam, &tally, b"the body"), 502, "crash");
    assert_eq!((tally.runs(), retries(&cofferdam)), (1, 0.0));
    // What has none has lost nothing.
    let tally = Tally::new();
    assert_eq!(post(&cofferdam, &tally, b"").status, 200);
    assert_eq!(tally.runs(), 2);
}

#[test]
fn nothing_runs_again_after_the_first_byte() {
    let (cofferdam, tally) = (handler("begins", ""), Tally::new());
    let answer = post(&cofferdam, &tally, b"");
    assert!(answer.status == 200 && !answer.complete && answer.text().starts_with("begun"));
    eventually!(calls(&cofferdam, "f", "crash"), |count| *count == 1.0);
    assert_eq!((tally.runs(), retries(&cofferdam)), (1, 0.0));
}

#[test]
fn all_runs_have_the_time_of_one_and_one_slot() {
    let _alone = quiet::alone();
    let tally = Tally::new();
    let keys = format!("{IDEMPOTENT}\nretry = 5\ntimeout = \"1s\"\nmax_concurrency = 1");
    let cofferdam = start(&[crashing("fickle", &tally, (9, 400), &keys)]);
    let answer = cofferdam.get("/f");
    problem(&answer, 504, "timeout");
    assert!(answer.text().contains("within 1 s"), "{}", answer.text());
    assert!((1.0..1.4).contains(&answer.elapsed.as_secs_f64()), "{:?}", answer.elapsed);
    assert_eq!((tally.runs(), retries(&cofferdam)), (3, 2.0));
}

#[test]
fn the_account_of_all_runs_adds_up() {
    let tally = Tally::new();
    let keys = format!("{IDEMPOTENT}\nretry = 1\nspares = 2");
    let cofferdam = start(&[crashing("fickle", &tally, (1, 100), &keys)]);
    let answer = http::request(cofferdam.addr(), "GET", "/f", &[("server-timing", "?1")], b"");
    assert_eq!(answer.text(), "2\n");
    let timing = answer.header("server-timing").unwrap();
    let ms = |name: &str| -> f64 {
        let part = timing.split(", ").find_map(|part| part.strip_prefix(&format!("{name};dur=")));
        part.unwrap().parse().unwrap()
    };
    let sum: f64 = ["queue", "start", "cpu", "runqueue", "blocked"].map(ms).iter().sum();
    assert!((sum - ms("total")).abs() <= 0.01 * ms("total"), "{timing}");
    assert!(ms("blocked") >= 195.0, "both runs slept: {timing}");
    let blocked = || of(&cofferdam, "call_time_seconds_total", "f", &[("state", "blocked")]);
    eventually!(blocked(), |seconds| *seconds >= 0.195);
    assert!(blocked() <= ms("total") / 1e3 + 0.001, "each run is counted once");
    assert!(of(&cofferdam, "call_duration_seconds_sum", "f", &[]) >= 0.195);
    assert!(answer.elapsed >= Duration::from_millis(195));
}

#[test]
fn a_detached_call_runs_again() {
    let tally = Tally::new();
    let keys = format!("mode = \"detached\"\n{IDEMPOTENT}\nretry = 1");
    let cofferdam = start(&[crashing("fickle", &tally, (1, 0), &keys)]);
    assert_eq!(cofferdam.get("/f").status, 202);
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 1.0);
    assert_eq!((tally.runs(), retries(&cofferdam)), (2, 1.0));
}
