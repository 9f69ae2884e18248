//! `poison`: a request whose like have killed workers is refused.

use std::time::Duration;

use super::{fickle, logged};
use crate::calls::ground::{calls, detail, function, of, problem, start, start_with, starts};
use crate::support::http::{self, Response};
use crate::support::{Cofferdam, quiet};

const DISLIKES: &str = "prototype = \"int dislikes(const char *what, const char *id)\"\n\
                        arguments = { what = { query = \"what\" }, id = \"request_id\" }\n";

fn dislikes(keys: &str) -> Cofferdam {
    let keys = format!("{DISLIKES}{keys}");
    start_with("[log.access]\nformat = \"json\"\n", &[fickle("f", &keys)])
}

fn ask(cofferdam: &Cofferdam, what: &str) -> Response {
    cofferdam.get(&format!("/f?what={what}"))
}

fn refused(cofferdam: &Cofferdam) -> f64 {
    of(cofferdam, "poisoned_total", "f", &[])
}

#[test]
fn what_killed_so_many_is_refused_everywhere_by_one_word_and_costs_no_worker() {
    let cofferdam = dislikes("poison = { deaths = 2 }");
    for _ in 0..2 {
        problem(&ask(&cofferdam, "poison"), 502, "crash");
    }
    let before = starts(&cofferdam, "f");
    let answer = ask(&cofferdam, "poison");
    let id = problem(&answer, 422, "poisoned");
    assert!(detail(&answer).contains("have killed 2 processes of `f`"), "{}", answer.text());
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!((starts(&cofferdam, "f"), calls(&cofferdam, "f", "crash")), (before, 2.0));
    assert_eq!(refused(&cofferdam), 1.0);
    let rejected = [("route", "f"), ("reason", "poisoned")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &rejected), 1.0);
    logged(&cofferdam, &[&id, "\"status\":422", "\"reason\":\"poisoned\""]);
    // Others are not meant.
    assert_eq!(ask(&cofferdam, "bread").text(), "7\n");
}

#[test]
fn it_is_forgotten_after_its_time() {
    let cofferdam = dislikes("poison = { deaths = 1, within = \"1s\" }");
    problem(&ask(&cofferdam, "poison"), 502, "crash");
    problem(&ask(&cofferdam, "poison"), 422, "poisoned");
    eventually!(ask(&cofferdam, "poison"), |answer| answer.status == 502);
    problem(&ask(&cofferdam, "poison"), 422, "poisoned");
}

#[test]
fn it_is_off_where_nobody_says_so_and_an_exit_is_no_death() {
    let cofferdam = dislikes("");
    for _ in 0..5 {
        problem(&ask(&cofferdam, "poison"), 502, "crash");
    }
    let cofferdam = dislikes("poison = { deaths = 1 }");
    for _ in 0..3 {
        problem(&ask(&cofferdam, "exit"), 502, "exit");
    }
    assert_eq!(refused(&cofferdam), 0.0);
}

#[test]
fn a_handlers_requests_are_alike_by_method_path_query_and_body() {
    let keys = "handler = \"dislikes_body\"\npoison = { deaths = 1 }";
    let cofferdam = start(&[function("f", "fickle", keys, "")]);
    let send = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        http::request(cofferdam.addr(), method, path, headers, body)
    };
    problem(&send("POST", "/f", &[], b"poison"), 502, "crash");
    problem(&send("POST", "/f", &[("x-other", "1")], b"poison"), 422, "poisoned");
    assert_eq!(send("POST", "/f", &[], b"bread").text(), "fine");
    for (method, path) in [("PUT", "/f"), ("POST", "/f?a")] {
        problem(&send(method, path, &[], b"poison"), 502, "crash");
        problem(&send(method, path, &[], b"poison"), 422, "poisoned");
    }
}

/// Nobody knows what it will be.
#[test]
fn a_body_that_is_streamed_has_no_like() {
    let keys = "handler = \"dislikes_body\"\npoison = { deaths = 1 }\nrequest_body = \"stream\"";
    let cofferdam = start(&[function("f", "fickle", keys, "")]);
    for _ in 0..3 {
        problem(&http::post(cofferdam.addr(), "/f", b"poison"), 502, "crash");
    }
}

#[test]
fn who_waits_meanwhile_is_refused_too() {
    let _alone = quiet::alone();
    let keys = "poison = { deaths = 1 }\nmax_concurrency = 1\nqueue = { timeout = \"20s\" }";
    let cofferdam = dislikes(keys);
    let addr = cofferdam.addr();
    let threads = [(); 6].map(|()| std::thread::spawn(move || http::get(addr, "/f?what=poison")));
    let answers = threads.map(|thread| thread.join().unwrap().status);
    assert_eq!(answers.iter().filter(|status| **status == 502).count(), 1, "{answers:?}");
    assert_eq!(calls(&cofferdam, "f", "crash"), 1.0);
}

#[test]
fn each_run_of_a_call_counts_and_a_killer_runs_no_more() {
    let cofferdam = dislikes("traits = [\"idempotent\"]\nretry = 5\npoison = { deaths = 2 }");
    problem(&ask(&cofferdam, "poison"), 502, "crash");
    assert_eq!(of(&cofferdam, "call_retries_total", "f", &[]), 1.0);
    problem(&ask(&cofferdam, "poison"), 422, "poisoned");
}

#[test]
fn nothing_is_promised_of_a_detached_call_that_kills() {
    let cofferdam = dislikes("mode = \"detached\"\npoison = { deaths = 1 }");
    assert_eq!(ask(&cofferdam, "poison").status, 202);
    eventually!(calls(&cofferdam, "f", "crash"), |count| *count == 1.0);
    problem(&ask(&cofferdam, "poison"), 422, "poisoned");
    assert!(ask(&cofferdam, "poison").elapsed < Duration::from_secs(2));
}
