//! Memory, crowds of processes, and what calls leave behind: limited by control groups, and gone with the call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam::child::groups::{Controller, place};

use crate::calls::ground::{
    Calm, beside_a_neighbour, calls, detail, function, json, logged, of, problem, start, start_with,
};
use crate::support::process::Process;
use crate::support::{Cofferdam, http};

const OWN: &str = "sandbox = \"own\"\n";

fn crowd(name: &str, keys: &str) -> String {
    function(name, "crowd", &format!("prototype = \"int {name}(void)\"\n{keys}"), "")
}

fn hog(name: &str) -> String {
    let keys = format!(
        "prototype = \"int {name}(int mib)\"\narguments = {{ mib = {{ query = \"v\" }} }}\n{OWN}"
    );
    function(name, "crowd", &keys, "")
}

/// Whether this machine has the controller; else the test says that it is skipped, and why.
fn has(controller: Controller) -> bool {
    place(controller).map_err(|why| println!("skipped: {why}")).is_ok()
}

/// Groups of workers of this proxy.
fn groups(cofferdam: &Cofferdam, controller: Controller) -> Vec<PathBuf> {
    let home = place(controller).unwrap().folder().join(format!("cofferdam.{}", cofferdam.pid()));
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn a_daemon_is_gone_with_its_call_and_does_not_delay_it() {
    let cofferdam = start(&[crowd("daemonises", "")]);
    let calm = Calm::of(&cofferdam);
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/daemonises"));
    assert_eq!(answer.status, 200);
    let daemon = u32::try_from(json(&answer).as_u64().unwrap()).unwrap();
    eventually!(Process::of(daemon), Option::is_none);
    calm.returns(&cofferdam);
    eventually!(of(&cofferdam, "worker_leftovers_total", "daemonises", &[]), |n| *n == 2.0);
    assert_eq!(calls(&cofferdam, "daemonises", "ok"), 1.0);
}

#[test]
fn a_daemon_that_hides_its_mark_is_gone_too() {
    let cofferdam = start(&[crowd("daemonises_in_disguise", "")]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get("/daemonises_in_disguise");
    let daemon = u32::try_from(json(&answer).as_u64().unwrap()).unwrap();
    eventually!(Process::of(daemon), Option::is_none);
    calm.returns(&cofferdam);
}

#[test]
fn a_child_that_was_there_before_the_proxy_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("entry");
    let program = env!("CARGO_BIN_EXE_cofferdam");
    std::fs::write(&script, format!("#!/bin/sh\nsleep 60 &\nexec {program} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let file = format!("[defaults]\nspares = \"off\"\n\n{}", crowd("daemonises", ""));
    let mut cofferdam = Cofferdam::builder().config(&file).program(&script).start();
    let sleeper = cofferdam.workers().into_iter().find(|child| child.name == "sleep").unwrap();
    let answer = cofferdam.get("/daemonises");
    let daemon = u32::try_from(json(&answer).as_u64().unwrap()).unwrap();
    eventually!(Process::of(daemon), Option::is_none);
    assert!(sleeper.is_alive());
    cofferdam.signal(rustix::process::Signal::TERM);
    assert!(cofferdam.wait(Duration::from_secs(10)).success());
    assert!(sleeper.is_alive());
    sleeper.signal(rustix::process::Signal::KILL);
}

#[test]
fn a_daemon_of_a_call_that_runs_lives_as_long_as_that() {
    let cofferdam = start(&[
        crowd("daemonises", ""),
        crowd("daemonises_and_hangs", "timeout = \"2s\"\nkill_grace = \"off\"\n"),
    ]);
    let calm = Calm::of(&cofferdam);
    let hanging = crate::calls::ground::ask(&cofferdam, "/daemonises_and_hangs");
    let daemons = || {
        let children = cofferdam.workers();
        children.iter().filter(|child| child.name == "cof:daemonises_").count()
    };
    // Its worker, and its daemon.
    eventually!(daemons(), |n| *n == 2);
    let answer = cofferdam.get("/daemonises");
    let other = u32::try_from(json(&answer).as_u64().unwrap()).unwrap();
    eventually!(Process::of(other), Option::is_none);
    assert_eq!(daemons(), 2);
    problem(&hanging.join().unwrap(), 504, "timeout");
    calm.returns(&cofferdam);
}

#[test]
fn a_fork_bomb_is_limited_and_gone_with_its_call() {
    if !has(Controller::Pids) {
        return;
    }
    let sandbox = "[sandboxes.own]\npids = 50\n";
    let cofferdam = start_with(sandbox, &[crowd("fork_bomb", OWN), crowd("thread_bomb", OWN)]);
    let calm = Calm::of(&cofferdam);
    for (name, left) in [("fork_bomb", 49.0), ("thread_bomb", 0.0)] {
        let path = format!("/{name}");
        let answer = beside_a_neighbour(&cofferdam, move |addr| http::get(addr, &path));
        assert_eq!((answer.status, answer.text().trim()), (200, "49"), "{name}");
        calm.returns(&cofferdam);
        eventually!(of(&cofferdam, "worker_leftovers_total", name, &[]), |n| *n == left);
        assert_eq!(of(&cofferdam, "sandbox_degraded", name, &[]), 0.0);
    }
    eventually!(groups(&cofferdam, Controller::Pids), Vec::is_empty);
}

#[test]
fn a_fork_bomb_without_control_groups_is_gone_with_its_call() {
    let cofferdam = start(&[crowd("fork_bomb", "")]);
    let calm = Calm::of(&cofferdam);
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/fork_bomb"));
    assert_eq!((answer.status, answer.text().trim()), (200, "2000"));
    calm.returns(&cofferdam);
    // Those that had not left the process group yet went with it.
    let left = || of(&cofferdam, "worker_leftovers_total", "fork_bomb", &[]);
    eventually!(left(), |count| (1500.0..=2000.0).contains(count));
}

#[test]
fn a_memory_hog_is_ended_by_the_kernel_and_told_as_that() {
    if !has(Controller::Memory) {
        return;
    }
    let cofferdam =
        start_with("[sandboxes.own]\nmemory = \"64MiB\"\n", &[hog("hog"), hog("hog_in_a_child")]);
    let calm = Calm::of(&cofferdam);
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/hog?v=200"));
    let id = problem(&answer, 502, "oom");
    assert_eq!(
        detail(&answer),
        "the function used more memory than the 67108864 bytes that it may"
    );
    assert_eq!(calls(&cofferdam, "hog", "oom"), 1.0);
    logged(&cofferdam, &id, "\"reason\":\"oom\"");
    calm.returns(&cofferdam);
    let modest = cofferdam.get("/hog?v=20");
    assert_eq!((modest.status, modest.text().trim()), (200, "0"));
    // What it starts counts with it; under version 2 it goes with it as well.
    let child = cofferdam.get("/hog_in_a_child?v=200");
    assert!(child.text().trim() == "1009" || child.status == 502, "{}", child.text());
    calm.returns(&cofferdam);
    eventually!(groups(&cofferdam, Controller::Memory), Vec::is_empty);
}

#[test]
fn the_folders_of_groups_go_with_the_proxy_and_a_killed_ones_with_the_next() {
    if !has(Controller::Pids) {
        return;
    }
    let start = || {
        start_with(
            "[sandboxes.own]\npids = 50\n",
            &[crowd("daemonises", &format!("spares = 2\n{OWN}"))],
        )
    };
    let home =
        |pid: u32| place(Controller::Pids).unwrap().folder().join(format!("cofferdam.{pid}"));
    let first = start();
    let first_home = home(first.pid());
    eventually!(groups(&first, Controller::Pids), |groups| groups.len() == 2);
    first.signal(rustix::process::Signal::KILL);
    drop(first);
    assert!(first_home.exists());
    let second = start();
    assert!(!first_home.exists());
    let second_home = home(second.pid());
    assert!(second_home.exists());
    assert!(second.stop().success());
    eventually!(Path::new(&second_home).exists(), |exists| !exists);
}
