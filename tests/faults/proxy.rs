//! What befalls the proxy itself, as the first process of a pid namespace and without room for descriptors.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::ground::fault;
use crate::calls::ground::{json, of, problem};
use crate::support::http::Connection;
use crate::support::process::{self, Process};
use crate::support::{Cofferdam, skip};

/// The program as process 1 of a namespace with a `/proc` of its own; `None` where this user may not make one.
fn first_process(functions: &str) -> Option<Cofferdam> {
    let words = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let may = Command::new("unshare").args(words).arg("true").output();
    if !may.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("first");
    let program = env!("CARGO_BIN_EXE_cofferdam");
    let text = format!("#!/bin/sh\nexec unshare {} {program} \"$@\"\n", words.join(" "));
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let file = format!("[defaults]\nspares = \"off\"\n\n{functions}");
    Some(Cofferdam::builder().config(&file).program(&script).start())
}

/// Runs a shell command beside the first process.
fn beside(first: &Process, command: &str) {
    let target = first.pid.to_string();
    let words = ["--target", &target, "--pid", "--mount", "sh", "-c", command];
    assert!(Command::new("nsenter").args(words).status().unwrap().success());
}

#[test]
fn as_process_1_it_reaps_orphans_and_leaves_strangers_alone() {
    let functions = [
        fault("crowd", "daemonises", ""),
        fault("deaths", "segv", ""),
        fault("deaths", "ends_another_thread", ""),
    ];
    let Some(mut cofferdam) = first_process(&functions.concat()) else {
        return skip("no pid namespace can be made: unshare(1), as root");
    };
    let first = cofferdam.workers().into_iter().next().unwrap();
    let below = || process::descendants(first.pid).len();
    problem(&cofferdam.get("/segv"), 502, "crash");
    assert_eq!(cofferdam.get("/ends_another_thread").text(), "7\n");
    assert!(json(&cofferdam.get("/daemonises")).as_i64().unwrap() > 1);
    eventually!(below(), |count| *count == 0);
    eventually!(of(&cofferdam, "worker_leftovers_total", "daemonises", &[]), |n| *n == 2.0);

    // An orphan of somebody else, as a health check in a container leaves them; no call comes after it.
    beside(&first, "(sleep 0.3 &)");
    eventually!(process::children(first.pid).iter().any(|child| child.name == "sleep"));
    eventually!(below(), |count| *count == 0);
    assert_eq!(process::zombies(first.pid), 0);
    first.signal(Signal::TERM);
    assert!(cofferdam.wait(Duration::from_secs(10)).success());
}

/// A start needs descriptors: without, the call is refused, and the next one with them is served.
#[test]
fn without_descriptors_a_start_fails_and_the_next_one_does_not() {
    let functions = fault("deaths", "ends_another_thread", "");
    let file = format!("[defaults]\nspares = \"off\"\n\n{functions}");
    let cofferdam = Cofferdam::builder().config(&file).descriptors(96).start();
    let mut asking = Connection::open(cofferdam.addr()).unwrap();
    let path = "/ends_another_thread";
    assert_eq!(asking.request("GET", path, &[], b"").unwrap().text(), "7\n");
    let mut idle = Vec::new();
    let full = |cofferdam: &Cofferdam| process::descriptors(cofferdam.pid()).len() >= 94;
    for _ in 0..96 {
        idle.push(Connection::open(cofferdam.addr()).unwrap());
        if idle.len() > 30 && full(&cofferdam) {
            break;
        }
    }
    eventually!(full(&cofferdam));
    let refused = asking.request("GET", path, &[], b"").unwrap();
    problem(&refused, 503, "start_failed");
    idle.clear();
    eventually!(asking.request("GET", path, &[], b"").unwrap().status, |status| *status == 200);
    eventually!(of(&cofferdam, "slots_in_use", "ends_another_thread", &[]), |count| *count == 0.0);
}

#[test]
fn a_worker_program_that_is_gone_from_the_disk_still_starts() {
    let folder = tempfile::tempdir().unwrap();
    let built = Path::new(env!("CARGO_BIN_EXE_cofferdam-worker"));
    let worker = folder.path().join("cofferdam-worker");
    std::fs::copy(built, &worker).unwrap();
    let functions = fault("deaths", "ends_another_thread", "");
    let file = format!("[defaults]\nspares = \"off\"\n\n{functions}");
    let named = worker.to_str().unwrap();
    let cofferdam =
        Cofferdam::builder().config(&file).environment("COFFERDAM_WORKER", named).start();
    std::fs::remove_file(&worker).unwrap();
    for _ in 0..3 {
        assert_eq!(cofferdam.get("/ends_another_thread").text(), "7\n");
    }
}

#[test]
fn a_full_disk_costs_lines_of_the_log_and_no_request() {
    let file = "[log.access]\nformat = \"text\"\nfile = \"/dev/full\"\n\
                [[routes]]\npath = \"/pong\"\nrespond = { body = \"pong\\n\" }\n";
    let cofferdam = Cofferdam::start(file);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    for _ in 0..500 {
        assert_eq!(client.request("GET", "/pong", &[], b"").unwrap().text(), "pong\n");
    }
    eventually!(cofferdam.metric("cofferdam_log_lines_dropped_total", &[]), |lost| *lost > 0.0);
    assert!(cofferdam.stop().success());
}
