//! `strict`: what computing needs, and nothing else.

use super::{EACCES, GOT_AWAY, hostile, hostile_with, tries};
use crate::calls::ground::{Calm, beside_a_neighbour, calls, detail, logged, of, problem, start};
use crate::support::http;

const STRICT: &str = "sandbox = \"strict\"\n";

/// Each ends its process at once.
const VIOLATIONS: &[&str] = &[
    "kill_parent",
    "trace_parent",
    "become_somebody",
    "new_namespace",
    "clone_namespace",
    "mount_something",
    "keyring",
    "filter_bypass",
    "foreign_convention",
    "shell",
    "make_process",
    "listen_somewhere",
    "paste",
];

#[test]
fn a_forbidden_system_call_ends_the_call_and_is_named_as_that() {
    let functions: Vec<_> = VIOLATIONS.iter().map(|name| hostile(name, STRICT)).collect();
    let cofferdam = start(&functions);
    for name in VIOLATIONS {
        let calm = Calm::of(&cofferdam);
        let path = format!("/{name}");
        let answer = beside_a_neighbour(&cofferdam, move |addr| http::get(addr, &path));
        let id = problem(&answer, 502, "sandbox_violation");
        assert!(detail(&answer).contains("sandbox `strict` does not allow"), "{name}");
        assert_eq!(calls(&cofferdam, name, "sandbox_violation"), 1.0, "{name}");
        assert_eq!(of(&cofferdam, "calls_total", name, &[]), 1.0);
        assert_eq!(of(&cofferdam, "sandbox_info", name, &[("level", "strict")]), 1.0);
        logged(&cofferdam, &id, "\"reason\":\"sandbox_violation\"");
        calm.returns(&cofferdam);
    }
}

#[test]
fn what_is_no_system_call_of_a_kind_is_denied_by_what_it_names() {
    let rows = [
        ("queue_to_parent", None),
        ("limit_parent", Some(1)),
        ("outlive_parent", Some(1)),
        ("pin_parent", Some(1)),
        ("read_environment_of_parent", Some(EACCES)),
        ("descriptors_of_parent", Some(EACCES)),
        ("strong_capabilities", Some(1)),
    ];
    let functions: Vec<_> = rows.iter().map(|(name, _)| hostile(name, STRICT)).collect();
    let cofferdam = start(&functions);
    for (name, errno) in rows {
        match errno {
            Some(errno) => assert_eq!(tries(&cofferdam, &format!("/{name}")), errno, "{name}"),
            None => {
                problem(&cofferdam.get(&format!("/{name}")), 502, "sandbox_violation");
            }
        }
    }
}

#[test]
fn secrets_are_out_of_reach_and_the_library_works() {
    let cofferdam = start(&[
        hostile("ordinary_work", STRICT),
        hostile_with("read_file", "const char *path", STRICT),
        hostile_with("write_file", "const char *path", STRICT),
    ]);
    let config = cofferdam.beside("cofferdam.toml");
    for path in ["/etc/shadow", "/etc/passwd", "/root", "/proc/1/environ", config.to_str().unwrap()]
    {
        assert_eq!(tries(&cofferdam, &format!("/read_file?v={path}")), EACCES, "{path}");
    }
    let scratch = cofferdam.beside("scratch");
    assert_eq!(tries(&cofferdam, &format!("/write_file?v={}", scratch.display())), EACCES);
    assert!(!scratch.exists());
    assert_eq!(tries(&cofferdam, "/write_file?v=/dev/null"), GOT_AWAY);
    assert_eq!(tries(&cofferdam, "/ordinary_work"), GOT_AWAY);
}
