//! The C libraries of `tests/fixtures/c`, compiled when a test first asks for one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Built = Arc<OnceLock<PathBuf>>;

static LIBRARIES: OnceLock<Mutex<HashMap<String, Built>>> = OnceLock::new();

/// The path of `libNAME.so`, built from `tests/fixtures/c/NAME.c` once in this process.
pub fn library(name: &str) -> PathBuf {
    let libraries = LIBRARIES.get_or_init(Mutex::default);
    let built = Arc::clone(
        libraries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_default(),
    );
    built.get_or_init(|| build(name)).clone()
}

/// Built under a name of this process's own and then renamed: another process may do the same meanwhile.
fn build(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("tests/fixtures/c").join(name).with_extension("c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lib{name}.so"));
    let fresh = library.with_extension(format!("so.{}", std::process::id()));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-g", "-O1", "-Wall", "-Wextra", "-I"])
        .arg(root.join("c-ext/include"))
        .arg("-o")
        .args([&fresh, &source])
        .status()
        .expect("a C compiler (`cc`, or what CC names)");
    assert!(status.success(), "{} does not compile", source.display());
    std::fs::rename(&fresh, &library).unwrap();
    library
}
