//! What is written of slow calls: while they run, with what they wait for and their stack, and when they end.

use std::io::Write;
use std::net::TcpListener;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use super::ground::{ask, calls, function, of, start};
use crate::support::load::at_once;
use crate::support::{Cofferdam, http};

/// The lines of one state, parsed.
fn lines(cofferdam: &Cofferdam, state: &str) -> Vec<Value> {
    let lines = cofferdam.stderr();
    let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|line| line["state"] == state).collect()
}

#[track_caller]
fn line(cofferdam: &Cofferdam, state: &str) -> Value {
    eventually!(lines(cofferdam, state), |lines| !lines.is_empty());
    lines(cofferdam, state).remove(0)
}

fn waits(symbol: &str, arguments: &str, keys: &str) -> String {
    let keys = format!(
        "prototype = \"const char *{symbol}\"\narguments = {{ {arguments} }}\n\
         slow_log = \"300ms\"\ntraits = [\"reusable\", \"threadsafe\"]\n{keys}"
    );
    function("f", "waits", &keys, "")
}

fn seconds(line: &Value, field: &str) -> f64 {
    line[field].as_f64().unwrap_or_else(|| panic!("no {field} in {line}"))
}

#[test]
fn a_slow_call_is_told_of_while_it_runs_and_when_it_ends() {
    for mode in ["process", "pool", "thread"] {
        let peer = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = peer.local_addr().unwrap();
        let arguments = format!("port = {}", at.port());
        let function = waits("take(int port)", &arguments, &format!("mode = \"{mode}\""));
        let cofferdam = start(&[function]);
        let call = ask(&cofferdam, "/f");
        let (mut client, _) = peer.accept().unwrap();
        let running = line(&cofferdam, "running");
        assert_eq!(running["doing"], format!("recvfrom on tcp {at}"), "{running}");
        assert_eq!((&running["function"], &running["route"]), (&"f".into(), &"f".into()));
        assert!(seconds(&running, "took") >= 0.3, "{running}");
        let stack = running["stack"].as_str().unwrap();
        if cfg!(target_arch = "x86_64") {
            let place = |name: &str| stack.find(name).unwrap_or_else(|| panic!("{name}: {stack}"));
            assert!(place("libc.so.6!") < place("libwaits.so!read_all+"), "{stack}");
            assert!(place("libwaits.so!read_all+") < place("libwaits.so!take+"), "{stack}");
            assert!(
                mode == "thread" || stack.rsplit(" < ").next().unwrap().contains("take+"),
                "{stack}"
            );
        }
        let (blocked, took) = (seconds(&running, "blocked"), seconds(&running, "took"));
        assert!(blocked > took * 0.9, "{running}");
        client.write_all(b"at last").unwrap();
        drop(client);
        let answer = call.join().unwrap();
        let ended = line(&cofferdam, "ended");
        assert_eq!(ended["request_id"], running["request_id"]);
        assert_eq!(ended["request_id"].as_str(), answer.header("x-request-id"));
        assert_eq!(ended["outcome"], "ok");
        assert!(
            ended["waits"].as_str().unwrap().contains(&format!("s recvfrom on tcp {at}")),
            "{ended}"
        );
        let parts = ["cpu", "runqueue", "blocked"].map(|part| seconds(&ended, part));
        assert!((parts.iter().sum::<f64>() - seconds(&ended, "took")).abs() < 1e-6, "{ended}");
        assert_eq!(of(&cofferdam, "slow_calls_total", "f", &[]), 1.0);
    }
}

#[test]
fn a_lock_has_a_name_and_other_threads_are_told_of() {
    let cofferdam = start(&[waits("lock(int ms)", "ms = 1500", "")]);
    let call = ask(&cofferdam, "/f");
    let running = line(&cofferdam, "running");
    assert_eq!(running["doing"], "futex on libwaits.so!shared_lock+0x0", "{running}");
    assert_eq!(running["threads"], 2);
    assert!(running["others"].as_str().unwrap().contains(": clock_nanosleep"), "{running}");
    assert_eq!(call.join().unwrap().status, 200);
}

#[test]
fn no_sandbox_hides_what_a_call_waits_for() {
    for sandbox in ["off", "strict"] {
        let keys = format!("sandbox = \"{sandbox}\"");
        let cofferdam = start(&[waits("nap(int ms)", "ms = 1000", &keys)]);
        let call = ask(&cofferdam, "/f");
        let running = line(&cofferdam, "running");
        assert_eq!(running["doing"], "clock_nanosleep", "{running}");
        let stack = running["stack"].as_str().unwrap_or_default();
        assert!(
            stack.contains("libwaits.so!nap+") || cfg!(not(target_arch = "x86_64")),
            "{running}"
        );
        assert_eq!(call.join().unwrap().status, 200);
    }
}

#[test]
fn a_path_cannot_forge_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a\nb");
    let file = std::fs::File::create(&path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    let arguments = format!("path = {{ const = \"{}/a\\nb\" }}", folder.path().display());
    let cofferdam = start(&[waits("locked_file(const char *path)", &arguments, "")]);
    let call = ask(&cofferdam, "/f");
    let running = line(&cofferdam, "running");
    let doing = running["doing"].as_str().unwrap();
    assert!(doing.starts_with("flock on /") && doing.ends_with("/a\\nb"), "{doing}");
    flock(&file, FlockOperation::Unlock).unwrap();
    assert_eq!(call.join().unwrap().status, 200);
}

#[test]
fn many_slow_calls_at_once_are_a_few_lines_and_a_count() {
    const CALLS: usize = 60;
    let keys = format!("max_concurrency = {CALLS}");
    let cofferdam = start(&[waits("nap(int ms)", "ms = 900", &keys)]);
    let addr = cofferdam.addr();
    let answers = at_once(CALLS, move |_| http::get(addr, "/f")).0;
    assert!(answers.iter().all(|answer| answer.status == 200));
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == CALLS as f64);
    let counted = |name| of(&cofferdam, name, "f", &[]);
    assert_eq!(counted("slow_calls_total"), CALLS as f64);
    let unlogged = counted("slow_calls_unlogged_total");
    let logged = CALLS as f64 - unlogged;
    assert!((5.0..20.0).contains(&logged), "{logged} of {CALLS}");
    eventually!(lines(&cofferdam, "ended").len(), |lines| *lines as f64 == logged);
}

#[test]
fn a_quick_call_and_one_that_nobody_asks_about_have_no_line() {
    let off = waits("nap(int ms)", "ms = 500", "").replace("\"300ms\"", "\"off\"");
    let cofferdam = start(&[off]);
    assert_eq!(cofferdam.get("/f").status, 200);
    let cofferdam_quick = start(&[waits("nap(int ms)", "ms = 1", "")]);
    assert_eq!(cofferdam_quick.get("/f").status, 200);
    for cofferdam in [cofferdam, cofferdam_quick] {
        eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 1.0);
        assert_eq!(of(&cofferdam, "slow_calls_total", "f", &[]), 0.0);
        assert_eq!(lines(&cofferdam, "ended").len(), 0);
    }
}
