//! `cofferdam replay`: the call of a dossier once more.

use std::path::Path;

use super::dossiers::{last, writing};
use super::{Tally, fickle, shown};
use crate::calls::ground::{function, problem};
use crate::support::Cofferdam;
use crate::support::http;
use crate::support::program::{Ended, cofferdam};
use crate::support::skip::skip;

fn replay(dossier: &Path, words: &[&str]) -> Ended {
    let dossier = shown(dossier);
    cofferdam(["replay", &dossier].iter().chain(words))
}

const TAKES: &str = "prototype = \"int takes(const uint8_t *in, size_t length, int n, const char *token)\"\n\
     arguments = { in = \"body\", length = { len = \"in\" }, n = { query = \"n\" }, token = { query = \"token\", default = \"\" } }";

fn takes(keys: &str, query: &str) -> (Cofferdam, std::path::PathBuf) {
    let cofferdam = writing(keys, &[fickle("f", TAKES)]);
    problem(&http::post(cofferdam.addr(), &format!("/f?n=5{query}"), b"\xff\0"), 502, "crash");
    let (path, _) = last(&cofferdam, 1);
    (cofferdam, path)
}

#[track_caller]
fn same(ended: &Ended, how: &str) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in
        [format!("then  {how}, "), format!("now   {how}\n"), "it died in the same way".into()]
    {
        assert!(ended.stdout.contains(&line), "{line}: {ended:?}");
    }
}

#[test]
fn a_whole_dossier_needs_nothing_else() {
    let (_cofferdam, path) = takes("inputs = \"whole\"", "");
    let ended = replay(&path, &[]);
    same(&ended, "SIGSEGV in crash");
    assert!(ended.stdout.contains("#1  takes ("), "{ended:?}");
}

#[test]
fn what_was_not_written_is_asked_for_and_may_be_said() {
    let (cofferdam, path) = takes("", "");
    let ended = replay(&path, &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("`in` is missing: add in=VALUE"), "{ended:?}");
    let input = cofferdam.beside("input");
    std::fs::write(&input, b"\xff").unwrap();
    same(&replay(&path, &[&format!("in=@{}", shown(&input))]), "SIGSEGV in crash");
    let ended = replay(&path, &["in=harmless"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("now   no death: it answered"), "{ended:?}");
    assert!(ended.stderr.contains("it did not die in the same way"), "{ended:?}");
}

#[test]
fn a_handlers_request_is_handed_in_again() {
    for (keys, words) in [("inputs = \"whole\"", &[][..]), ("", &["body=poison"])] {
        let handler = function("f", "fickle", "handler = \"dislikes_body\"", "");
        let cofferdam = writing(keys, &[handler]);
        problem(&http::post(cofferdam.addr(), "/f", b"poison"), 502, "crash");
        let (path, _) = last(&cofferdam, 1);
        if !words.is_empty() {
            let ended = replay(&path, &[]);
            assert!(ended.code == Some(2) && ended.stderr.contains("add body=@FILE"), "{ended:?}");
        }
        same(&replay(&path, words), "SIGSEGV in crash");
    }
}

/// A crash by chance does not come again.
#[test]
fn another_end_is_told() {
    let tally = Tally::new();
    let keys = format!(
        "prototype = \"int fickle(const char *tally, int times, int ms)\"\nsandbox = \"off\"\n\
         arguments = {{ tally = {{ const = \"{}\" }}, times = 1, ms = 0 }}",
        shown(&tally.path())
    );
    let cofferdam = writing("", &[fickle("f", &keys)]);
    problem(&cofferdam.get("/f"), 502, "crash");
    let (path, _) = last(&cofferdam, 1);
    let ended = replay(&path, &[]);
    assert_eq!((ended.code, tally.runs()), (Some(1), 2), "{ended:?}");
    assert!(ended.stdout.contains("now   no death: it answered"), "{ended:?}");
}

#[test]
fn what_is_no_dossier_and_what_has_no_function_is_said() {
    let (cofferdam, path) = takes("inputs = \"whole\"", "");
    let config = shown(&cofferdam.beside("cofferdam.toml"));
    let ended = replay(Path::new(&config), &[]);
    assert!(ended.code == Some(2) && ended.stderr.contains("it is no dossier"), "{ended:?}");
    let ended = replay(Path::new("/nowhere"), &[]);
    assert!(ended.code == Some(2) && ended.stderr.contains("/nowhere: No such file"), "{ended:?}");
    let other = cofferdam.beside("other.toml");
    std::fs::write(&other, "listen = \":0\"\n").unwrap();
    let ended = replay(&path, &["--config", &shown(&other)]);
    assert!(
        ended.code == Some(2) && ended.stderr.contains("there is no function `f`"),
        "{ended:?}"
    );
    same(&replay(&path, &["--config", &config]), "SIGSEGV in crash");
}

#[test]
fn under_gdb_it_stops_where_it_crashed() {
    if std::process::Command::new("gdb").arg("--version").output().is_err() {
        return skip("no gdb (Debian: gdb)");
    }
    let (_cofferdam, path) = takes("inputs = \"whole\"", "");
    let ended = replay(&path, &["--gdb"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in ["received signal SIGSEGV", "#0  crash ()", "in takes (in=", "length=2"] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
}
