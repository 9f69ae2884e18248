//! A library that dies, or leaves without an answer.

use std::time::Duration;

use super::ground::{ONE_SHOT, Stage, fault, fine, in_each_mode, in_each_of, refused, with_spares};
use crate::calls::ground::problem;
use crate::support::http2::Http2;
use crate::support::quiet;

/// A symbol, and the signal that ends it.
const SIGNALS: [(&str, &str); 10] = [
    ("segv", "SIGSEGV"),
    ("bus", "SIGBUS"),
    ("ill", "SIGILL"),
    ("fpe", "SIGFPE"),
    ("abrt", "SIGABRT"),
    ("overflow", "SIGSEGV"),
    ("double_free", "SIGABRT"),
    ("long_jump", "SIG"),
    ("terminated", "SIGTERM"),
    ("killed", "SIGKILL"),
];

/// A symbol, and the exit status that is no answer.
const EXITS: [(&str, &str); 9] = [
    ("exits_0", "exit status 0"),
    ("exits_3", "exit status 3"),
    ("leaves_0", "exit status 0"),
    ("ends_its_thread", "exit status 0"),
    ("ends_as_c11", "exit status 0"),
    ("cancels_itself", "exit status 0"),
    ("is_cancelled", "exit status 0"),
    ("is_cancelled_and_returns", "exit status 0"),
    ("becomes_a_daemon", "exit status 0"),
];

fn functions(table: &[(&str, &str)], keys: &str) -> Vec<String> {
    table.iter().map(|(name, _)| fault("deaths", name, keys)).collect()
}

#[test]
fn each_signal_is_a_crash_by_its_name() {
    in_each_mode(
        |keys| functions(&SIGNALS, keys),
        |stage| {
            for (name, signal) in SIGNALS {
                stage.call(name, refused("crash", signal));
            }
        },
    );
}

#[test]
fn a_death_is_answered_within_50_ms() {
    let _alone = quiet::alone();
    let sample = [SIGNALS[0], SIGNALS[4], SIGNALS[5]];
    in_each_mode(
        |keys| functions(&sample, &with_spares(keys, 1)),
        |stage| {
            let there = |state| stage.cofferdam.metric("cofferdam_workers", &[("state", state)]);
            let spares = || there("spare") + there("idle");
            for (name, _) in sample {
                let once = || {
                    eventually!(spares(), |count| *count == sample.len() as f64);
                    let answer = stage.cofferdam.get(&format!("/{name}"));
                    problem(&answer, 502, "crash");
                    answer.elapsed
                };
                let fastest = (0..4).map(|_| once()).min().unwrap();
                println!("{name}: {fastest:?}");
                assert!(fastest < Duration::from_millis(50), "{name}: {fastest:?}");
            }
        },
    );
}

#[test]
fn leaving_is_no_answer_whatever_the_status() {
    in_each_mode(
        |keys| functions(&EXITS, keys),
        |stage| {
            for (name, status) in EXITS {
                stage.call(name, refused("exit", status));
            }
        },
    );
}

/// The C library loads its unwinder then, which a sandbox must let it.
#[test]
fn leaving_is_seen_under_an_allow_list_too() {
    let keys = "sandbox = \"strict\"";
    let names = ["ends_its_thread", "ends_as_c11", "cancels_itself"];
    let stage = Stage::new("strict", "", &names.map(|name| fault("deaths", name, keys)));
    for name in names {
        stage.call(name, refused("exit", "exit status 0"));
    }
    stage.ends_well();
}

#[test]
fn a_thread_of_the_library_may_end() {
    in_each_mode(
        |keys| vec![fault("deaths", "ends_another_thread", keys)],
        |stage| drop(stage.call("ends_another_thread", fine("7"))),
    );
}

#[test]
fn a_process_that_is_another_program_answers_nothing() {
    in_each_mode(
        |keys| vec![fault("deaths", "becomes_another_program", keys)],
        |stage| drop(stage.call("becomes_another_program", refused("protocol", ""))),
    );
}

#[test]
fn a_function_that_returns_twice_answers_once() {
    in_each_of(
        &ONE_SHOT,
        |keys| vec![fault("deaths", "returns_twice", keys)],
        |stage| {
            for _ in 0..5 {
                assert_eq!(stage.call("returns_twice", fine("7")).text(), "7\n");
            }
        },
    );
}

/// Another call is another process, so mode `process` alone promises it.
#[test]
fn a_smashed_heap_is_no_other_calls() {
    let functions = ["smashes", "is_clean"].map(|name| fault("deaths", name, ""));
    let stage = Stage::new("process", "", &functions);
    for _ in 0..3 {
        let smashed = stage.cofferdam.get("/smashes");
        assert!([200, 502].contains(&smashed.status), "{}", smashed.text());
        assert_eq!(stage.cofferdam.get("/is_clean").text(), "1\n");
    }
    stage.ends_well();
}

fn streams(keys: &str) -> Vec<String> {
    let handler = |name: &str| fault("deaths", name, &format!("handler = \"{name}\"\n{keys}"));
    ["streams_then_exits", "streams_then_crashes", "cancels_a_handler", "ends_a_handler"]
        .map(handler)
        .to_vec()
}

#[test]
fn a_stream_that_was_begun_is_aborted() {
    in_each_mode(streams, |stage| {
        stage.breaks("streams_then_exits", "begun", "exit");
        stage.breaks("streams_then_crashes", "begun", "crash");
        stage.breaks("cancels_a_handler", "begun", "exit");
        stage.call("ends_a_handler", refused("exit", "exit status 0"));
    });
}

#[test]
fn a_stream_of_http2_is_reset() {
    in_each_mode(streams, |stage| {
        let client = Http2::open(stage.cofferdam.addr());
        let url = |name: &str| format!("http://{}/{name}", stage.cofferdam.addr());
        let broken = client.send(Http2::request("GET", &url("streams_then_exits"), b""));
        assert!(broken.status == 200 && !broken.complete, "{broken:?}");
        // The connection serves on.
        let pong = client.send(Http2::request("GET", &url("pong"), b""));
        assert!(pong.complete && pong.text() == "pong\n");
    });
}
