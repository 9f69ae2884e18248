//! `init`: a configuration out of a library, which `check` accepts and `run` serves.

use crate::support::clib::library;
use crate::support::program::{Ended, File, cofferdam};
use crate::support::{Cofferdam, http};

/// What `init` writes; `check` has accepted it.
#[track_caller]
fn of(library: &str) -> String {
    let ended = cofferdam(["init", library]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let checked = check(&ended.stdout);
    assert_eq!(checked.code, Some(0), "{checked:?}\n{}", ended.stdout);
    assert!(!checked.stderr.contains("error"), "{checked:?}");
    ended.stdout
}

fn check(text: &str) -> Ended {
    File::of(text).run("check", &[])
}

/// The lines of one function's section, commented out or not.
#[track_caller]
fn section(text: &str, label: &str) -> String {
    let parts: Vec<_> = text.split("\n\n").collect();
    let found = parts.iter().position(|part| part.contains(&format!("[functions.{label}]")));
    let found = found.unwrap_or_else(|| panic!("no {label}:\n{text}"));
    parts[found].to_owned()
}

#[test]
fn a_library_with_debug_information_becomes_a_configuration_that_runs() {
    let path = library("functions").display().to_string();
    let text = of(&path);
    let upper = section(&text, "upper");
    let prototype =
        "prototype = \"int upper(const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)\"";
    assert!(upper.contains(prototype), "{upper}");
    let arguments = "arguments = { in = \"body\", n = { len = \"in\" }, out = { buffer = \"64KiB\" }, out_len = { len = \"out\" } }";
    assert!(
        upper.contains(arguments) && upper.contains("response  = { body = \"out\" }"),
        "{upper}"
    );
    assert!(!text.contains("#[functions") && !text.contains("# [functions"), "{text}");
    let served =
        text.lines().filter(|line| !line.starts_with("listen")).collect::<Vec<_>>().join("\n");
    let cofferdam = Cofferdam::start(&format!("defaults.spares = \"off\"\n{served}\n"));
    assert_eq!(http::post(cofferdam.addr(), "/upper", b"abc").text(), "ABC");
    assert_eq!(cofferdam.get("/s16?n=7").text(), "-7\n");
    assert_eq!(cofferdam.get("/scale?value=3&by=0.5").text(), "1.5\n");
    assert_eq!(cofferdam.get("/greet?name=you").text(), "hello you");
}

#[test]
fn handles_are_named_with_what_may_make_them() {
    let text = of(&library("typed").display().to_string());
    let ask = section(&text, "store_ask");
    let told =
        "# store_ask: `store` is a handle: name what makes it as `init`, perhaps store_open\n";
    assert!(ask.contains(told) && ask.lines().all(|line| line.starts_with('#')), "{ask}");
    assert!(
        section(&text, "store_open").contains("if it makes a handle, it is the `init` of others")
    );
    let step = section(&text, "step");
    assert!(
        step.contains("int step(double *value, int16_t *count, unsigned int *parity)"),
        "{step}"
    );
    assert!(section(&text, "next_colour").contains("\"enum colour next_colour(enum colour c)\""));
    assert!(step.contains("{ json = { return = \"return\", value = \"value\", count = \"count\", parity = \"parity\" } }"), "{step}");
    let lend = section(&text, "lend");
    assert!(lend.contains("how = { query = \"how\" }, len = { len = \"return\" } }"), "{lend}");
    assert!(lend.contains("\n# free    = \"free\""), "{lend}");
    let split = section(&text, "split");
    let handed = "first = \"out\", rest = \"out\", rest_len = { len = \"rest\" }, count = \"out\"";
    assert!(split.contains(handed) && split.contains("# free "), "{split}");
    let turn = section(&text, "turn");
    assert!(
        turn.contains("data = { buffer = \"64KiB\" }")
            && turn.contains("# a buffer that the function changes in place"),
        "{turn}"
    );
    let borrow = section(&text, "borrow");
    assert!(
        borrow.contains("# free    = \"free\"") && borrow.contains("\"char *borrow("),
        "{borrow}"
    );
}

#[test]
fn handlers_are_known_by_their_parameters() {
    let text = cofferdam(["init", &library("handlers").display().to_string()]).stdout;
    assert!(section(&text, "stream").contains("handler   = \"stream\""), "{text}");
    assert!(!text.contains("echo_init"), "{text}");
    // Only loading it shows that one of them has an init that fails.
    let checked = check(&text);
    assert_eq!(checked.stderr.lines().count(), 1, "{checked:?}");
    assert!(checked.stderr.contains("bad_init_init returned 7"), "{checked:?}");
}

#[test]
fn what_a_prototype_cannot_say_is_commented_out_with_the_reason() {
    let text = of(&library("odd").display().to_string());
    for (label, reason) in [
        ("varied", "takes `...`: wrap it in a handler of cofferdam.h"),
        ("by_value", "takes or returns a struct by value: wrap"),
        ("made", "takes or returns a struct by value"),
        ("calls_back", "has a callback: wrap"),
        ("wide", "has a type that a prototype cannot say"),
        ("first", "nobody can tell what `numbers` is"),
        ("touch", "nobody can tell what `data` is"),
        ("unmeasured", "nobody can tell what `bytes` is"),
        ("opaque", "`it` is a handle: name what makes it as `init`, perhaps new_opaque"),
    ] {
        let section = section(&text, label);
        assert!(section.starts_with(&format!("# {label}: {reason}")), "{section}");
        assert!(section.lines().all(|line| line.starts_with('#')), "{section}");
    }
    let kinds = section(&text, "kinds");
    assert!(
        kinds.contains("prototype = \"int kinds(int kind, int32_t n, const char *text)\""),
        "{kinds}"
    );
    for label in ["upper_case", "upper_case-2", "upper_case-3", "unnamed_parameters", "fill"] {
        assert!(section(&text, label).starts_with("[functions."), "{label}: {text}");
    }
}

#[test]
fn without_debug_information_all_is_commented_out() {
    let bytes = super::check::built("functions", &["-g0"]).unwrap();
    let file = File::of("").with("lib$x.so", &bytes);
    let text = of(&file.beside("lib$x.so"));
    assert!(text.contains(
        "# The functions are commented out: it has no debug information: build it with `cc -g`."
    ));
    let upper = section(&text, "upper");
    assert!(
        upper.contains("# prototype = \"int upper(void)\"    # paste it from the header"),
        "{upper}"
    );
    assert!(upper.contains("lib$$x.so"), "{upper}");
    let live: Vec<_> =
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(live, ["listen = \"127.0.0.1:8080\""]);
    let opened: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
        .collect();
    assert!(
        opened.contains("\n[functions.upper]\nlibrary   = ")
            && opened.contains("\ncall = \"upper\"\n")
    );
}

#[test]
fn a_library_of_the_system_is_found_by_its_name() {
    let ended = cofferdam(["init", "libc.so.6"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(section(&ended.stdout, "strlen").contains("library   = \"libc.so.6\""));
    let checked = check(&ended.stdout);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn what_is_no_library_is_refused() {
    let file = File::of("").with("text.so", b"no library");
    for (path, why) in [
        (file.beside("text.so"), "it is not an ELF file"),
        (file.beside("none.so"), "No such file or directory"),
        ("/dev/null".to_owned(), "it is not a regular file"),
    ] {
        let ended = cofferdam(["init", &path]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.starts_with(&format!("{path}: {why}")), "{ended:?}");
    }
}

#[test]
fn a_library_of_rust_is_read_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("lib.rs"), folder.path().join("librs.so"));
    let text = "#[no_mangle]\npub extern \"C\" fn add(a: u64, b: i16) -> f64 { a as f64 + f64::from(b) }\n";
    std::fs::write(&source, text).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let words = ["--crate-type", "cdylib", "-g", "-o"];
    let built = std::process::Command::new(rustc).args(words).args([&library, &source]).output();
    if !built.is_ok_and(|built| built.status.success()) {
        return crate::support::skip("no rustc that makes a cdylib");
    }
    let text = of(library.to_str().unwrap());
    assert!(section(&text, "add").contains("\"double add(uint64_t a, int16_t b)\""), "{text}");
}
