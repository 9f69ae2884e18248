//! `cofferdam call FILE FUNCTION --compare`: each mode once, side by side.

use std::process::{Command, Output};

use crate::support::clib::library;

/// `--compare` of a function of a fixture.
fn compare(fixture: &str, keys: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let text = format!(
        "listen = \":0\"\n[functions.f]\nlibrary = \"{}\"\n{keys}\n",
        library(fixture).display()
    );
    std::fs::write(&file, text).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    program.arg("call").arg(&file).args(["f", "--compare"]).output().unwrap()
}

/// The figures of a mode: p50, p99 and CPU in milliseconds.
#[track_caller]
fn figures(table: &str, mode: &str) -> Vec<f64> {
    let line = table.lines().find(|line| line.starts_with(&format!("{mode} "))).unwrap();
    let figures = line[39..].split_whitespace().map(|figure| figure.parse().unwrap());
    figures.collect()
}

#[test]
fn each_mode_has_its_figures_and_one_is_recommended() {
    let output = compare("modes", "prototype = \"int count(void)\"");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{table}");
    for mode in ["process", "process, fork", "pool", "thread", "inline"] {
        let figures = figures(&table, mode);
        assert_eq!(figures.len(), 3, "{mode}: {table}");
        assert!(figures.iter().all(|figure| *figure > 0.0 && *figure < 1000.0), "{mode}: {table}");
    }
    assert!(figures(&table, "pool")[2] < figures(&table, "process")[2], "{table}");
    assert!(table.contains("\nTake mode = \"process\""), "{table}");
}

#[test]
fn a_function_that_crashes_never_runs_in_this_program() {
    let output = compare("abort", "prototype = \"int main(void)\"");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{table}");
    for mode in ["thread", "inline"] {
        let line = table.lines().find(|line| line.starts_with(mode)).unwrap();
        assert!(line.contains("not run: it would end this program"), "{table}");
    }
    assert!(table.contains("crashed, were cut or broke the protocol"), "{table}");
    assert!(table.contains("costs its own request only"), "{table}");
}

#[test]
fn a_slow_one_is_kept_off_the_event_loop() {
    let keys = "prototype = \"int slow(int ms)\"\narguments = { ms = 20 }";
    let output = compare("modes", keys);
    let table = String::from_utf8(output.stdout).unwrap();
    let line = table.lines().find(|line| line.starts_with("inline")).unwrap();
    assert!(line.contains("would hold an event loop"), "{table}");
}
