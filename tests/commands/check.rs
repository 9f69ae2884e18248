//! `check`: one line when all is well; else each library that a worker could not load, with the reason.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::clib::library;
use crate::support::program::File;
use crate::support::skip::skip;

const HEAD: &str = "listen = \"127.0.0.1:0\"\n";

fn with_functions(functions: &[(&str, &str, &str)]) -> File {
    let mut text = HEAD.to_owned();
    for (name, library, entry) in functions {
        text += &format!("[functions.{name}]\nlibrary = \"{library}\"\n{entry}\n");
    }
    File::of(&text)
}

#[test]
fn a_good_file_is_one_line_and_one_for_each_library() {
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
    let lines: Vec<_> = ended.stdout.lines().collect();
    let start = format!("{}: ok (0 routes, 2 functions, ", file.path());
    assert!(lines[0].starts_with(&start), "{ended:?}");
    assert_eq!(lines.len(), 3, "{ended:?}");
    for (line, library) in lines[1..].iter().zip([functions, handlers]) {
        assert!(line.starts_with(&format!("  library {library}: build id ")), "{line}");
    }
    let ended = File::of(&format!("{HEAD}upstream = \"http://127.0.0.1:1\"\n")).run("check", &[]);
    assert!(ended.stdout.contains(": ok (1 route, 0 functions, "), "{ended:?}");
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
        (
            "crashing",
            path("segv"),
            "prototype = \"int main(void)\"\ninit = \"int main(void)\"",
            "crashed with SIGSEGV",
        ),
        (
            "exiting",
            path("exit3"),
            "prototype = \"int main(void)\"\ninit = \"int main(void)\"",
            "exited with status 3",
        ),
        ("short", "./short.so".to_owned(), int_main, "file too short; it is cut short"),
        ("folder", "/usr".to_owned(), int_main, "cannot read file data: Is a directory"),
    ];
    let functions: Vec<_> = rows.iter().map(|(n, l, e, _)| (*n, l.as_str(), *e)).collect();
    let mut functions = functions;
    let good = path("functions");
    functions.push(("good", &good, "prototype = \"void nothing(void)\""));
    let file =
        with_functions(&functions).with("text.so", b"no library").with("short.so", b"\x7fELF\x02");
    let ended = file.run("check", &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), rows.len(), "{}", ended.stderr);
    for (name, path, _, why) in &rows {
        let start = format!("error: function `{name}`: ");
        let line = lines.iter().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.stderr));
        assert!(line.contains(why), "{name}: {line}");
        assert!(line.contains(path.trim_start_matches("./")), "{name}: {line}");
    }
}

#[test]
fn a_constructor_that_hangs_is_given_up() {
    let hangs = library("hang_constructor").display().to_string();
    let file = with_functions(&[("hangs", &hangs, "prototype = \"int main(void)\"")]);
    let begun = Instant::now();
    let ended = file.run("check", &[]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(
        ended.stderr.contains("libhang_constructor.so: the library did not load within"),
        "{ended:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// `library` built anew from a fixture, with these words to the compiler; `None` where it cannot.
pub fn built(fixture: &str, words: &[&str]) -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("lib.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1"])
        .args(words)
        .arg("-o")
        .args([&library, &root.join("tests/fixtures/c").join(fixture).with_extension("c")])
        .output()
        .unwrap();
    output.status.success().then(|| std::fs::read(library).unwrap())
}

#[test]
fn a_library_whose_own_libraries_are_missing_is_refused() {
    let needed = tempfile::tempdir().unwrap();
    let dependency = needed.path().join("libdependency.so");
    std::fs::write(&dependency, built("mild", &[]).unwrap()).unwrap();
    let folder = needed.path().to_str().unwrap();
    let words = ["-L", folder, "-Wl,--no-as-needed", "-ldependency"];
    let bytes = built("typed", &words).unwrap();
    let file = with_functions(&[("find", "./lib.so", FIND)]).with("lib.so", &bytes);
    let ended = file.run("check", &[]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("libdependency.so: cannot open shared object file"), "{ended:?}");
    assert!(
        ended.stderr.contains("`ldd` on it shows which library it needs is missing"),
        "{ended:?}"
    );
}

const FIND: &str = "prototype = \"const char *find(const char *name, int with)\"\n\
                    arguments = { name = \"body\", with = 0 }";

#[test]
fn a_library_for_another_machine_is_refused() {
    let good = std::fs::read(library("typed")).unwrap();
    // EI_CLASS and e_machine (elf(5)): 32 bits, and a SPARC.
    for (place, byte) in [(4, 1), (18, 2)] {
        let mut other = good.clone();
        other[place] = byte;
        let file = with_functions(&[("find", "./other.so", FIND)]).with("other.so", &other);
        let ended = file.run("check", &[]);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.contains("; it is built for another machine"), "{ended:?}");
    }
}

#[test]
fn a_prototype_that_differs_from_the_library_is_told_exactly() {
    let typed = library("typed").display().to_string();
    let handlers = library("handlers").display().to_string();
    let ask = "arguments = { db = \"handle\", key = \"body\", out = { buffer = \"1KiB\" }, len = { len = \"out\" }, asked = \"out\" }";
    let asks = format!(
        "prototype = \"int store_ask(struct shop *db, const char *key, char *out, unsigned *len, long *asked)\"\n{ask}\n\
         init = \"struct store *store_open(const char *path, long size)\"\n\
         init_arguments = {{ path = {{ const = \"x\" }}, size = 1 }}\nexit = \"length\""
    );
    let rows = [
        ("count", "prototype = \"int fail(int with)\"\narguments = { with = 1 }", &typed),
        (
            "ret",
            "prototype = \"float sum(const uint8_t *b, size_t n)\"\narguments = { b = \"body\", n = { len = \"b\" } }",
            &typed,
        ),
        ("ask", &asks, &typed),
        ("callback", "handler = \"bad_init_init\"", &handlers),
        ("good", FIND, &typed),
        ("enums", "prototype = \"enum colour next_colour(int c)\"\narguments = { c = 1 }", &typed),
        (
            "voids",
            "prototype = \"int is_null(void *a, void *b, void *c, void *d)\"\narguments = { a = \"null\", b = \"null\", c = \"null\", d = \"null\" }",
            &typed,
        ),
    ];
    let functions: Vec<_> =
        rows.iter().map(|(name, entry, path)| (*name, path.as_str(), *entry)).collect();
    let ended = with_functions(&functions).run("check", &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
    let told: Vec<_> = ended
        .stderr
        .lines()
        .map(|line| line.replace(&format!("{typed}: "), "").replace(&format!("{handlers}: "), ""))
        .collect();
    assert_eq!(
        told,
        [
            "error: function `count`: fail: in the file it has 2 parameters, in the prototype 1",
            "error: function `ret`: sum: the return: the file says `uint32_t`, the prototype says `float`",
            "error: function `ask`: store_ask: parameter 1 `db`: the file says `struct store *` (`store`), the prototype says `struct shop *`",
            "error: function `ask`: store_ask: parameter 4 `len`: the file says `size_t *` (`out_len`), the prototype says `unsigned *`",
            "error: function `ask`: store_ask: parameter 5 `asked`: the file says `int *`, the prototype says `long *`",
            "error: function `ask`: store_open: parameter 2 `size`: the file says `int`, the prototype says `long`",
            "error: function `callback`: bad_init_init: in the file it has 0 parameters, in the prototype 2",
        ],
        "{}",
        ended.stderr
    );
}

#[test]
fn what_a_library_hands_out_is_compared_too() {
    let typed = library("typed").display().to_string();
    let handed = "prototype = \"int split(const char *text, uint8_t **first, void *rest, int *n, int *count, double *half)\"\n\
                  arguments = { text = \"body\", first = \"out\", rest = \"null\", n = { len = \"first\" }, count = \"out\", half = \"out\" }";
    let lent = "prototype = \"char *lend(const char *how, size_t *len)\"\narguments = { how = \"body\", len = { len = \"return\" } }";
    let rows = [
        ("handed", typed.as_str(), handed),
        ("lent", &typed, lent),
        (
            "wrong",
            &typed,
            "prototype = \"const uint8_t *next_colour(size_t *len)\"\narguments = { len = { len = \"return\" } }",
        ),
        (
            "twice",
            &typed,
            "prototype = \"int store_open_into(const char *path, char **store)\"\narguments = { path = \"body\", store = \"out\" }",
        ),
    ];
    let ended = with_functions(&rows).run("check", &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{ended:?}");
    let told: Vec<_> =
        ended.stderr.lines().map(|line| line.replace(&format!("{typed}: "), "")).collect();
    assert_eq!(
        told,
        [
            "error: function `handed`: split: parameter 4 `n`: the file says `size_t *` (`rest_len`), the prototype says `int *`",
            "error: function `wrong`: next_colour: parameter 1 `len`: the file says `enum colour` (`c`), the prototype says `size_t *`",
            "error: function `wrong`: next_colour: the return: the file says `enum colour`, the prototype says `const uint8_t *`",
            "error: function `twice`: store_open_into: parameter 2 `store`: the file says `struct store **`, the prototype says `char **`",
        ],
        "{}",
        ended.stderr
    );
}

#[test]
fn without_debug_information_it_says_so() {
    for (words, why) in [
        (&["-g0"][..], "it has no debug information: build it with `cc -g`"),
        (
            &["-g", "-gz=zlib"],
            "its debug information is compressed: build it with `cc -g -gz=none`",
        ),
    ] {
        let Some(bytes) = built("typed", words) else { return skip("no compressed sections") };
        let file = with_functions(&[("find", "./lib.so", FIND)]).with("lib.so", &bytes);
        let ended = file.run("check", &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let note = format!(
            "note: function `find`: {}: the prototype is not compared with the library: {why}\n",
            file.beside("lib.so")
        );
        assert!(
            ended.stderr.contains(&note.replace("/lib.so", "/./lib.so"))
                || ended.stderr.contains(&note),
            "{ended:?}"
        );
        assert!(ended.stdout.contains(": ok (0 routes, 1 function, "), "{ended:?}");
    }
}

#[test]
fn every_version_of_dwarf_is_read() {
    for words in [
        &["-g", "-gdwarf-2"][..],
        &["-gdwarf-3"],
        &["-gdwarf-4"],
        &["-gdwarf-5"],
        &["-g", "-flto", "-O2"],
        &["-g", "-O3"],
    ] {
        let Some(bytes) = built("typed", words) else { continue };
        let wrong = "prototype = \"const char *find(const char *name, long with)\"\narguments = { name = \"body\", with = 0 }";
        let file = with_functions(&[("good", "./lib.so", FIND), ("wrong", "./lib.so", wrong)])
            .with("lib.so", &bytes);
        let ended = file.run("check", &[]);
        assert_eq!(ended.code, Some(78), "{words:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{words:?}: {ended:?}");
        let told = "find: parameter 2 `with`: the file says `int`, the prototype says `long`\n";
        assert!(ended.stderr.ends_with(told), "{words:?}: {ended:?}");
    }
}
