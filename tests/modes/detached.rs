//! `mode = "detached"`: the client has its answer at once, and the call is run all the same.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::calls::ground::{Calm, calls, function, json, of, problem, start, start_with};
use crate::support::load::at_once;
use crate::support::{Cofferdam, http, quiet};

fn detached(declaration: &str, keys: &str, route: &str) -> String {
    let keys = format!("prototype = \"int {declaration}\"\nmode = \"detached\"\n{keys}");
    function("f", "modes", &keys, route)
}

/// What the admin listener says of detached calls, the last first.
#[track_caller]
fn ledger(cofferdam: &Cofferdam) -> Vec<Value> {
    let answer = http::get(cofferdam.admin(), "/api/v1/calls");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    json(&answer)["calls"].as_array().unwrap().clone()
}

/// As the origin's five clients: each call sleeps for two seconds, and nobody waits for it.
#[test]
fn five_clients_are_answered_at_once_and_five_calls_are_done() {
    let _alone = quiet::alone();
    let cofferdam =
        start(&[detached("slow(int ms)", "arguments = { ms = 2000 }\nsuccess = \">= 0\"", "")]);
    let calm = Calm::of(&cofferdam);
    let addr = cofferdam.addr();
    let (answers, _) = at_once(5, move |_| http::get(addr, "/f"));
    for answer in &answers {
        assert_eq!(answer.status, 202);
        assert!(answer.elapsed < Duration::from_millis(20), "{:?}", answer.elapsed);
    }
    eventually!(of(&cofferdam, "workers", "f", &[("state", "busy")]), |count| *count == 5.0);
    assert_eq!(of(&cofferdam, "slots_in_use", "f", &[]), 5.0);
    assert!(ledger(&cofferdam).iter().all(|call| call["state"] == "running"));
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 5.0);
    calm.returns(&cofferdam);
    let told = ledger(&cofferdam);
    assert_eq!(told.len(), 5);
    for call in &told {
        assert_eq!((&call["state"], &call["outcome"]), (&"ended".into(), &"ok".into()), "{call}");
        assert!(call["time"]["blocked"].as_f64().unwrap() >= 1.9, "{call}");
        assert!(call["ended"].as_f64() > call["begun"].as_f64(), "{call}");
    }
    let mut ids: Vec<String> =
        answers.iter().map(|a| json(a)["id"].as_str().unwrap().to_owned()).collect();
    let mut known: Vec<String> =
        told.iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    known.sort();
    assert_eq!(ids, known);
}

#[test]
fn a_route_may_have_its_own_answer() {
    let own = "respond = { body = \"later\\n\" }";
    let cofferdam = start(&[detached("count(void)", "", own)]);
    let answer = cofferdam.get("/f");
    assert_eq!((answer.status, answer.text().as_str()), (202, "later\n"));
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 1.0);
    let cofferdam =
        start(&[detached("count(void)", "", "respond = { status = 200, body = \"ok\" }")]);
    assert_eq!(cofferdam.get("/f").status, 200);
}

#[test]
fn what_waits_is_promised_too_and_a_full_queue_is_a_503() {
    let keys =
        "arguments = { ms = { query = \"ms\" } }\nmax_concurrency = 1\nqueue = { length = 2 }";
    let cofferdam = start(&[detached("slow(int ms)", keys, "")]);
    let statuses: Vec<u16> = (0..3).map(|_| cofferdam.get("/f?ms=300").status).collect();
    assert_eq!(statuses, [202; 3]);
    problem(&cofferdam.get("/f?ms=300"), 503, "queue_full");
    assert_eq!(of(&cofferdam, "queue_depth", "f", &[]), 2.0);
    let states: Vec<Value> = ledger(&cofferdam).iter().map(|c| c["state"].clone()).collect();
    assert_eq!(states, ["queued", "queued", "running"]);
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 3.0);
    assert_eq!(of(&cofferdam, "calls_total", "f", &[]), 3.0);
    eventually!(of(&cofferdam, "slots_in_use", "f", &[]), |count| *count == 0.0);
}

#[test]
fn a_client_that_leaves_and_a_route_that_is_in_a_hurry_change_nothing() {
    let keys = "arguments = { ms = 400 }";
    let cofferdam = start(&[detached("slow(int ms)", keys, "timeout = \"50ms\"")]);
    let mut leaver = http::Connection::open(cofferdam.addr()).unwrap();
    leaver.send(b"GET /f HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    eventually!(ledger(&cofferdam).len(), |count| *count == 1);
    drop(leaver);
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 1.0);
    assert_eq!(of(&cofferdam, "calls_total", "f", &[]), 1.0);
}

#[test]
fn what_became_of_a_call_is_told() {
    let keys = "arguments = { crash = { query = \"crash\" } }\nsuccess = \"> 1\"";
    let cofferdam = start(&[detached("fragile(int crash)", keys, "")]);
    assert_eq!(cofferdam.get("/f?crash=1").status, 202);
    eventually!(calls(&cofferdam, "f", "crash"), |count| *count == 1.0);
    eventually!(ledger(&cofferdam)[0]["outcome"].clone(), |outcome| *outcome == "crash");
    assert_eq!(ledger(&cofferdam)[0]["detail"], "the function crashed: SIGABRT");
    assert_eq!(cofferdam.get("/f?crash=0").status, 202);
    eventually!(calls(&cofferdam, "f", "failed"), |count| *count == 1.0);
    eventually!(ledger(&cofferdam)[0]["outcome"].clone(), |outcome| *outcome == "failed");
    assert_eq!(ledger(&cofferdam)[0]["detail"], "the function returned 1");
    assert_eq!(cofferdam.get("/f?crash=x").status, 400, "arguments are checked before");
    assert_eq!(ledger(&cofferdam).len(), 2);
}

#[test]
fn a_limit_of_the_queue_that_was_written_is_kept_and_told() {
    let keys = "arguments = { ms = 600 }\nmax_concurrency = 1\nqueue = { timeout = \"100ms\" }";
    let cofferdam = start(&[detached("slow(int ms)", keys, "")]);
    assert_eq!([cofferdam.get("/f").status, cofferdam.get("/f").status], [202, 202]);
    eventually!(calls(&cofferdam, "f", "timeout"), |count| *count == 1.0);
    let has =
        |line: &String| line.contains("promised will not run") && line.contains("queue_timeout");
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(has));
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 1.0);
}

#[test]
fn a_handler_is_followed_to_the_end_of_its_body() {
    let keys = "handler = \"greet\"\nmode = \"detached\"";
    let cofferdam = start(&[function("f", "modes", keys, "")]);
    assert_eq!(cofferdam.get("/f").status, 202);
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 1.0);
    eventually!(ledger(&cofferdam)[0]["detail"].clone(), |detail| *detail == "it answered 200");
}

#[test]
fn a_drain_waits_for_them_and_says_what_is_lost() {
    let keys = "arguments = { ms = { query = \"ms\" } }";
    let mut cofferdam = start(&[detached("slow(int ms)", keys, "")]);
    assert_eq!(cofferdam.get("/f?ms=800").status, 202);
    eventually!(of(&cofferdam, "workers", "f", &[("state", "busy")]), |count| *count == 1.0);
    cofferdam.signal(Signal::TERM);
    assert!(cofferdam.wait(Duration::from_secs(10)).success());
    assert!(!cofferdam.stderr().iter().any(|line| line.contains("are lost")));

    let short = "[server]\ndrain_timeout = \"300ms\"\n";
    let mut cofferdam = start_with(short, &[detached("slow(int ms)", keys, "")]);
    assert_eq!(cofferdam.get("/f?ms=60000").status, 202);
    eventually!(of(&cofferdam, "workers", "f", &[("state", "busy")]), |count| *count == 1.0);
    cofferdam.signal(Signal::TERM);
    cofferdam.wait(Duration::from_secs(10));
    eventually!(cofferdam.stderr(), |lines| lines
        .iter()
        .any(|l| l.contains("1 detached calls have not ended")));
}
