//! `call`: one call from the shell, its result and where its time went.

use crate::support::clib::library;
use crate::support::program::{Ended, File};

fn file() -> File {
    let functions = library("functions");
    let handlers = library("handlers");
    let times = library("times");
    let (functions, handlers) = (functions.display(), handlers.display());
    File::of(&format!(
        r#"listen = "127.0.0.1:0"

[functions.divide]
library = "{functions}"
prototype = "void divide(int a, int b, int *quotient, double *exact)"
arguments = {{ a = {{ query = "a" }}, b = {{ query = "b", default = 2 }}, quotient = "out", exact = "out" }}

[functions.greet]
library = "{functions}"
prototype = "const char *greet(const char *name)"
arguments = {{ name = {{ query = "name" }} }}

[functions.upper]
library = "{functions}"
prototype = "int upper(const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)"
arguments = {{ in = "body", n = {{ len = "in" }}, out = {{ buffer = "1KiB" }}, out_len = {{ len = "out" }} }}
success = "== 0"

[functions.sleep]
library = "{times}"
prototype = "int sleep_ms(int ms)"
arguments = {{ ms = 50 }}

[functions.echo]
library = "{handlers}"
handler = "echo"

[[routes]]
path = "/exit3"
call = "{exit3}:main"
"#,
        times = times.display(),
        exit3 = library("exit3").display(),
    ))
    .with("input.txt", b"from a file")
}

#[track_caller]
fn row<'a>(ended: &'a Ended, name: &str) -> &'a str {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let found = ended.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name}: {ended:?}")).trim()
}

#[test]
fn values_are_given_by_name_and_have_their_defaults() {
    let file = file();
    let ended = file.run("call", &["divide", "a=7", "b=-2"]);
    assert_eq!((row(&ended, "returned"), row(&ended, "quotient")), ("null", "-3"));
    assert_eq!(row(&ended, "exact"), "-3.5");
    let ended = file.run("call", &["divide", "a=7"]);
    assert_eq!(row(&ended, "quotient"), "3");
    let ended = file.run("call", &["greet", "name=a=b c"]);
    assert_eq!(row(&ended, "returned"), "\"hello a=b c\"");
    assert_eq!(row(&ended, "success"), "true");
}

#[test]
fn a_value_may_come_from_a_file() {
    let file = file();
    let input = format!("in=@{}", file.beside("input.txt"));
    let ended = file.run("call", &["upper", &input]);
    assert_eq!(row(&ended, "returned"), "0");
    assert!(row(&ended, "out").contains("FROM A FILE"), "{ended:?}");
    let ended = file.run("call", &["upper", "in=@/nowhere"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("/nowhere: No such file"), "{ended:?}");
}

#[test]
fn the_account_adds_up_to_the_wall_time() {
    let ended = file().run("call", &["sleep"]);
    let seconds = |name| row(&ended, name).split(' ').next().unwrap().parse::<f64>().unwrap();
    let parts = ["queue", "start", "cpu_user", "cpu_system", "runqueue", "blocked"].map(seconds);
    let sum: f64 = parts.iter().sum();
    assert!((sum - seconds("wall")).abs() <= 0.01 * seconds("wall") + 1e-5, "{ended:?}");
    assert!(seconds("blocked") >= 0.045 && seconds("start") > 0.0, "{ended:?}");
}

#[test]
fn a_handler_is_given_a_request() {
    let words = ["echo", "method=POST", "path=/p", "query=q=1", "body=the body"];
    let ended = file().run("call", &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in ["status     201", "POST /p?q=1 id=", "the body"] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn what_does_not_fit_is_said_with_its_mend() {
    for (words, mend) in [
        (&["divide"][..], "`a` is missing: add a=VALUE"),
        (&["divide", "a=x"], "a: "),
        (&["divide", "a=99999999999"], "a: "),
        (&["divide", "a=1", "c=2"], "`c` is no parameter of `void divide("),
        (&["divide", "nonsense"], "`nonsense` is not ARG=VALUE"),
        (&["echo", "colour=blue"], "a handler takes method, path, query, body"),
        (&["nothing"], "there is no function `nothing`: the file has divide, "),
    ] {
        let ended = file().run("call", words);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(mend), "{words:?}: {ended:?}");
    }
}

#[test]
fn a_call_without_an_answer_is_1_and_says_what_happened() {
    let ended = file().run("call", &["exit3"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("status 3"), "{ended:?}");
}
