//! Libraries that cannot be loaded: `check` and `run` refuse them; one that breaks later costs its calls, and no storm of
//! starts follows.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::ground::{
    Calm, beside_a_neighbour, calls, function, function_of, logged, of, problem, start, starts,
};
use super::swapped::Swapped;
use crate::support::clib::library;
use crate::support::load::at_once;
use crate::support::{Cofferdam, http};

const MISSING: &str = "/nowhere/libmissing.so";

/// `cofferdam check` of a file with these functions.
fn check(functions: &[String]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cofferdam.toml");
    let listen = "listen = \"127.0.0.1:0\"\n\n".to_owned();
    std::fs::write(&file, listen + &functions.concat()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_cofferdam")).arg("check").arg(file).output().unwrap()
}

/// What `check` says on standard error while it refuses.
#[track_caller]
fn refused(functions: &[String]) -> String {
    let output = check(functions);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(output.stdout.is_empty());
    told
}

/// The function `f` cannot be loaded: 503 that names no file, a log line with `text`, and a counted failure.
#[track_caller]
fn load_fails(cofferdam: &Cofferdam, phase: &str, text: &str) {
    let calm = Calm::of(cofferdam);
    let answer = beside_a_neighbour(cofferdam, |addr| http::get(addr, "/f"));
    let id = problem(&answer, 503, "load_failed");
    assert!(!answer.text().contains(".so"), "{}", answer.text());
    logged(cofferdam, &id, text);
    logged(cofferdam, &id, "\"reason\":\"load_failed\"");
    calm.returns(cofferdam);
    assert_eq!(calls(cofferdam, "f", "load_failed"), 1.0);
    assert_eq!(of(cofferdam, "worker_start_failures_total", "f", &[("phase", phase)]), 1.0);
    assert_eq!(starts(cofferdam, "f"), 1.0);
}

#[test]
fn check_accepts_what_can_be_loaded() {
    let output = check(&[
        function("f", "stdin", "", ""),
        function("g", "functions", "prototype = \"void nothing(void)\"", ""),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().contains("ok (2 routes, 2 functions, "));
}

#[test]
fn check_names_every_function_that_cannot_be_loaded_and_the_mend() {
    let absent = "prototype = \"int absent(void)\"";
    let told = refused(&[
        function_of("missing", Path::new(MISSING), "", ""),
        function("symbol", "stdin", absent, ""),
        function("unresolved", "unresolved", "", ""),
        function("constructor", "crash_constructor", "", ""),
        function("init", "handlers", "handler = \"bad_init\"", ""),
        function("major", "old_abi", "handler = \"handler\"", ""),
        function("fine", "stdin", "", ""),
    ]);
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 6, "{told}");
    for (line, name, why, mend) in [
        (lines[0], "missing", MISSING, "; "),
        (lines[1], "symbol", "no symbol absent in ", "nm -D --defined-only"),
        (lines[2], "unresolved", "nowhere_to_be_found", "; "),
        (lines[3], "constructor", "crashed with SIGABRT", "look at its constructors"),
        (lines[4], "init", "bad_init_init returned 7", ""),
        (lines[5], "major", "version 99 of cofferdam.h", "build it with this host's header"),
    ] {
        assert!(line.starts_with(&format!("error: function `{name}`: ")), "{line}");
        assert!(line.contains(why) && line.contains(mend), "{line}");
    }
}

/// `run` with these functions: what it says while it refuses to start.
#[track_caller]
fn refused_by_run(functions: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cofferdam.toml");
    let listen = "listen = \"127.0.0.1:0\"\nadmin.address = \"off\"\n\n".to_owned();
    std::fs::write(&file, listen + &functions.concat()).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_cofferdam")).arg("run").arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(output.stdout.is_empty(), "it listened: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn run_refuses_what_check_refuses() {
    let absent = "prototype = \"int negat(bool b)\"\narguments = { b = true }";
    let narrow = "prototype = \"int s64(int n)\"\narguments = { n = 1 }";
    let crash = library("crash_constructor");
    let told = refused_by_run(&[
        function_of("missing", Path::new(MISSING), "", ""),
        function("symbol", "functions", absent, ""),
        function_of("constructor", &crash, "", ""),
        function("init", "handlers", "handler = \"bad_init\"", ""),
        function("narrow", "functions", narrow, ""),
        function("fine", "stdin", "", ""),
    ]);
    let crash = crash.display().to_string();
    for (name, why) in [
        ("missing", "No such file or directory; check the path"),
        ("symbol", "did you mean `negate`?"),
        ("constructor", &format!("{crash}: the worker crashed with SIGABRT")),
        ("init", "bad_init_init returned 7"),
        ("narrow", "parameter 1 `n`: the file says `int64_t`, the prototype says `int`"),
    ] {
        let start = format!("error: function `{name}`: ");
        let mut lines = told.lines().filter(|line| line.starts_with(&start));
        assert!(lines.any(|line| line.contains(why)), "{name}: {told}");
    }
    assert!(!told.contains("`fine`"), "{told}");
}

#[test]
fn a_library_that_is_missing_when_it_is_called() {
    let swapped = Swapped::new();
    let cofferdam = start(&[swapped.function("f", "", "")]);
    swapped.goes();
    load_fails(&cofferdam, "load", "libinner.so: cannot open shared object file");
}

#[test]
fn a_symbol_that_is_missing_when_it_is_called() {
    let swapped = Swapped::new();
    let cofferdam = start(&[swapped.function("f", "prototype = \"int absent(void)\"", "")]);
    swapped.becomes("stdin");
    load_fails(&cofferdam, "load", "no symbol absent in ");
}

#[test]
fn an_init_that_fails() {
    let swapped = Swapped::new();
    let cofferdam = start(&[swapped.function("f", "handler = \"bad_init\"", "")]);
    swapped.becomes("handlers");
    load_fails(&cofferdam, "init", "bad_init_init returned 7");
}

#[test]
fn a_handle_that_is_not_made() {
    let keys = "prototype = \"int was_set_up(void)\"\ninit = \"int set_up_badly(void)\"";
    let swapped = Swapped::new();
    let cofferdam = start(&[swapped.function("f", keys, "")]);
    swapped.becomes("typed");
    load_fails(&cofferdam, "init", "set_up_badly returned 3: Permission denied");
    let null = "prototype = \"int was_set_up(void)\"\n\
                init = \"struct store *store_open(const char *path, int size)\"\n\
                init_arguments = { path = { const = \"\" }, size = 1 }";
    let told = refused(&[function("f", "typed", keys, ""), function("g", "typed", null, "")]);
    assert!(told.contains("function `f`: ") && told.contains("set_up_badly returned 3"), "{told}");
    assert!(told.contains("store_open returned null: No such file or directory"), "{told}");
}

#[test]
fn a_constructor_that_crashes() {
    let swapped = Swapped::new();
    let cofferdam = start(&[swapped.function("f", "", "")]);
    swapped.becomes("crash_constructor");
    load_fails(&cofferdam, "load", "crashed with SIGABRT");
}

#[test]
fn a_broken_constructor_is_no_storm_of_starts() {
    let swapped = Swapped::new();
    let cofferdam = start(&[swapped.function("f", "spares = 1", "")]);
    let spare = || of(&cofferdam, "workers", "f", &[("state", "spare")]);
    eventually!(spare(), |count| *count == 1.0);
    swapped.becomes("crash_constructor");
    assert_eq!(cofferdam.get("/f").status, 200);
    let (before, begun) = (starts(&cofferdam, "f"), Instant::now());
    eventually!(starts(&cofferdam, "f"), |count| *count >= before + 4.0);
    // 100, 200 and 400 ms lie between the first four.
    assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    let waits =
        |lines: &Vec<String>| lines.iter().any(|l| l.contains("a spare could not be started"));
    eventually!(cofferdam.stderr(), waits);
    assert_eq!(spare(), 0.0);
}

#[test]
fn a_constructor_that_hangs_is_given_up() {
    let (one, other) = (Swapped::new(), Swapped::new());
    let limits = "max_concurrency = 2";
    let patient =
        "[[routes]]\nname = \"patient\"\npath = \"/patient\"\ncall = \"f\"\n\n".to_owned();
    let cofferdam = start(&[one.function("f", limits, "timeout = \"400ms\""), patient]);
    one.becomes("hang_constructor");
    other.becomes("hang_constructor");
    let path = other.path().display().to_string();
    let checked = std::thread::spawn(move || refused(&[other.function("f", "", "")]));
    let calm = Calm::of(&cofferdam);
    let answers = beside_a_neighbour(&cofferdam, |addr| {
        at_once(2, move |index| http::get(addr, ["/f", "/patient"][index])).0
    });
    problem(&answers[0], 504, "timeout");
    assert!(answers[0].elapsed < Duration::from_millis(900), "{:?}", answers[0].elapsed);
    let id = problem(&answers[1], 503, "load_failed");
    assert!(answers[1].elapsed < Duration::from_secs(12), "{:?}", answers[1].elapsed);
    logged(&cofferdam, &id, "the library did not load within 10 s: look at its constructors");
    calm.returns(&cofferdam);
    let counted = |outcome| calls(&cofferdam, "f", outcome);
    assert_eq!((counted("timeout"), counted("load_failed")), (1.0, 1.0));
    let told = checked.join().unwrap();
    let expected = format!("function `f`: {path}: the library did not load within 10 s");
    assert!(told.contains(&expected), "{told}");
}
