//! Frames, and descriptors with them, that a library writes to the control socket itself: nothing too long is taken, and no
//! descriptor is kept.

use super::ground::{Stage, fault, fine, in_each_mode, refused};
use crate::calls::ground::{logged, problem};

fn handlers(names: &[&str], keys: &str) -> Vec<String> {
    let handler = |name: &&str| fault("frames", name, &format!("handler = \"{name}\"\n{keys}"));
    names.iter().map(handler).collect()
}

#[test]
fn a_piece_has_64_kib_at_most() {
    let names = ["longest_piece", "long_piece", "huge_piece"];
    in_each_mode(
        |keys| handlers(&names, keys),
        |stage| {
            assert_eq!(stage.call("longest_piece", fine("")).body.len(), 65536);
            stage.breaks("long_piece", "", "protocol");
            stage.breaks("huge_piece", "", "reply_too_large");
        },
    );
}

#[test]
fn a_head_has_64_kib_at_most() {
    let rows = [
        ("many_headers", "protocol"),
        ("too_many_headers", "protocol"),
        ("long_header", "protocol"),
        ("huge_header", "reply_too_large"),
    ];
    in_each_mode(
        |keys| handlers(&rows.map(|(name, _)| name), keys),
        |stage| {
            for (name, outcome) in rows {
                assert_eq!(stage.call(name, refused(outcome, "")).header("x"), None, "{name}");
            }
        },
    );
}

/// Files that are none, or not as long as they are said to be: seen when they are looked at, after the call.
const BAD: [&str; 9] = [
    "file_folder",
    "file_pipe",
    "file_socket",
    "file_path",
    "file_device",
    "file_unreadable",
    "file_long",
    "file_huge",
    "file_far",
];

#[track_caller]
fn is_bad(stage: &Stage, name: &str) {
    let answer = stage.cofferdam.get(&format!("/{name}"));
    let id = problem(&answer, 502, "protocol");
    logged(&stage.cofferdam, &id, &format!("last words of {name}"));
    let labels = [("route", name), ("reason", "protocol")];
    assert_eq!(stage.cofferdam.metric("cofferdam_http_requests_rejected_total", &labels), 1.0);
}

#[test]
fn a_descriptor_that_is_no_readable_file_is_refused() {
    in_each_mode(
        |keys| handlers(&BAD, keys),
        |stage| {
            BAD.iter().for_each(|name| is_bad(stage, name));
        },
    );
}

#[test]
fn of_several_descriptors_none_is_kept() {
    let names = ["file_good", "file_two", "file_many", "file_without", "file_twice"];
    in_each_mode(
        |keys| handlers(&names, keys),
        |stage| {
            assert_eq!(stage.call("file_good", fine("ello")).text(), "ello");
            let two = stage.call("file_two", fine("")).text();
            assert!(["hello", "hullo"].contains(&two.as_str()), "{two}");
            stage.call("file_many", fine("hello"));
            stage.call("file_without", refused("protocol", ""));
            stage.call("file_twice", refused("protocol", ""));
        },
    );
}

#[test]
fn a_descriptor_that_nobody_asked_for_is_closed() {
    in_each_mode(
        |keys| {
            let function = fault("frames", "stray_of_a_function", keys);
            [handlers(&["stray_with_head", "stray_with_end"], keys), vec![function]].concat()
        },
        |stage| {
            stage.breaks("stray_with_head", "", "protocol");
            stage.breaks("stray_with_end", "", "protocol");
            for _ in 0..3 {
                stage.call("stray_of_a_function", fine("7"));
            }
        },
    );
}
