//! `[dossiers]`: a file for each death by a signal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::fickle;
use crate::calls::ground::{Calm, function, problem, start_with};
use crate::faults::ground::{MODES, fault, with_spares};
use crate::support::http::{self};
use crate::support::program::File;
use crate::support::{Cofferdam, quiet};

/// The program with dossiers, in a folder beside its configuration.
#[track_caller]
pub fn writing(keys: &str, functions: &[String]) -> Cofferdam {
    start_with(&format!("[dossiers]\ndirectory = \"dossiers\"\n{keys}\n"), functions)
}

/// The files, the oldest first.
pub fn files(cofferdam: &Cofferdam) -> Vec<PathBuf> {
    let entries = fs::read_dir(cofferdam.beside("dossiers")).unwrap().flatten();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Waits until there are so many, and reads the last.
#[track_caller]
pub fn last(cofferdam: &Cofferdam, count: usize) -> (PathBuf, Value) {
    eventually!(files(cofferdam).len(), |there| *there == count);
    let path = files(cofferdam).pop().unwrap();
    (path.clone(), read(&path))
}

fn written(cofferdam: &Cofferdam, result: &str) -> f64 {
    cofferdam.metric("cofferdam_dossiers_total", &[("result", result)])
}

/// A symbol of the fixture, the signal that ends it, and where: the compiler may have put one function into another.
const DEATHS: [(&str, &str, &[&str]); 8] = [
    ("segv", "SIGSEGV", &["segv"]),
    ("bus", "SIGBUS", &["bus", "touch_nothing"]),
    ("ill", "SIGILL", &["ill"]),
    ("fpe", "SIGFPE", &["fpe"]),
    ("abrt", "SIGABRT", &["abrt"]),
    ("overflow", "SIGSEGV", &["deeper"]),
    ("double_free", "SIGABRT", &["double_free", "free_twice"]),
    ("killed", "SIGKILL", &[]),
];

#[test]
fn each_death_is_written_down_with_the_function_that_it_struck() {
    let strict = ("strict", "sandbox = \"strict\"");
    for (mode, keys) in MODES.into_iter().chain([strict]) {
        // It needs a file, which this sandbox does not leave it.
        let is_there = |name: &str| name != "bus" || mode != "strict";
        let deaths: Vec<_> = DEATHS.iter().filter(|(name, ..)| is_there(name)).collect();
        let functions: Vec<_> =
            deaths.iter().map(|(name, ..)| fault("deaths", name, keys)).collect();
        let cofferdam = writing("", &functions);
        for (count, (name, signal, symbols)) in deaths.iter().enumerate() {
            let id = problem(&cofferdam.get(&format!("/{name}")), 502, "crash");
            let (path, told) = last(&cofferdam, count + 1);
            let what = format!("{mode} {name}: {told:#}");
            assert_eq!(
                (&told["signal"], &told["outcome"]),
                (&json!(signal), &json!("crash")),
                "{what}"
            );
            assert_eq!((&told["function"], &told["route"]), (&json!(name), &json!(name)));
            assert_eq!(told["request_id"], id.as_str());
            assert_eq!(
                told["stderr"].as_str().unwrap().lines().next().unwrap(),
                first_words(name, &told)
            );
            match symbols {
                [] => assert_eq!((&told["symbol"], &told["backtrace"]), (&Value::Null, &json!([]))),
                some => {
                    assert!(some.contains(&told["symbol"].as_str().unwrap()), "{what}");
                    let id = told["build_id"].as_str().unwrap();
                    assert!(id.len() >= 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{what}");
                }
            }
            assert!(told["usage"]["max_resident_bytes"].as_u64().unwrap() > 1 << 16, "{what}");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let segv =
            files(&cofferdam).iter().map(|path| read(path)).find(|d| d["function"] == "segv");
        assert_eq!(segv.unwrap()["address"], "0x8");
        eventually!(written(&cofferdam, "written"), |count| *count == deaths.len() as f64);
    }
}

/// glibc may add words of its own.
fn first_words(name: &str, told: &Value) -> String {
    let all = told["stderr"].as_str().unwrap_or_default();
    let own = format!("last words of {name}");
    assert!(all.starts_with(&own), "{told:#}");
    all.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn who_called_is_found_through_a_thread_and_through_a_jump_to_nowhere() {
    let functions = ["crashes_in_a_thread", "jumps"]
        .map(|name| fickle(name, &format!("prototype = \"int {name}(void)\"")));
    let cofferdam = writing("", &functions);
    problem(&cofferdam.get("/crashes_in_a_thread"), 502, "crash");
    let (_, told) = last(&cofferdam, 1);
    assert!(["crash", "crashes"].contains(&told["symbol"].as_str().unwrap()), "{told:#}");
    problem(&cofferdam.get("/jumps"), 502, "crash");
    let (_, told) = last(&cofferdam, 2);
    assert_eq!((&told["symbol"], &told["address"]), (&json!("jumps"), &json!("0x10")), "{told:#}");
}

#[test]
fn a_librarys_own_handler_is_its_own_and_a_lie_harms_nobody() {
    let functions = ["recovers", "cries_wolf", "cries_wolf_and_dies"]
        .map(|name| fickle(name, &format!("prototype = \"int {name}(void)\"")));
    let cofferdam = writing("", &functions);
    let calm = Calm::of(&cofferdam);
    assert_eq!(cofferdam.get("/recovers").text(), "7\n");
    assert_eq!(cofferdam.get("/cries_wolf").text(), "7\n");
    calm.returns(&cofferdam);
    assert!(files(&cofferdam).is_empty());
    problem(&cofferdam.get("/cries_wolf_and_dies"), 502, "crash");
    let (_, told) = last(&cofferdam, 1);
    // The signal is the kernel's word, the rest is the liar's.
    assert_eq!((&told["signal"], &told["symbol"]), (&json!("SIGKILL"), &Value::Null), "{told:#}");
}

#[test]
fn a_death_is_answered_within_50_ms_all_the_same() {
    let _alone = quiet::alone();
    let sample = ["segv", "abrt", "overflow"];
    for (mode, keys) in MODES {
        let functions = sample.map(|name| fault("deaths", name, &with_spares(keys, 1)));
        let cofferdam = writing("", &functions);
        let there = |state| cofferdam.metric("cofferdam_workers", &[("state", state)]);
        for name in sample {
            let once = || {
                eventually!(there("spare") + there("idle"), |count| *count == sample.len() as f64);
                let answer = cofferdam.get(&format!("/{name}"));
                problem(&answer, 502, "crash");
                answer.elapsed
            };
            let fastest = (0..4).map(|_| once()).min().unwrap();
            println!("{mode} {name}: {fastest:?}");
            assert!(fastest < Duration::from_millis(50), "{mode} {name}: {fastest:?}");
        }
    }
}

/// Signals that a process handles, by `/proc/PID/status`.
fn handled(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

#[test]
fn where_none_are_written_a_worker_handles_no_signal() {
    let functions = |keys: &str| [fault("deaths", "segv", keys)];
    for keys in ["spares = 1", "spares = 1\nspawn = \"fork\""] {
        let plain = start_with("", &functions(keys));
        let told = writing("", &functions(keys));
        for (cofferdam, wanted) in [(&plain, 0), (&told, 0b100_1110_1000)] {
            let spares = || cofferdam.metric("cofferdam_workers", &[("state", "spare")]);
            eventually!(spares(), |count| *count == 1.0);
            // A forked spare is one before it has said anything; a template handles nothing.
            let of_workers = || cofferdam.workers().iter().map(|w| handled(w.pid)).max().unwrap();
            eventually!(of_workers(), |handled| *handled == wanted);
        }
    }
}

#[test]
fn the_oldest_go() {
    let cofferdam = writing("keep = 2", &[fault("deaths", "segv", "")]);
    let mut ids = Vec::new();
    for count in 1..=4 {
        ids.push(problem(&cofferdam.get("/segv"), 502, "crash"));
        eventually!(written(&cofferdam, "written"), |written| *written == f64::from(count));
    }
    let left: Vec<_> =
        files(&cofferdam).iter().map(|path| read(path)["request_id"].clone()).collect();
    assert_eq!(left, ids[2..]);
}

const TAKES: &str = "prototype = \"int takes(const uint8_t *in, size_t length, int n, const char *token)\"\n\
     arguments = { in = \"body\", length = { len = \"in\" }, n = { query = \"n\" }, token = { query = \"token\" } }";

#[test]
fn what_a_function_was_given_is_redacted_unless_all_is_asked_for() {
    for (keys, body) in
        [("", json!({ "redacted": 2 })), ("inputs = \"whole\"", json!({ "hex": "ff00" }))]
    {
        let cofferdam = writing(keys, &[fickle("f", TAKES)]);
        problem(&http::post(cofferdam.addr(), "/f?n=5&token=secret", b"\xff\0"), 502, "crash");
        let (path, told) = last(&cofferdam, 1);
        let expected = json!({ "in": body, "n": 5, "token": { "redacted": 6 } });
        assert_eq!(told["inputs"]["arguments"], expected);
        assert_eq!(
            (&told["method"], &told["target"]),
            (&json!("POST"), &json!("/f?n=5&token=[redacted]"))
        );
        assert!(!fs::read_to_string(path).unwrap().contains("secret"));
    }
}

#[test]
fn a_handlers_request_phases_and_retries_are_there() {
    let keys = "handler = \"dislikes_body\"\ntraits = [\"idempotent\"]\nretry = 1";
    let cofferdam = writing("", &[function("f", "fickle", keys, "")]);
    let headers =
        [("authorization", "Bearer secret"), ("user-agent", "tests"), ("x-own", "secret")];
    problem(
        &http::request(cofferdam.addr(), "POST", "/f?token=secret", &headers, b"poison"),
        502,
        "crash",
    );
    let (path, told) = last(&cofferdam, 2);
    assert_eq!((&told["run"], &told["stderr"]), (&json!(2), &json!("it read 6 bytes")));
    assert!(told["phases"].as_str().unwrap().starts_with("tasting="), "{told:#}");
    let request = &told["inputs"]["request"];
    assert_eq!(
        (&request["body"], &request["query"]),
        (&json!({ "redacted": 6 }), &json!("token=[redacted]"))
    );
    let header = |name: &str| {
        let all = request["headers"].as_array().unwrap();
        all.iter().find(|header| header[0] == name).unwrap()[1].clone()
    };
    assert_eq!((header("user-agent"), header("x-own")), (json!("tests"), json!({ "redacted": 6 })));
    assert!(!fs::read_to_string(path).unwrap().contains("secret"));
    assert!(told["seconds"]["wall"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_death_amid_an_answer_is_one_too() {
    let keys = "handler = \"streams_then_crashes\"";
    let cofferdam = writing("", &[fault("deaths", "f", keys)]);
    assert!(!cofferdam.get("/f").complete);
    let (_, told) = last(&cofferdam, 1);
    let expected = (&json!("SIGABRT"), &json!("streams_then_crashes"));
    assert_eq!((&told["signal"], &told["symbol"]), expected);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused_at_the_start() {
    let file = File::of(
        "listen = \"127.0.0.1:0\"\n[admin]\naddress = \"off\"\n[dossiers]\ndirectory = \"file\"\n",
    )
    .with("file", b"");
    for command in ["run", "check"] {
        let ended = file.run(command, &[]);
        assert_eq!(ended.code, Some(78), "{command}: {ended:?}");
        assert!(ended.stderr.contains("[dossiers] directory = \""), "{command}: {ended:?}");
    }
}

/// It is full: nobody waits for it, and the loss is counted.
#[test]
fn what_cannot_be_written_is_counted_and_holds_nobody_up() {
    let cofferdam = writing("", &[fault("deaths", "segv", "")]);
    fs::remove_dir_all(cofferdam.beside("dossiers")).unwrap();
    problem(&cofferdam.get("/segv"), 502, "crash");
    eventually!(written(&cofferdam, "failed"), |count| *count == 1.0);
    assert_eq!(cofferdam.get("/pong").status, 200);
}
