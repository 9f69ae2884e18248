//! What a library writes to the control descriptor itself: never believed, never passed on, answered at once.

use std::time::Duration;

use super::ground::{Calm, beside_a_neighbour, calls, function, logged, of, problem, start};
use crate::support::{Cofferdam, http};

/// Calls `path` beside a neighbour; its limit is half a minute, its answer must not wait for that.
#[track_caller]
fn is_refused(cofferdam: &Cofferdam, path: &str, reason: &str) {
    let name = path.trim_start_matches('/').split('?').next().unwrap().to_owned();
    let calm = Calm::of(cofferdam);
    let path = path.to_owned();
    let answer = beside_a_neighbour(cofferdam, move |addr| http::get(addr, &path));
    let id = problem(&answer, 502, reason);
    assert!(answer.elapsed < Duration::from_secs(5), "{:?}", answer.elapsed);
    calm.returns(cofferdam);
    assert_eq!(calls(cofferdam, &name, reason), 1.0);
    assert_eq!(of(cofferdam, "calls_total", &name, &[]), 1.0);
    logged(cofferdam, &id, &format!("\"reason\":\"{reason}\""));
}

#[test]
fn garbage_on_the_control_descriptor() {
    let cofferdam = start(&[function("garbage", "garbage", "", "")]);
    is_refused(&cofferdam, "/garbage", "protocol");
}

#[test]
fn a_huge_reply_is_refused_by_its_length_alone() {
    let huge = "prototype = \"int huge(void)\"";
    let cofferdam = start(&[function("huge", "garbage", huge, "")]);
    let before = crate::support::process::peak_resident(cofferdam.pid());
    is_refused(&cofferdam, "/huge", "reply_too_large");
    let kills = [("cause", "protocol"), ("signal", "SIGKILL")];
    assert_eq!(of(&cofferdam, "worker_kills_total", "huge", &kills), 1.0);
    assert_eq!(of(&cofferdam, "worker_exits_total", "huge", &[("reason", "killed")]), 1.0);
    let grown = crate::support::process::peak_resident(cofferdam.pid()) - before;
    assert!(grown < 16 << 20, "{grown} bytes more");
}

#[test]
fn a_closed_control_descriptor() {
    let cofferdam = start(&[function("closed", "close_control", "", "")]);
    is_refused(&cofferdam, "/closed", "protocol");
}

#[test]
fn more_output_than_the_buffer_holds() {
    let keys = "prototype = \"int overrun(uint8_t *out, size_t *out_len)\"\n\
                arguments = { out = { buffer = \"1KiB\" }, out_len = { len = \"out\" } }\n\
                response = { body = \"out\" }";
    let cofferdam = start(&[function("overrun", "functions", keys, "")]);
    is_refused(&cofferdam, "/overrun", "protocol");
}

#[test]
fn a_reply_to_another_call() {
    let keys = "prototype = \"int forge(uint64_t id)\"\narguments = { id = { query = \"id\" } }";
    let cofferdam = start(&[function("forge", "second_reply", keys, "")]);
    is_refused(&cofferdam, "/forge?id=12345", "protocol");
}

#[test]
fn heads_and_pieces_that_no_handler_could_send() {
    let names = ["status_42", "split_header", "bodiless"];
    let handler = |name: &&str| function(name, "forger", &format!("handler = \"{name}\""), "");
    let cofferdam = start(&names.iter().map(handler).collect::<Vec<_>>());
    for name in names {
        let answer = cofferdam.get(&format!("/{name}"));
        problem(&answer, 502, "protocol");
        assert_eq!(answer.header("y"), None, "{name}");
    }
}

#[test]
fn a_second_reply_changes_nothing() {
    let cofferdam = start(&[function("two", "forger", "handler = \"two_ends\"", "")]);
    let calm = Calm::of(&cofferdam);
    let mut client = http::Connection::open(cofferdam.addr()).unwrap();
    for _ in 0..3 {
        let answer = client.request("GET", "/two", &[], b"").unwrap();
        problem(&answer, 500, "failed");
    }
    drop(client);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "two", "failed"), 3.0);
    assert_eq!(of(&cofferdam, "calls_total", "two", &[]), 3.0);
}

#[test]
fn a_second_head_aborts_the_stream() {
    let cofferdam = start(&[function("two", "forger", "handler = \"two_heads\"", "")]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get("/two");
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "begun", false));
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "two", "protocol"), 1.0);
    let aborted = [("route", "two"), ("stage", "response")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_aborted_total", &aborted), 1.0);
}
