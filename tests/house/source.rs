//! Files as the rules see them: path and text, and for Rust the code, the comments and the strings apart.

use std::fmt;
use std::path::Path;

use super::lexer::{self, Lexed};

/// A file of the tree.
pub struct File {
    /// From the package's root, with `/`.
    pub path: String,
    /// As it stands.
    pub text: String,
}

/// What a rule objects to.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

impl File {
    /// A finding in this file; `line` counts from 0.
    pub fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line: line + 1, message: message.into() }
    }

    /// Its code, comments and strings.
    pub fn lexed(&self) -> Lexed {
        lexer::lex(&self.text)
    }

    /// `src/…` and Rust.
    pub fn is_program(&self) -> bool {
        self.path.starts_with("src/") && self.is_rust()
    }

    /// Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines of code that are no test's: comments, strings and `#[cfg(test)] mod` left blank.
    pub fn shipped_code(&self) -> Vec<String> {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return Vec::new();
        }
        let mut lines = self.lexed().code;
        for at in 1..lines.len() {
            if lines[at - 1].trim_end() == "#[cfg(test)]" && lines[at].starts_with("mod ") {
                let end = lines[at..].iter().position(|l| ends_module(l)).map_or(0, |n| at + n);
                lines[at - 1..=end.max(at)].iter_mut().for_each(String::clear);
            }
        }
        lines
    }
}

/// rustfmt puts the end of a top-level block at the start of a line.
fn ends_module(line: &str) -> bool {
    line.starts_with('}') || (line.starts_with("mod ") && line.trim_end().ends_with(';'))
}

/// All files of the package that rules look at.
pub fn tree() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "c-ext", "config", "dashboards", "docs", "bench"] {
        collect(root, &root.join(folder), &mut files);
    }
    for entry in std::fs::read_dir(root).unwrap().flatten() {
        if entry.path().is_file() {
            read(root, &entry.path(), &mut files);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            collect(root, &entry.path(), files);
        } else {
            read(root, &entry.path(), files);
        }
    }
}

fn read(root: &Path, path: &Path, files: &mut Vec<File>) {
    const KINDS: [&str; 9] = ["rs", "md", "toml", "json", "yml", "yaml", "c", "h", "py"];
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if KINDS.contains(&kind) {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        files.push(File { path: name, text: std::fs::read_to_string(path).unwrap() });
    }
}
