//! The C libraries of `tests/fixtures/c`, compiled when a test first asks for one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Built = Arc<OnceLock<PathBuf>>;

static LIBRARIES: OnceLock<Mutex<HashMap<String, Built>>> = OnceLock::new();

/// The path of `libNAME.so`, built from `tests/fixtures/c/NAME.c` once in this process.
pub fn library(name: &str) -> PathBuf {
    once(&format!("lib{name}.so"), |fresh| compile(fresh, &[source(name)], &[]))
}

/// As [`library`], with these words to the compiler; they go into the name.
pub fn variant(name: &str, words: &[&str]) -> PathBuf {
    let tag: String = words.concat().chars().filter(char::is_ascii_alphanumeric).collect();
    once(&format!("lib{name}-{tag}.so"), |fresh| compile(fresh, &[source(name)], words))
}

/// A library without anything of its own: it needs a `libinner.so` beside it, wherever it lies ($ORIGIN), which has no name
/// of its own either.
pub fn shell() -> PathBuf {
    once("libshell.so", |fresh| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(library("mild"), folder.path().join("libinner.so")).unwrap();
        let empty = folder.path().join("empty.c");
        std::fs::write(&empty, "typedef int nothing;\n").unwrap();
        let place = format!("-L{}", folder.path().display());
        compile(fresh, &[empty], &["-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", &place, "-linner"]);
    })
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/c").join(name).with_extension("c")
}

/// Built under a name of this process's own and then renamed: another process may do the same meanwhile.
fn once(name: &str, build: impl FnOnce(&Path)) -> PathBuf {
    let libraries = LIBRARIES.get_or_init(Mutex::default);
    let built = Arc::clone(
        libraries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_default(),
    );
    let make = || {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let fresh = library.with_extension(format!("so.{}", std::process::id()));
        build(&fresh);
        std::fs::rename(&fresh, &library).unwrap();
        library
    };
    built.get_or_init(make).clone()
}

fn compile(into: &Path, sources: &[PathBuf], words: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-g", "-O1", "-Wall", "-Wextra", "-I"])
        .arg(root.join("c-ext/include"))
        .arg("-o")
        .arg(into)
        .args(sources)
        .args(words)
        .status()
        .expect("a C compiler (`cc`, or what CC names)");
    assert!(status.success(), "{sources:?} does not compile");
}
