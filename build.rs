//! Builds the one file of C and the example libraries of `c-ext/`, and links the unwinder into the programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const EXAMPLES: &str = "c-ext/examples";
const GUARD: &str = "src/ffi/guard.c";
const INCLUDE: &str = "c-ext/include";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={GUARD}");
    println!("cargo:rerun-if-changed={EXAMPLES}");
    println!("cargo:rerun-if-changed={INCLUDE}");
    let compiler = cc::Build::new().get_compiler();
    link_unwinder(compiler.to_command());
    // Its cleanup handlers are to be those that jump, not those that are unwound to.
    cc::Build::new().file(GUARD).flag("-fno-exceptions").compile("cofferdam_guard");
    let examples = profile_dir()?.join("c-ext");
    println!("cargo:rustc-env=COFFERDAM_EXAMPLES={}", examples.display());
    fs::create_dir_all(&examples)?;
    for entry in fs::read_dir(EXAMPLES)? {
        build_library(compiler.to_command(), &entry?.path(), &examples)?;
    }
    Ok(())
}

/// Without `libgcc_s.so` the loader has one library less to find, map and relocate at each start of a
/// worker. A compiler without the static one leaves things as they were.
fn link_unwinder(mut compiler: Command) {
    let output = compiler.arg("-print-file-name=libgcc_eh.a").output();
    let Some(found) = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()) else {
        return;
    };
    let library = Path::new(found.trim());
    if let Some(folder) = library.parent().filter(|_| library.is_absolute()) {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// `target/PROFILE`: three above `target/PROFILE/build/PACKAGE-HASH/out`.
fn profile_dir() -> io::Result<PathBuf> {
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    out.ancestors().nth(3).map(Path::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// What an example needs beside C: ` * needs: PACKAGE HEADER FLAG` in its head.
fn needs(text: &str) -> Option<[&str; 3]> {
    let words = text.lines().find_map(|line| line.strip_prefix(" * needs: "))?;
    words.split_whitespace().collect::<Vec<_>>().try_into().ok()
}

/// Whether the compiler finds a header.
fn has_header(compiler: &Command, header: &str) -> bool {
    let mut probe = Command::new(compiler.get_program());
    probe.args(compiler.get_args()).args(["-E", "-include", header, "-x", "c", "/dev/null"]);
    probe.output().is_ok_and(|output| output.status.success())
}

fn build_library(mut compiler: Command, source: &Path, folder: &Path) -> io::Result<()> {
    let Some(name) = source.file_stem().filter(|_| source.extension().is_some_and(|e| e == "c"))
    else {
        return Ok(());
    };
    let text = fs::read_to_string(source)?;
    let needed = needs(&text);
    if let Some([package, header, _]) =
        needed.filter(|[_, header, _]| !has_header(&compiler, header))
    {
        let example = source.display();
        println!("cargo:warning={example} is skipped: there is no {header} (Debian: {package})");
        return Ok(());
    }
    let library = folder.join(format!("lib{}.so", name.display()));
    // A running worker may have the old one mapped: replace it, never write into it.
    let fresh = library.with_extension("so.new");
    let status = compiler
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-I", INCLUDE, "-o"])
        .args([&fresh, source])
        .args(needed.map(|[_, _, flag]| flag))
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("{} does not compile", source.display())));
    }
    fs::rename(fresh, library)
}
