//! Handlers of `cofferdam.h`: they see the whole request, and their answer reaches the client as it is written.

use super::gates::Gates;
use super::ground::{Calm, calls, detail, function, logged, problem, start};
use crate::support::http::{self, Connection};

#[test]
fn a_handler_sees_the_request_and_makes_the_answer() {
    let echo = function("echo", "handlers", "handler = \"echo\"", "path = \"/echo/{id}\"");
    let cofferdam = start(&[echo]);
    let calm = Calm::of(&cofferdam);
    let headers = [("x-mine", "1")];
    let answer = http::request(cofferdam.addr(), "POST", "/echo/7%2B?a=b", &headers, b"the body");
    assert_eq!(answer.status, 201);
    let text = answer.text();
    let (line, body) = text.split_once('\n').unwrap();
    assert!(line.starts_with("POST /echo/7%2B?a=b id=7+ 127.0.0.1"), "{line}");
    let id = line.rsplit(' ').next().unwrap();
    assert_eq!(body, "the body");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("x-mine"), Some("1"));
    logged(&cofferdam, id, "POST /echo/7%2B");
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "echo", "ok"), 1.0);
}

#[test]
fn a_piece_reaches_the_client_when_it_is_written() {
    let gates = Gates::open();
    let cofferdam = start(&[function("gated", "gate", "handler = \"gated\"", "")]);
    let calm = Calm::of(&cofferdam);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let path = format!("/gated?{}", gates.port());
    client.send(&http::encode("GET", &path, &[], b"")).unwrap();
    let inside = gates.next();
    let head = String::from_utf8(client.head().unwrap()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && head.contains("transfer-encoding: chunked"));
    assert_eq!(client.exactly(12).unwrap(), b"7\r\nbefore\n\r\n");
    assert!(!inside.is_gone());
    inside.release();
    assert_eq!(client.chunked().unwrap(), (b"behind\n".to_vec(), true));
    drop(client);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "gated", "ok"), 1.0);
}

#[test]
fn a_body_comes_back_in_the_pieces_it_was_read_in() {
    let stream = function("stream", "handlers", "handler = \"stream\"", "");
    let big = function("big", "handlers", "handler = \"big\"", "");
    let cofferdam = start(&[stream, big]);
    let answer = http::post(cofferdam.addr(), "/stream", b"ten bytes!");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ten bytes!"));
    let big = cofferdam.get("/big");
    assert_eq!((big.status, big.body.len(), big.complete), (200, 200_000, true));
}

#[test]
fn what_a_handler_returns_without_writing_is_the_status() {
    let cofferdam = start(&[function("code", "answers", "handler = \"code\"", "")]);
    let calm = Calm::of(&cofferdam);
    for (code, status) in [(0, 200), (200, 200), (204, 204), (404, 404), (503, 503)] {
        let answer = cofferdam.get(&format!("/code?{code}"));
        assert_eq!((answer.status, answer.text().as_str()), (status, ""), "{code}");
    }
    for (code, status) in [
        (-2, 404),
        (-13, 403),
        (-22, 400),
        (-27, 413),
        (-16, 503),
        (-110, 504),
        (-5, 500),
        (7, 500),
        (199, 500),
        (600, 500),
        (i32::MIN, 500),
    ] {
        let answer = cofferdam.get(&format!("/code?{code}"));
        problem(&answer, status, "failed");
        assert_eq!(detail(&answer), format!("the handler returned {code}"));
    }
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "code", "failed"), 11.0);
    assert_eq!(calls(&cofferdam, "code", "ok"), 5.0);
}

#[test]
fn what_is_the_proxys_own_business_is_taken_out_of_a_head() {
    let cofferdam = start(&[function("framing", "answers", "handler = \"framing\"", "")]);
    let answer = cofferdam.get("/framing");
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "whole", true));
    assert_eq!(answer.header("x-kept"), Some("1"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_ne!(answer.header("connection"), Some("x-mine"));
}

#[test]
fn a_handler_that_ends_its_process_midway_aborts_the_stream() {
    let midway = function("midway", "answers", "handler = \"exit_midway\"", "");
    let cofferdam = start(&[midway]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get("/midway");
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "begun", false));
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "midway", "exit"), 1.0);
    let aborted = [("route", "midway"), ("stage", "response")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_aborted_total", &aborted), 1.0);
}

#[test]
fn an_answer_without_a_body_lets_its_call_end() {
    let code = function("code", "answers", "handler = \"code\"", "");
    let big = function("big", "handlers", "handler = \"big\"", "");
    let cofferdam = start(&[code, big]);
    let calm = Calm::of(&cofferdam);
    for status in [204, 205, 304] {
        let answer = cofferdam.get(&format!("/code?{status}"));
        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
    let head = http::request(cofferdam.addr(), "HEAD", "/big", &[], b"");
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, None));
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "code", "ok"), 3.0);
    assert_eq!(calls(&cofferdam, "big", "ok"), 1.0);
    assert_eq!(cofferdam.metric("cofferdam_worker_kills_total", &[]), 0.0);
}

#[test]
fn a_handler_that_fails_amid_its_answer_cuts_it() {
    for keys in ["", "mode = \"pool\""] {
        let keys = format!("handler = \"fail_midway\"\n{keys}");
        let cofferdam = start(&[function("midway", "answers", &keys, "")]);
        let calm = Calm::of(&cofferdam);
        let answer = cofferdam.get("/midway");
        assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "begun", false));
        assert_eq!(calls(&cofferdam, "midway", "failed"), 1.0);
        logged(&cofferdam, "midway", "returned -5 amid its answer");
        if keys.contains("pool") {
            return;
        }
        calm.returns(&cofferdam);
    }
}

#[test]
fn a_library_of_an_older_header_and_one_of_a_newer_are_served() {
    let old = function("old", "older_library", "handler = \"old\"", "");
    let ahead = function("ahead", "newer_library", "handler = \"ahead\"", "");
    let cofferdam = start(&[old, ahead]);
    let headers = [("x-mine", "kept")];
    let answer = http::request(cofferdam.addr(), "POST", "/old", &headers, b"the body");
    assert_eq!((answer.status, answer.text().as_str()), (201, "the body"));
    assert_eq!(answer.header("x-old"), Some("kept"));
    logged(&cofferdam, answer.header("x-request-id").unwrap(), "old and well");
    assert_eq!(cofferdam.get("/ahead").text(), "missing 1\n");
}
