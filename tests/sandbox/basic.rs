//! `basic`, the default, and `off` beside it: what the one denies, the other shows to be possible.

use super::{EACCES, ENOSYS, EPERM, GOT_AWAY, hostile, hostile_with, is_root, tries};
use crate::calls::ground::{of, start};
use crate::support::Cofferdam;

/// Attacks on the proxy and on the machine, and what stops them.
const ATTACKS: &[(&str, i64)] = &[
    ("kill_parent", EPERM),
    ("kill_everybody", EPERM),
    ("kill_group_of_parent", EPERM),
    ("queue_to_parent", EPERM),
    ("trace_parent", EPERM),
    ("limit_parent", EPERM),
    ("renice_parent", EPERM),
    ("pin_parent", EPERM),
    ("read_memory_of_parent", EACCES),
    ("read_environment_of_parent", EACCES),
    ("descriptors_of_parent", EACCES),
    ("outlive_parent", EPERM),
    ("become_somebody", EPERM),
    ("new_namespace", EPERM),
    ("new_user_namespace", EPERM),
    ("clone_namespace", EPERM),
    ("mount_something", EPERM),
    ("new_root", EPERM),
    ("load_module", EPERM),
    ("set_name_of_machine", EPERM),
    ("keyring", EPERM),
    ("filter_bypass", EPERM),
    ("paste", EPERM),
    ("foreign_convention", ENOSYS),
    ("strong_capabilities", EPERM),
];

/// What ordinary libraries do.
const ORDINARY: &[&str] = &["ordinary_work", "shell", "make_process", "listen_somewhere"];

#[test]
fn attacks_on_the_proxy_and_the_machine_are_denied() {
    let functions: Vec<_> = ATTACKS.iter().map(|(name, _)| hostile(name, "")).collect();
    let cofferdam = start(&functions);
    for (name, stopped_by) in ATTACKS {
        assert_eq!(tries(&cofferdam, &format!("/{name}")), *stopped_by, "{name}");
        assert_eq!(of(&cofferdam, "sandbox_info", name, &[("level", "basic")]), 1.0);
        assert_eq!(of(&cofferdam, "sandbox_info", name, &[]), 1.0);
        assert_eq!(of(&cofferdam, "sandbox_degraded", name, &[]), 0.0, "{name}");
    }
}

#[test]
fn the_same_attacks_get_away_without_a_sandbox() {
    let attacks = [
        "kill_parent",
        "trace_parent",
        "read_memory_of_parent",
        "outlive_parent",
        "become_somebody",
    ];
    let as_root = ["new_namespace", "set_name_of_machine", "strong_capabilities"];
    let attacks = attacks.iter().chain(as_root.iter().filter(|_| is_root()));
    let functions: Vec<_> =
        attacks.clone().map(|name| hostile(name, "sandbox = \"off\"\n")).collect();
    let cofferdam = start(&functions);
    for name in attacks {
        assert_eq!(tries(&cofferdam, &format!("/{name}")), GOT_AWAY, "{name}");
        assert_eq!(of(&cofferdam, "sandbox_info", name, &[("level", "off")]), 1.0);
    }
}

#[test]
fn ordinary_libraries_notice_nothing() {
    let functions: Vec<_> = ORDINARY.iter().map(|name| hostile(name, "")).collect();
    let cofferdam = start(&functions);
    for name in ORDINARY {
        assert_eq!(tries(&cofferdam, &format!("/{name}")), GOT_AWAY, "{name}");
    }
}

#[test]
fn a_process_that_is_nobody_of_its_own_gets_no_signal() {
    let kill = |keys| hostile_with("kill_stranger", "int pid", keys);
    let me = format!("/kill_stranger?v={}", std::process::id());
    assert_eq!(tries(&start(&[kill("")]), &me), EPERM);
    assert_eq!(tries(&start(&[kill("sandbox = \"off\"\n")]), &me), GOT_AWAY);
}

#[test]
fn the_systems_folders_are_read_and_not_written() {
    let cofferdam = start(&[
        hostile_with("read_file", "const char *path", ""),
        hostile_with("write_file", "const char *path", ""),
        hostile_with("remove_file", "const char *path", ""),
    ]);
    assert_eq!(tries(&cofferdam, "/read_file?v=/etc/passwd"), GOT_AWAY);
    for path in
        ["/etc/cofferdam-was-here", "/usr/lib/cofferdam-was-here", "/proc/sys/kernel/hostname"]
    {
        assert_eq!(tries(&cofferdam, &format!("/write_file?v={path}")), EACCES, "{path}");
    }
    let scratch = cofferdam.beside("scratch");
    for (name, path) in [("write_file", scratch.as_path()), ("write_file", "/dev/null".as_ref())] {
        assert_eq!(tries(&cofferdam, &format!("/{name}?v={}", path.display())), GOT_AWAY);
    }
    assert_eq!(tries(&cofferdam, &format!("/remove_file?v={}", scratch.display())), GOT_AWAY);
    assert!(!scratch.exists());
}

#[test]
fn the_environment_holds_nothing_of_the_apps() {
    let variable = |keys| {
        let prototype = "prototype = \"const char *variable(const char *name)\"\narguments = { name = { query = \"v\" } }\n";
        crate::calls::ground::function("variable", "hostile", &format!("{prototype}{keys}"), "")
    };
    let started = |keys| {
        let functions = format!("[defaults]\nspares = \"off\"\n\n{}", variable(keys));
        let builder = Cofferdam::builder().config(&functions);
        builder.environment("DATABASE_PASSWORD", "s3cret").environment("LC_TIME", "C").start()
    };
    let value = |cofferdam: &Cofferdam, name| cofferdam.get(&format!("/variable?v={name}")).text();
    let basic = started("");
    assert_eq!(value(&basic, "DATABASE_PASSWORD"), "");
    assert_eq!(value(&basic, "LC_TIME"), "C");
    assert_ne!(value(&basic, "PATH"), "");
    assert_eq!(value(&started("sandbox = \"off\"\n"), "DATABASE_PASSWORD"), "s3cret");
}

#[test]
fn a_leak_of_descriptors_has_an_end() {
    let cofferdam = start(&[hostile("leak_descriptors", ""), hostile("open_files", "")]);
    assert_eq!(tries(&cofferdam, "/open_files"), 1024);
    assert_eq!(tries(&cofferdam, "/leak_descriptors"), 1024 - 4);
}

#[test]
fn when_memory_ends_a_worker_goes_before_the_proxy() {
    let cofferdam = start(&[hostile("oom_score", "")]);
    assert_eq!(tries(&cofferdam, "/oom_score"), 500);
}
