//! `mode = "pool"`: one process serves call after call, until it is worn or anything is wrong with it.

use std::time::Duration;

use rustix::process::Signal;

use crate::calls::ground::{calls, function, logged, of, problem, start};
use crate::support::load::at_once;
use crate::support::{Cofferdam, http, process};

/// `int SYMBOL(PARAMETERS)` of the fixture `modes`, in a pool.
fn pooled(declaration: &str, keys: &str) -> String {
    let keys = format!(
        "prototype = \"int {declaration}\"\nmode = \"pool\"\ntraits = [\"reusable\"]\n{keys}"
    );
    function("f", "modes", &keys, "")
}

/// Once a worker is ready: a call that came before would have started another.
#[track_caller]
fn answers(cofferdam: &Cofferdam, path: &str, count: usize) -> Vec<i64> {
    eventually!(idle(cofferdam), |count| *count >= 1.0);
    let mut client = http::Connection::open(cofferdam.addr()).unwrap();
    let mut answers = Vec::new();
    for _ in 0..count {
        let answer = client.request("GET", path, &[], b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answers.push(answer.text().trim().parse().unwrap());
    }
    answers
}

#[track_caller]
fn retired(cofferdam: &Cofferdam, reason: &str) -> f64 {
    of(cofferdam, "worker_retirements_total", "f", &[("reason", reason)])
}

#[track_caller]
fn idle(cofferdam: &Cofferdam) -> f64 {
    of(cofferdam, "workers", "f", &[("state", "idle")])
}

#[test]
fn a_process_serves_call_after_call() {
    let cofferdam = start(&[pooled("count(void)", "spares = 1")]);
    eventually!(idle(&cofferdam), |count| *count == 1.0);
    assert_eq!(answers(&cofferdam, "/f", 50), (1..=50).collect::<Vec<_>>());
    eventually!(idle(&cofferdam), |count| *count == 1.0);
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[]), 1.0);
    assert_eq!(calls(&cofferdam, "f", "ok"), 50.0);
    assert_eq!(of(&cofferdam, "slots_in_use", "f", &[]), 0.0);
}

#[test]
fn it_is_forked_where_that_is_asked_for() {
    let cofferdam =
        start(&[pooled("loader(void)", "spawn = \"fork\"\nspares = 2\npool = { max_calls = 1 }")]);
    let loaders = answers(&cofferdam, "/f", 10);
    assert!(loaders.iter().all(|loader| *loader == loaders[0]), "{loaders:?}");
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[("kind", "template")]), 1.0);
}

#[test]
fn it_grows_to_what_is_asked_and_shrinks_when_nothing_is() {
    let keys = "arguments = { ms = 100 }\nspares = 1\npool = { idle_timeout = \"300ms\" }";
    let cofferdam = start(&[pooled("slow(int ms)", keys)]);
    let addr = cofferdam.addr();
    let (answers, _) = at_once(6, move |_| http::get(addr, "/f"));
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(of(&cofferdam, "worker_starts_total", "f", &[]) >= 4.0);
    eventually!(idle(&cofferdam), |count| *count == 1.0);
    assert!(retired(&cofferdam, "idle") >= 3.0);
    eventually!(cofferdam.workers(), |workers| workers.len() == 1);
    assert_eq!(of(&cofferdam, "worker_kills_total", "f", &[]), 0.0, "they leave by themselves");
}

#[test]
fn a_process_is_replaced_after_its_number_of_calls() {
    let cofferdam = start(&[pooled("count(void)", "spares = 1\npool = { max_calls = 20 }")]);
    let counts = answers(&cofferdam, "/f", 100);
    let longest = *counts.iter().max().unwrap();
    assert!((18..=20).contains(&longest), "{counts:?}");
    assert!(retired(&cofferdam, "calls") >= 4.0);
    assert_eq!(calls(&cofferdam, "f", "ok"), 100.0);
}

#[test]
fn a_process_is_replaced_when_it_is_old() {
    let cofferdam = start(&[pooled("count(void)", "spares = 1\npool = { max_age = \"500ms\" }")]);
    assert_eq!(answers(&cofferdam, "/f", 1), [1]);
    eventually!(retired(&cofferdam, "age"), |count| *count >= 1.0);
    eventually!(idle(&cofferdam), |count| *count == 1.0);
}

#[test]
fn a_process_that_leaks_is_replaced_and_no_request_fails() {
    let keys = "arguments = { mib = 8 }\nspares = 1\npool = { max_memory = \"32MiB\" }";
    let cofferdam = start(&[pooled("leak(int mib)", keys)]);
    answers(&cofferdam, "/f", 60);
    assert!(retired(&cofferdam, "memory") >= 1.0);
    assert_eq!(calls(&cofferdam, "f", "ok"), 60.0);
    eventually!(cofferdam.workers().len(), |count| *count <= 2);
}

#[test]
fn one_that_crashed_was_cut_or_was_left_is_never_used_again() {
    let fragile = "arguments = { crash = { query = \"crash\", default = 0 } }\nspares = 1";
    let cofferdam = start(&[pooled("fragile(int crash)", fragile)]);
    assert_eq!(answers(&cofferdam, "/f", 3), [1, 2, 3]);
    problem(&cofferdam.get("/f?crash=1"), 502, "crash");
    assert_eq!(answers(&cofferdam, "/f", 2), [1, 2]);

    let slow =
        "arguments = { ms = { query = \"ms\", default = 0 } }\ntimeout = \"200ms\"\nspares = 1";
    let cofferdam = start(&[pooled("slow(int ms)", slow)]);
    assert_eq!(answers(&cofferdam, "/f", 2), [1, 2]);
    problem(&cofferdam.get("/f?ms=60000"), 504, "timeout");
    assert_eq!(answers(&cofferdam, "/f", 2), [1, 2]);
    let mut leaver = http::Connection::open(cofferdam.addr()).unwrap();
    leaver.send(b"GET /f?ms=150 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    eventually!(of(&cofferdam, "workers", "f", &[("state", "busy")]), |count| *count == 1.0);
    drop(leaver);
    eventually!(calls(&cofferdam, "f", "cancelled"), |count| *count == 1.0);
    assert_eq!(answers(&cofferdam, "/f", 2), [1, 2]);
    eventually!(process::zombies(cofferdam.pid()), |count| *count == 0);
}

#[test]
fn one_that_speaks_between_two_calls_is_ended_and_no_request_fails() {
    let cofferdam = start(&[pooled("talk(void)", "spares = 1")]);
    assert_eq!(answers(&cofferdam, "/f", 1), [1]);
    eventually!(retired(&cofferdam, "protocol"), |count| *count == 1.0);
    assert_eq!(answers(&cofferdam, "/f", 1), [1]);
    let kills = [("cause", "protocol"), ("signal", "SIGKILL")];
    assert!(of(&cofferdam, "worker_kills_total", "f", &kills) >= 1.0);
}

#[test]
fn a_second_reply_is_nobodys_answer() {
    let keys = "prototype = \"int forge(uint64_t id)\"\nmode = \"pool\"\ntraits = [\"reusable\"]\nspares = 1\n\
                arguments = { id = { query = \"id\", default = 7 } }";
    let cofferdam = start(&[function("f", "second_reply", keys, "")]);
    // A reply for a call that is not: the call that runs has no answer that can be trusted.
    let answer = cofferdam.get("/f");
    let id = problem(&answer, 502, "protocol");
    logged(&cofferdam, &id, "not for this call");
    assert_eq!(retired(&cofferdam, "protocol"), 0.0, "it was ended in its call");
    eventually!(idle(&cofferdam), |count| *count == 1.0);
}

#[test]
fn one_that_is_killed_while_it_waits_is_buried_and_no_request_fails() {
    let cofferdam = start(&[pooled("count(void)", "spares = 2")]);
    eventually!(idle(&cofferdam), |count| *count == 2.0);
    for _ in 0..3 {
        let victims = cofferdam.workers();
        victims.iter().for_each(|victim| victim.signal(Signal::KILL));
        process::no_process_left(&victims, Duration::from_secs(2));
        answers(&cofferdam, "/f", 3);
        eventually!(idle(&cofferdam), |count| *count == 2.0);
    }
    assert!(retired(&cofferdam, "ended") >= 3.0);
    assert_eq!(process::zombies(cofferdam.pid()), 0);
    assert_eq!(calls(&cofferdam, "f", "ok"), 9.0);
}

#[test]
fn what_it_prints_is_logged_with_the_call_that_printed_it() {
    let cofferdam = start(&[pooled("say(void)", "spares = 1")]);
    answers(&cofferdam, "/f", 3);
    for call in 1..=3 {
        let line = format!("library output: call {call}\"");
        eventually!(cofferdam.stderr(), |lines| lines.iter().filter(|l| l.contains(&line)).count()
            == 1);
    }
}

#[test]
fn handlers_stream_from_it_too() {
    let keys = "handler = \"greet\"\nmode = \"pool\"\nspares = 1";
    let cofferdam = start(&[function("f", "modes", keys, "")]);
    eventually!(idle(&cofferdam), |count| *count == 1.0);
    let mut client = http::Connection::open(cofferdam.addr()).unwrap();
    for call in 1..=5 {
        let answer = client.request("GET", "/f", &[], b"").unwrap();
        assert_eq!(answer.text(), format!("call {call}/f"));
    }
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[]), 1.0);
}

#[test]
fn nobody_gets_the_answer_of_another_under_load() {
    let keys = "mode = \"pool\"\ntraits = [\"reusable\"]\nprototype = \"uint64_t u64(uint64_t n)\"\n\
                arguments = { n = { query = \"n\" } }\nmax_concurrency = 8\nqueue = { length = 1000 }";
    let cofferdam = start(&[function("f", "functions", keys, "")]);
    let addr = cofferdam.addr();
    let (rights, _) = at_once(16, move |client| {
        let mut connection = http::Connection::open(addr).unwrap();
        let mut ask = |n: usize| {
            let answer = connection.request("GET", &format!("/f?n={n}"), &[], b"").unwrap();
            answer.status == 200 && answer.text().trim() == (n + 1).to_string()
        };
        (0..200).filter(|n| ask(client * 1000 + n)).count()
    });
    assert_eq!(rights.iter().sum::<usize>(), 3200);
    assert!(of(&cofferdam, "worker_starts_total", "f", &[]) <= 16.0);
}

#[test]
fn the_missing_promise_is_told_and_a_declared_one_is_not() {
    let bare = "prototype = \"int count(void)\"\nmode = \"pool\"\nspares = 1";
    let declared = "prototype = \"int declared(void)\"\nmode = \"pool\"\nspares = 1";
    let cofferdam =
        start(&[function("f", "modes", bare, ""), function("g", "modes", declared, "")]);
    let told = |name: &str| {
        let text = format!("function `{name}` has mode = ");
        cofferdam.stderr().iter().any(|line| line.contains(&text) && line.contains("COF_REUSABLE"))
    };
    eventually!(told("f"), |told| *told);
    eventually!(of(&cofferdam, "workers", "g", &[("state", "idle")]), |count| *count == 1.0);
    assert_eq!(cofferdam.get("/g").status, 200);
    assert!(!told("g"));
}
