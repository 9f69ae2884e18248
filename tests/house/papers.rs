//! Papers that agree with the program: metrics and their page, files that are named, the commands of the README.

use std::collections::BTreeMap;

use super::source::{File, Finding};

/// Ours, and the names that every client library gives to a process.
const PREFIXES: [&str; 2] = ["cofferdam_", "process_"];
const PAGE: &str = "docs/metrics.md";
const COMMANDS: [&str; 2] =
    ["cargo build --release && ./target/release/cofferdam demo", "cargo test"];

/// Every metric the program defines stands in a table of the page, and the reverse.
pub fn metrics(files: &[File]) -> Vec<Finding> {
    let Some(page) = files.iter().find(|f| f.path == PAGE) else {
        let message = "missing: every metric stands in it".to_owned();
        return vec![Finding { path: PAGE.to_owned(), line: 1, message }];
    };
    let documented = documented(page);
    let defined = defined(files);
    let mut findings = Vec::new();
    for (name, (file, line)) in &defined {
        if !documented.contains_key(name) {
            findings.push(file.finding(*line, format!("`{name}` does not stand in {PAGE}")));
        }
    }
    for (name, line) in documented.iter().filter(|(name, _)| !defined.contains_key(*name)) {
        findings.push(page.finding(*line, format!("`{name}` is not defined in src/telemetry")));
    }
    findings
}

/// Papers, dashboards and alerts name only metrics of the page; a histogram's parts count as it.
pub fn metric_mentions(files: &[File]) -> Vec<Finding> {
    let page = files.iter().find(|f| f.path == PAGE);
    let known = page.map(documented).unwrap_or_default();
    let parts = ["_bucket", "_sum", "_count"];
    let exists = |name: &str| {
        known.contains_key(name)
            || parts
                .iter()
                .any(|part| name.strip_suffix(part).is_some_and(|n| known.contains_key(n)))
    };
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| is_paper(f)) {
        for (line, text) in file.text.lines().enumerate() {
            let names = words(text).filter(|w| w.starts_with("cofferdam_") && !w.ends_with('_'));
            for name in names.filter(|name| !exists(name)) {
                findings.push(file.finding(line, format!("no metric is called `{name}`")));
            }
        }
    }
    findings
}

/// Every `config/NAME.toml` that is named is there.
pub fn config_mentions(files: &[File]) -> Vec<Finding> {
    let part = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with(".md")) {
        for (line, text) in file.text.lines().enumerate() {
            for word in text.split(|c| !part(c)) {
                let path = word.trim_start_matches("./").trim_end_matches('.');
                let named = path.starts_with("config/") && path.ends_with(".toml");
                if named && !files.iter().any(|f| f.path == path) {
                    findings.push(file.finding(line, format!("there is no `{path}`")));
                }
            }
        }
    }
    findings
}

/// The README's shell blocks call cargo twice: to see it, and to test it.
pub fn readme_commands(files: &[File]) -> Vec<Finding> {
    let Some(readme) = files.iter().find(|f| f.path == "README.md") else {
        let message = "missing".to_owned();
        return vec![Finding { path: "README.md".to_owned(), line: 1, message }];
    };
    let commands = cargo_commands(&readme.text);
    let mut findings = Vec::new();
    for (line, command) in commands.iter().filter(|(_, c)| !COMMANDS.contains(c)) {
        findings.push(readme.finding(*line, format!("`{command}` is a third command")));
    }
    for wanted in COMMANDS.iter().filter(|w| !commands.iter().any(|(_, c)| c == *w)) {
        findings.push(readme.finding(0, format!("`{wanted}` does not stand in it")));
    }
    findings
}

/// Lines of `sh` blocks that start with `cargo`.
fn cargo_commands(text: &str) -> Vec<(usize, &str)> {
    let mut in_shell = false;
    let mut found = Vec::new();
    for (line, text) in text.lines().enumerate() {
        match text.strip_prefix("```") {
            Some(kind) => in_shell = kind == "sh",
            None if in_shell && text.starts_with("cargo ") => found.push((line, text)),
            None => {}
        }
    }
    found
}

/// Names in the first cell of the page's tables.
fn documented(page: &File) -> BTreeMap<String, usize> {
    let row = |(line, text): (usize, &str)| {
        let name = text.strip_prefix("| `")?.split('`').next()?;
        is_ours(name).then(|| (name.to_owned(), line))
    };
    page.text.lines().enumerate().filter_map(row).collect()
}

/// Names that stand as strings in shipped code of `telemetry`.
fn defined(files: &[File]) -> BTreeMap<String, (&File, usize)> {
    let telemetry =
        |f: &&File| f.path == "src/telemetry.rs" || f.path.starts_with("src/telemetry/");
    let mut names = BTreeMap::new();
    for file in files.iter().filter(telemetry) {
        let shipped = file.shipped_code();
        for (line, string) in file.lexed().strings {
            let is_shipped = shipped.get(line).is_some_and(|code| !code.is_empty());
            let is_name = is_ours(&string) && words(&string).eq([string.as_str()]);
            if is_shipped && is_name {
                names.insert(string, (file, line));
            }
        }
    }
    names
}

fn is_ours(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn is_paper(file: &File) -> bool {
    file.path.ends_with(".md") || file.path.starts_with("dashboards/")
}
