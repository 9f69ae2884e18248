//! `doctor`: what it finds here, and that what is lacking is told with the mend, by it and by a proxy.

use std::process::Command;

use crate::calls::ground::{function, of};
use crate::support::program::cofferdam;
use crate::support::{Cofferdam, skip};

const NAMES: [&str; 13] = [
    "worker",
    "descriptors",
    "files",
    "ports",
    "signals",
    "syscalls",
    "user",
    "memory",
    "pids",
    "leftovers",
    "blocked",
    "spares",
    "priority",
];

/// Whether a line begins with these two words.
fn says(told: &str, word: &str, name: &str) -> bool {
    told.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(word) && words.next() == Some(name)
    })
}

#[test]
fn each_thing_is_ok_or_degraded_and_that_is_no_failure() {
    let ended = cofferdam(["doctor"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.starts_with("Linux "), "{}", ended.stdout);
    for name in NAMES {
        let is_told = says(&ended.stdout, "ok", name) != says(&ended.stdout, "degraded", name);
        assert!(is_told, "{name}: {}", ended.stdout);
    }
    assert!(says(&ended.stdout, "ok", "worker") && says(&ended.stdout, "ok", "syscalls"));
}

#[test]
fn each_system_call_that_is_refused_stands_below_its_reason() {
    let ended = cofferdam(["doctor", "--syscalls"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = ended.stdout.lines().collect();
    let reason_of = |call: &str| {
        let holds =
            |line: &&str| line.starts_with("    ") && line.split(' ').any(|word| word == call);
        lines.iter().position(holds).map(|at| lines[at - 1].trim())
    };
    for (call, reason) in [
        ("ptrace", "read, write or steer another process"),
        ("mount", "change what is mounted, or where the root is"),
        ("getrandom", "chance"),
        ("connect", "connections"),
    ] {
        assert_eq!(reason_of(call), Some(reason), "{}", ended.stdout);
    }
}

#[test]
fn a_worker_program_that_is_missing_is_told() {
    let ended = cofferdam(["--worker", "/nowhere/cofferdam-worker", "doctor"]);
    assert_eq!(ended.code, Some(0));
    assert!(says(&ended.stdout, "degraded", "worker"), "{}", ended.stdout);
    assert!(ended.stdout.contains("cargo build --release"), "{}", ended.stdout);
}

/// What starts a program as root without the right to change users; `None` with a reason where that cannot be.
fn without_setuid() -> Option<Vec<&'static str>> {
    let words = vec!["setpriv", "--bounding-set=-setuid,-setgid"];
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give up rights of root");
        return None;
    }
    if !Command::new(words[0])
        .arg(words[1])
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        skip("no setpriv (Debian: util-linux)");
        return None;
    }
    Some(words)
}

#[test]
fn without_the_right_to_change_users_doctor_and_the_proxy_say_so() {
    let Some(words) = without_setuid() else { return };
    let program = env!("CARGO_BIN_EXE_cofferdam");
    let told = Command::new(words[0]).args(&words[1..]).args([program, "doctor"]).output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && says(&text, "degraded", "user"), "{text}");
    assert!(text.contains("start the proxy as root"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("cofferdam");
    std::fs::write(&script, format!("#!/bin/sh\nexec {} {program} \"$@\"\n", words.join(" ")))
        .unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let keys = "prototype = \"int user(void)\"\nsandbox = \"own\"\n";
    let file =
        format!("[sandboxes.own]\nuser = \"4711\"\n{}", function("user", "hostile", keys, ""));
    let cofferdam = Cofferdam::builder().config(&file).program(&script).start();
    assert_eq!(of(&cofferdam, "sandbox_degraded", "user", &[("feature", "user")]), 1.0);
    assert_eq!(of(&cofferdam, "sandbox_degraded", "user", &[]), 1.0);
    let told = |line: &String| {
        line.contains("weaker than asked for") && line.contains("\"feature\":\"user\"")
    };
    assert!(cofferdam.stderr().iter().any(told), "{:#?}", cofferdam.stderr());
    assert_eq!(cofferdam.get("/user").text().trim(), "0");
}
