//! Floors: a module uses only those below its own, as the table in `src/lib.rs` has them; the worker uses only three.

use std::collections::BTreeMap;

use super::source::{File, Finding};

/// All that `worker` may use.
const WORKER_MAY_USE: [&str; 3] = ["wire", "ffi", "sys"];
/// Each of these would be paid for at every call.
const WORKER_MAY_NOT_LINK: [&str; 7] =
    ["tokio", "hyper", "hyper_util", "tracing", "tracing_subscriber", "toml", "http"];

/// Modules and their floors, from the fence that opens with `text floors`.
fn table(files: &[File]) -> BTreeMap<String, u32> {
    let lib = files.iter().find(|f| f.path == "src/lib.rs").map_or("", |f| f.text.as_str());
    lib.lines()
        .skip_while(|line| !line.contains("```text floors"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .flat_map(floor)
        .collect()
}

/// `//! 8 server admin   what they do`: names end at two spaces.
fn floor(line: &str) -> Vec<(String, u32)> {
    let row = line.trim_start_matches("//!").trim();
    let Some((number, names)) = row.split_once(' ') else { return Vec::new() };
    let Ok(number) = number.parse() else { return Vec::new() };
    let names = names.split("  ").next().unwrap_or_default();
    names.split_whitespace().map(|name| (name.to_owned(), number)).collect()
}

/// Every use of another module is of a lower floor.
pub fn floors(files: &[File]) -> Vec<Finding> {
    let table = table(files);
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| f.is_program() && f.path != "src/lib.rs") {
        for (line, used) in uses(file) {
            if let Some(why) = objection(&table, &file.path, &used) {
                findings.push(file.finding(line, why));
            }
        }
    }
    findings
}

fn objection(table: &BTreeMap<String, u32>, path: &str, used: &str) -> Option<String> {
    let Some(&theirs) = table.get(used) else {
        return Some(format!("`{used}` has no floor in src/lib.rs"));
    };
    if path == "src/bin/cofferdam-worker.rs" {
        let fits = used == "worker";
        return (!fits).then(|| format!("the worker program uses only `worker`, not `{used}`"));
    }
    if path.starts_with("src/bin/") {
        return None;
    }
    let own = module_path(path).into_iter().next()?;
    let Some(&ours) = table.get(&own) else {
        return Some(format!("`{own}` has no floor in src/lib.rs"));
    };
    if own == used {
        None
    } else if own == "worker" && !WORKER_MAY_USE.contains(&used) {
        Some(format!("`worker` uses only {}, not `{used}`", WORKER_MAY_USE.join(" ")))
    } else if theirs >= ours {
        Some(format!("`{own}` (floor {ours}) uses `{used}` (floor {theirs})"))
    } else {
        None
    }
}

/// `src/a/b.rs` is `a::b`.
fn module_path(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.split('/').map(str::to_owned).collect()
}

/// The top modules that a file names, with the lines.
fn uses(file: &File) -> Vec<(usize, String)> {
    let code = file.shipped_code().join("\n");
    let depth = module_path(&file.path).len();
    let root = if file.path.starts_with("src/bin/") { "cofferdam" } else { "crate" };
    let mut found = Vec::new();
    for (at, rest) in paths(&code, root) {
        found.extend(heads(rest).into_iter().map(|name| (line_of(&code, at), name)));
    }
    for (at, mut rest) in paths(&code, "super") {
        let mut up = 1;
        while let Some(further) = rest.strip_prefix("super::") {
            rest = further;
            up += 1;
        }
        if up == depth {
            found.extend(heads(rest).into_iter().map(|name| (line_of(&code, at), name)));
        }
    }
    found
}

/// Each place where a path starts with this word, and what follows its `::`.
fn paths<'a>(code: &'a str, word: &str) -> Vec<(usize, &'a str)> {
    let start = format!("{word}::");
    let begins =
        |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    code.match_indices(&start)
        .filter(|(at, _)| begins(*at))
        .map(|(at, _)| (at, &code[at + start.len()..]))
        .collect()
}

/// The first names of what follows a `::`: one, or each of a brace.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return Vec::from_iter(head(rest)) };
    let (mut depth, mut start, mut names) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(head(group[start..at].trim()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn head(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count()
}

/// `worker` names none of the crates that make a start dear.
pub fn worker_crates(files: &[File]) -> Vec<Finding> {
    let is_worker = |f: &&File| {
        f.path == "src/worker.rs"
            || f.path.starts_with("src/worker/")
            || f.path == "src/bin/cofferdam-worker.rs"
    };
    let mut findings = Vec::new();
    for file in files.iter().filter(is_worker) {
        let code = file.shipped_code().join("\n");
        for name in WORKER_MAY_NOT_LINK {
            for (at, _) in paths(&code, name) {
                let why = format!("the worker would link `{name}`");
                findings.push(file.finding(line_of(&code, at), why));
            }
        }
    }
    findings
}

/// The table has each `mod` of `lib.rs`, and no other.
pub fn table_is_whole(files: &[File]) -> Vec<Finding> {
    let table = table(files);
    let Some(lib) = files.iter().find(|f| f.path == "src/lib.rs") else { return Vec::new() };
    let mut findings = Vec::new();
    let mut declared = Vec::new();
    for (line, code) in lib.shipped_code().iter().enumerate() {
        let name = code.trim_start_matches("pub ").strip_prefix("mod ");
        let Some(name) = name.and_then(head) else { continue };
        if !table.contains_key(&name) {
            findings.push(lib.finding(line, format!("`{name}` has no floor in the table")));
        }
        declared.push(name);
    }
    for name in table.keys().filter(|name| !declared.contains(name)) {
        findings.push(lib.finding(0, format!("the table has `{name}`, which is no module")));
    }
    findings
}
