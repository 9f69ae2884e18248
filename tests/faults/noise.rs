//! What a library prints never blocks it, never reaches the client, and does no harm to who reads the log.

use super::ground::{Shows, fault, fine, in_each_mode};
use std::time::Duration;

/// Of both streams together.
const MIB: usize = 1024;

#[test]
fn much_output_is_cut_counted_and_escaped() {
    let keys = format!("prototype = \"int noise(int mib)\"\narguments = {{ mib = {MIB} }}");
    in_each_mode(
        |mode| vec![fault("litter", "noise", &format!("{keys}\n{mode}"))],
        |stage| {
            stage.call("noise", Shows { within: Duration::from_secs(20), ..fine("0") });
            let output = |line: &&String| line.contains("library output");
            eventually!(stage.cofferdam.stderr().iter().filter(output).count(), |n| *n == 2);
            let lost = (MIB << 20) / 2 - 4096;
            for line in stage.cofferdam.stderr().iter().filter(output) {
                assert!(line.contains(&format!("[{lost} bytes cut]")), "{line}");
                assert!(line.len() < 64 * 1024 && !line.contains('\u{1b}'), "{line}");
            }
        },
    );
}

#[test]
fn what_is_printed_is_no_answer_and_forges_no_line() {
    in_each_mode(
        |keys| vec![fault("litter", "talks", keys)],
        |stage| {
            let answer = stage.call("talks", fine("4"));
            assert_eq!((answer.text().as_str(), answer.header("x-forged")), ("4\n", None));
            let forged = |line: &String| line.starts_with("{\"reason\":\"forged\"");
            eventually!(stage.cofferdam.stderr(), |lines| {
                lines.iter().any(|line| line.contains("library output") && line.contains("forged"))
            });
            assert!(!stage.cofferdam.stderr().iter().any(forged));
            assert!(!stage.cofferdam.stderr().iter().any(|line| line.contains('\u{1b}')));
        },
    );
}

#[test]
fn there_is_nothing_to_read() {
    in_each_mode(
        |keys| vec![fault("litter", "reads", keys)],
        |stage| drop(stage.call("reads", fine("0"))),
    );
}
