//! How files look: what each says first, and words that have no place in them.

use super::source::{File, Finding};

/// Each Rust file opens with 1–4 lines `//!`; `src/lib.rs` has its table.
pub fn module_docs(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.is_rust() && f.path != "src/lib.rs") {
        let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
        if !(1..=4).contains(&lines) {
            findings.push(file.finding(0, format!("opens with {lines} lines `//!`; wants 1 to 4")));
        }
    }
    findings
}

/// `foo.rs` beside `foo/`.
pub fn no_mod_rs(files: &[File]) -> Vec<Finding> {
    let named = files.iter().filter(|f| f.path.ends_with("/mod.rs"));
    named.map(|f| f.finding(0, "call it after its folder, and put it beside it")).collect()
}

/// No comment draws a line.
pub fn no_banners(files: &[File]) -> Vec<Finding> {
    in_comments(files, "a banner: start a file of its own instead", |comment| {
        let plain = comment.starts_with("//") && !comment.starts_with("//!");
        let text = comment.trim_start_matches('/').trim();
        let drawn = |c: char| "-=*#~_+/─━═".contains(c);
        let run = text.chars().take_while(|c| drawn(*c)).count();
        (plain && run >= 3 && !comment.starts_with("/// ")) || comment.starts_with("////")
    })
}

/// No comment puts work off, and no macro does.
pub fn nothing_to_do(files: &[File]) -> Vec<Finding> {
    let words = ["TODO", "FIXME", "XXX", "HACK"];
    let mut findings = in_comments(files, "do it, or file it", |comment| {
        comment.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word))
    });
    findings.extend(in_code(files, &["todo!(", "unimplemented!("], "write it"));
    let others = files.iter().filter(|f| !f.is_rust());
    for file in others {
        for (line, text) in file.text.lines().enumerate() {
            if text.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word)) {
                findings.push(file.finding(line, "do it, or file it"));
            }
        }
    }
    findings
}

/// Shipped code answers for its errors.
pub fn no_unwrap(files: &[File]) -> Vec<Finding> {
    let words = [".unwrap(", ".expect(", ".unwrap_err(", ".expect_err("];
    in_code(files, &words, "only tests unwrap: name the error")
}

/// Errors are enums.
pub fn no_box_error(files: &[File]) -> Vec<Finding> {
    in_code(files, &["BoxError", "Box<dyn Error", "Box<dyn std::error::Error"], "name the error")
}

/// Only `lib.rs` says which modules may be unsafe; the worker program's C `main` is one more place.
pub fn unsafe_floors(files: &[File]) -> Vec<Finding> {
    let mut findings = in_code(files, &["(unsafe_code"], "only src/lib.rs grants this");
    let Some(at) = files.iter().position(|f| f.path == "src/lib.rs") else { return findings };
    let granting = ["src/lib.rs", "src/bin/cofferdam-worker.rs"];
    findings.retain(|finding| !granting.contains(&finding.path.as_str()));
    let code = files[at].shipped_code();
    for (line, pair) in code.windows(2).enumerate() {
        let granted = ["ffi", "sys", "worker"].map(|name| format!("pub mod {name};"));
        if pair[0].contains("(unsafe_code") && !granted.contains(&pair[1]) {
            findings.push(files[at].finding(line, "only ffi, sys and worker may be unsafe"));
        }
    }
    findings
}

fn in_comments(files: &[File], why: &str, objects: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.is_rust()) {
        for (line, comment) in file.lexed().comments {
            if objects(&comment) {
                findings.push(file.finding(line, why));
            }
        }
    }
    findings
}

fn in_code(files: &[File], words: &[&str], why: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.is_program()) {
        for (line, code) in file.shipped_code().iter().enumerate() {
            if let Some(word) = words.iter().find(|word| code.contains(*word)) {
                findings.push(file.finding(line, format!("`{word}`: {why}")));
            }
        }
    }
    findings
}
