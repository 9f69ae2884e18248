//! A worker that breaks the protocol: refused at once, long before the limit of the call, and never passed on.

use super::ground::{Shows, fault, fine, in_each_mode, refused};
use crate::calls::ground::function;

const SILENT: [&str; 3] = ["closes_control", "closes_all", "shuts_down"];
const FRAMES: [&str; 5] = ["garbage", "nothing", "begins_again", "long_value", "another"];
const HEADS: [&str; 8] =
    ["status_42", "status_100", "status_65535", "crlf", "nul", "colon", "nameless", "many"];

fn protocol() -> Shows {
    refused("protocol", "")
}

#[test]
fn a_closed_control_descriptor_is_seen_at_once() {
    in_each_mode(
        |keys| SILENT.map(|name| fault("lies", name, keys)).to_vec(),
        |stage| SILENT.iter().for_each(|name| drop(stage.call(name, protocol()))),
    );
}

#[test]
fn what_is_no_answer_of_this_call_is_refused() {
    in_each_mode(
        |keys| FRAMES.map(|name| fault("lies", name, keys)).to_vec(),
        |stage| FRAMES.iter().for_each(|name| drop(stage.call(name, protocol()))),
    );
}

#[test]
fn a_length_is_bounded_before_anything_is_allocated() {
    let output = "prototype = \"int long_output(uint8_t *out, size_t *out_len)\"\n\
                  arguments = { out = { buffer = \"1KiB\" }, out_len = { len = \"out\" } }\n\
                  response = { body = \"out\" }\n";
    in_each_mode(
        |keys| {
            let output = fault("lies", "long_output", &format!("{output}{keys}"));
            vec![output, fault("lies", "announces", keys)]
        },
        |stage| {
            let peak = || crate::support::process::peak_resident(stage.cofferdam.pid());
            let before = peak();
            stage.call("long_output", protocol());
            stage.call("announces", refused("reply_too_large", ""));
            let grown = peak() - before;
            assert!(grown < 16 << 20, "{grown} bytes more");
        },
    );
}

fn handler(name: &str, keys: &str) -> String {
    function(name, "lies", &format!("handler = \"{name}\"\n{keys}"), "")
}

#[test]
fn a_head_that_http_does_not_have_is_refused() {
    in_each_mode(
        |keys| HEADS.map(|name| handler(name, keys)).to_vec(),
        |stage| {
            for name in HEADS {
                let answer = stage.call(name, protocol());
                assert_eq!(answer.header("y"), None, "{name}");
            }
        },
    );
}

#[test]
fn framing_is_the_hosts_and_so_is_the_connection() {
    in_each_mode(
        |keys| vec![handler("frames_itself", keys)],
        |stage| {
            let answer = stage.call("frames_itself", fine("four"));
            assert_eq!(answer.body, b"four");
            for name in ["content-length", "keep-alive"] {
                assert_eq!(answer.header(name), None, "{name}: {answer:?}");
            }
            // Its `Connection` says nothing of any header.
            assert_eq!(answer.header("x-kept"), Some("yes"));
            assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        },
    );
}
