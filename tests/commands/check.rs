//! `check`: one line when all is well; else each library that a worker could not load, with the reason.

use std::time::{Duration, Instant};

use crate::support::clib::library;
use crate::support::program::File;

const HEAD: &str = "listen = \"127.0.0.1:0\"\n";

fn with_functions(functions: &[(&str, &str, &str)]) -> File {
    let mut text = HEAD.to_owned();
    for (name, library, entry) in functions {
        text += &format!("[functions.{name}]\nlibrary = \"{library}\"\n{entry}\n");
    }
    File::of(&text)
}

#[test]
fn a_good_file_is_one_line() {
    let functions = library("functions").display().to_string();
    let handlers = library("handlers").display().to_string();
    let file = with_functions(&[
        (
            "s32",
            &functions,
            "prototype = \"int32_t s32(int32_t n)\"\narguments = { n = { query = \"n\" } }",
        ),
        ("echo", &handlers, "handler = \"echo\""),
    ]);
    let ended = file.run("check", &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.stdout, format!("{}: ok (0 routes, 2 functions)\n", file.path()));
    let ended = File::of(&format!("{HEAD}upstream = \"http://127.0.0.1:1\"\n")).run("check", &[]);
    assert!(ended.stdout.ends_with(": ok (1 routes, 0 functions)\n"), "{ended:?}");
}

#[test]
fn each_bad_library_is_named_with_its_reason() {
    let path = |name| library(name).display().to_string();
    let int_main = "prototype = \"int main(void)\"";
    let no_symbol = "prototype = \"int nowhere(void)\"";
    let rows = [
        ("missing", "/nowhere/lib.so".to_owned(), int_main, "No such file or directory"),
        ("text", "./text.so".to_owned(), int_main, "it is not an ELF file"),
        ("unresolved", path("unresolved"), int_main, "undefined symbol: nowhere_to_be_found"),
        ("symbol", path("functions"), no_symbol, "no symbol nowhere in"),
        ("abi", path("old_abi"), "handler = \"handler\"", "built for version 99 of cofferdam.h"),
        ("init", path("handlers"), "handler = \"bad_init\"", "bad_init_init returned 7"),
        ("dies", path("crash_constructor"), int_main, "crashed with SIGABRT"),
    ];
    let functions: Vec<_> = rows.iter().map(|(n, l, e, _)| (*n, l.as_str(), *e)).collect();
    let mut functions = functions;
    let good = path("functions");
    functions.push(("good", &good, "prototype = \"void nothing(void)\""));
    let file = with_functions(&functions).with("text.so", b"no library");
    let ended = file.run("check", &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), rows.len(), "{}", ended.stderr);
    for (name, path, _, why) in &rows {
        let start = format!("error: function `{name}`: ");
        let line = lines.iter().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.stderr));
        assert!(line.contains(why), "{name}: {line}");
        let named =
            ["abi", "init", "dies"].contains(name) || line.contains(path.trim_start_matches("./"));
        assert!(named, "{name}: {line}");
    }
}

#[test]
fn a_constructor_that_hangs_is_given_up() {
    let hangs = library("hang_constructor").display().to_string();
    let file = with_functions(&[("hangs", &hangs, "prototype = \"int main(void)\"")]);
    let begun = Instant::now();
    let ended = file.run("check", &[]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("`hangs`: the library did not load within"), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
