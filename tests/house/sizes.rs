//! Caps on files and functions, and on the ninetieth percentile of both: the tail is where a house decays.

use super::source::{File, Finding};

/// Lines of a file, tests and comments among them.
const FILE_CAP: usize = 500;
/// Lines of shipped code in nine files of ten.
const FILE_P90: usize = 300;
/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_CAP: usize = 60;
/// Lines of nine functions of ten.
const FUNCTION_P90: usize = 25;

/// No Rust file is longer than the cap.
pub fn files(files: &[File]) -> Vec<Finding> {
    let rust = files.iter().filter(|f| f.is_rust());
    let long = rust.filter(|f| f.text.lines().count() > FILE_CAP);
    long.map(|f| {
        let lines = f.text.lines().count();
        f.finding(FILE_CAP, format!("{lines} lines; the cap is {FILE_CAP}"))
    })
    .collect()
}

/// Nine files of ten are much shorter.
pub fn files_p90(files: &[File]) -> Vec<Finding> {
    let sized = |f: &File| {
        let lines = f.shipped_code().iter().filter(|line| !line.trim().is_empty()).count();
        (lines, f.finding(0, format!("{lines} lines of code; p90 is above {FILE_P90}")))
    };
    above_p90(files.iter().filter(|f| f.is_program()).map(sized).collect(), FILE_P90)
}

/// No function is longer than the cap, tests among them.
pub fn functions(files: &[File]) -> Vec<Finding> {
    let rust = files.iter().filter(|f| f.is_rust());
    rust.flat_map(|f| {
        let functions = function_lengths(&f.lexed().code).into_iter();
        functions.filter(|found| found.length > FUNCTION_CAP).map(|found| {
            let why =
                format!("`{}` has {} lines; the cap is {FUNCTION_CAP}", found.name, found.length);
            f.finding(found.line, why)
        })
    })
    .collect()
}

/// Nine functions of ten are much shorter.
pub fn functions_p90(files: &[File]) -> Vec<Finding> {
    let mut sized = Vec::new();
    for file in files.iter().filter(|f| f.is_program()) {
        for found in function_lengths(&file.shipped_code()) {
            let why =
                format!("`{}` has {} lines; p90 is above {FUNCTION_P90}", found.name, found.length);
            sized.push((found.length, file.finding(found.line, why)));
        }
    }
    above_p90(sized, FUNCTION_P90)
}

/// Where the p90 is above the cap: all that are.
fn above_p90(mut sized: Vec<(usize, Finding)>, cap: usize) -> Vec<Finding> {
    sized.sort_by_key(|(size, _)| *size);
    let rank = (sized.len() * 9).div_ceil(10).saturating_sub(1);
    match sized.get(rank) {
        Some((size, _)) if *size > cap => {
            sized.into_iter().filter(|(size, _)| *size > cap).map(|(_, finding)| finding).collect()
        }
        _ => Vec::new(),
    }
}

struct Function {
    name: String,
    line: usize,
    length: usize,
}

/// rustfmt puts a function's closing brace on a line of its own, as far in as its `fn`.
fn function_lengths(code: &[String]) -> Vec<Function> {
    let mut found = Vec::new();
    for (line, text) in code.iter().enumerate() {
        let Some(name) = function_name(text) else { continue };
        let indent = text.len() - text.trim_start().len();
        let Some(open) = body_opens(&code[line..]) else { continue };
        let ends = |l: &String| {
            l.len() > indent && l[..indent].trim().is_empty() && l[indent..].starts_with('}')
        };
        let one_line = code[line + open].trim_end().ends_with('}');
        let last = if one_line {
            Some(0)
        } else {
            code[line + open + 1..].iter().position(ends).map(|n| n + 1)
        };
        found.push(Function { name, line, length: open + last.unwrap_or(0) + 1 });
    }
    found
}

/// The name after `fn`, where a line declares a function.
fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let words = ["pub", "const", "async", "unsafe", "extern", "default", "\"\""];
    let known =
        |word: &str| words.contains(&word) || word.starts_with("pub(") || word.ends_with(')');
    if !before.split_whitespace().all(known) {
        return None;
    }
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (end > 0).then(|| after[..end].to_owned())
}

/// The line, from the `fn` on, where the body opens; `None` for a declaration without one.
fn body_opens(lines: &[String]) -> Option<usize> {
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim_end();
        if line.ends_with('{') || line.ends_with('}') {
            return Some(at);
        }
        if line.ends_with(';') {
            return None;
        }
    }
    None
}

#[test]
fn functions_are_measured() {
    let text = "trait A {\n    fn no(&self);\n    fn one(&self) {}\n}\n\npub(crate) async fn two(\n    a: u8,\n) \
                -> u8 {\n    if a {\n    }\n}\nunsafe extern \"C\" fn three() {\n    x\n}\nlet f: fn (u8) = 1;\n";
    let code = super::lexer::lex(text).code;
    let found: Vec<_> =
        function_lengths(&code).into_iter().map(|f| (f.name, f.line, f.length)).collect();
    assert_eq!(found, [("one".into(), 2, 1), ("two".into(), 5, 6), ("three".into(), 11, 3)]);
}
