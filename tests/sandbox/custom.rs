//! `[sandboxes.NAME]`: a level with some keys changed.

use std::net::TcpListener;

use super::{EACCES, EPERM, GOT_AWAY, hostile, hostile_with, is_root, tries};
use crate::calls::ground::{calls, function, of, problem, start_with};
use crate::support::skip;

const OWN: &str = "sandbox = \"own\"\n";

#[test]
fn only_listed_files_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (open, closed) = (place("open"), place("closed"));
    std::fs::create_dir(&open).unwrap();
    std::fs::write(&closed, "secret").unwrap();
    let sandbox = format!("[sandboxes.own]\nread = [\"{open}\"]\nwrite = [\"{open}\"]\n");
    let path = |name| hostile_with(name, "const char *path", OWN);
    let cofferdam = start_with(
        &sandbox,
        &[
            path("read_file"),
            path("write_file"),
            path("remove_file"),
            path("cut_file"),
            hostile("ordinary_work", OWN),
        ],
    );
    let rows = [
        ("write_file", format!("{open}/new"), GOT_AWAY),
        ("read_file", format!("{open}/new"), GOT_AWAY),
        ("cut_file", format!("{open}/new"), GOT_AWAY),
        ("remove_file", format!("{open}/new"), GOT_AWAY),
        ("read_file", closed.clone(), EACCES),
        ("write_file", closed.clone(), EACCES),
        ("cut_file", closed.clone(), EACCES),
        ("remove_file", closed.clone(), EACCES),
        ("read_file", "/etc/passwd".into(), EACCES),
        ("write_file", "/tmp/cofferdam-was-here".into(), EACCES),
    ];
    for (name, path, expected) in rows {
        assert_eq!(tries(&cofferdam, &format!("/{name}?v={path}")), expected, "{name} {path}");
    }
    assert_eq!(tries(&cofferdam, "/ordinary_work"), GOT_AWAY);
    assert_eq!(std::fs::read_to_string(closed).unwrap(), "secret");
}

#[test]
fn only_listed_ports_are_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    for level in ["basic", "strict"] {
        let sandbox = format!(
            "[sandboxes.own]\nlevel = \"{level}\"\nconnect = [{}]\nbind = []\n",
            port(&listener)
        );
        let cofferdam = start_with(
            &sandbox,
            &[hostile_with("connect_to", "int port", OWN), hostile("listen_somewhere", OWN)],
        );
        assert_eq!(tries(&cofferdam, &format!("/connect_to?v={}", port(&listener))), GOT_AWAY);
        assert_eq!(tries(&cofferdam, &format!("/connect_to?v={}", port(&other))), EACCES);
        assert_eq!(tries(&cofferdam, "/listen_somewhere"), EACCES, "{level}");
    }
}

#[test]
fn system_calls_are_denied_and_allowed_by_name() {
    let denied = "[sandboxes.own]\ndeny_syscalls = [\"execve\", \"execveat\", \"fork\", \"clone\", \"vfork\"]\n";
    let cofferdam = start_with(denied, &[hostile("make_process", OWN)]);
    assert_eq!(tries(&cofferdam, "/make_process"), EPERM);
    let allowed =
        "[sandboxes.own]\nlevel = \"strict\"\nallow_syscalls = [\"fork\", \"clone\", \"wait4\"]\n";
    let cofferdam = start_with(allowed, &[hostile("make_process", OWN), hostile("shell", OWN)]);
    assert_eq!(tries(&cofferdam, "/make_process"), GOT_AWAY);
    problem(&cofferdam.get("/kill_nobody"), 404, "no_route");
    let allowed = "[sandboxes.own]\nallow_syscalls = [\"keyctl\"]\n";
    let cofferdam = start_with(allowed, &[hostile("keyring", OWN)]);
    assert_ne!(tries(&cofferdam, "/keyring"), EPERM);
}

#[test]
fn the_environment_is_what_is_listed() {
    let sandbox = "[sandboxes.own]\nenvironment = [\"PATH\", \"MODE=a b\"]\n";
    let prototype = "prototype = \"const char *variable(const char *name)\"\narguments = { name = { query = \"v\" } }\n";
    let cofferdam = start_with(
        sandbox,
        &[
            function("variable", "hostile", &format!("{prototype}{OWN}"), ""),
            hostile("variables", OWN),
        ],
    );
    let value = |name| cofferdam.get(&format!("/variable?v={name}")).text();
    assert_eq!((value("MODE"), value("HOME")), ("a b".to_owned(), String::new()));
    // And the mark of the worker.
    assert_eq!(tries(&cofferdam, "/variables"), 3);
}

#[test]
fn limits_hold() {
    let sandbox =
        "[sandboxes.own]\nlimits = { cpu = \"1s\", file_size = \"1MiB\", open_files = 20 }\n";
    let cofferdam = start_with(
        sandbox,
        &[
            hostile("leak_descriptors", OWN),
            hostile("spin", OWN),
            hostile_with("big_file", "const char *path", OWN),
        ],
    );
    // The control socket stands above the limit: it was there before.
    assert_eq!(tries(&cofferdam, "/leak_descriptors"), 17);
    let told = cofferdam.get("/spin");
    problem(&told, 502, "crash");
    assert!(told.text().contains("SIGXCPU"), "{}", told.text());
    let big = cofferdam.beside("big");
    let told = cofferdam.get(&format!("/big_file?v={}", big.display()));
    problem(&told, 502, "crash");
    assert!(told.text().contains("SIGXFSZ"), "{}", told.text());
    assert_eq!(std::fs::metadata(big).unwrap().len(), 1 << 20);
}

#[test]
fn another_user_runs_the_call_and_is_still_seen_waiting() {
    if !is_root() {
        return skip("another user needs root");
    }
    let sandbox = "[sandboxes.own]\nuser = \"4711\"\ngroup = \"4712\"\n";
    let wait = function(
        "wait",
        "times",
        "prototype = \"int sleep_ms(int ms)\"\narguments = { ms = 200 }\nsandbox = \"own\"\n",
        "",
    );
    let cofferdam = start_with(
        sandbox,
        &[
            hostile("user", OWN),
            hostile("groups", OWN),
            hostile("kill_parent", OWN),
            hostile_with("read_file", "const char *path", OWN),
            wait,
        ],
    );
    assert_eq!(tries(&cofferdam, "/user"), 4711 * 100_000 + 4712);
    assert_eq!(tries(&cofferdam, "/groups"), 0);
    assert_eq!(tries(&cofferdam, "/kill_parent"), EPERM);
    assert_eq!(tries(&cofferdam, "/read_file?v=/etc/shadow"), EACCES);
    assert_eq!(cofferdam.get("/wait").status, 200);
    assert_eq!(calls(&cofferdam, "wait", "ok"), 1.0);
    let slept = [("syscall", "clock_nanosleep")];
    assert!(of(&cofferdam, "call_blocked_seconds_total", "wait", &slept) > 0.05);
}
