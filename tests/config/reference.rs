//! The keys in the code, in `docs/config.md` and in `config/complete.toml` are the same ones, with the same defaults.

use std::collections::BTreeSet;
use std::fs;

use cofferdam::config::{self, Key};

const ARGUMENT: &str = "functions.NAME.arguments.PARAMETER";

/// The rows `| key | type | default | meaning |` of the reference, each under its `### header`.
fn documented() -> Vec<(String, [String; 4])> {
    let text = fs::read_to_string(super::root().join("docs/config.md")).unwrap();
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("### ") {
            section = header.to_owned();
        }
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [key, kind, default, meaning] = cells.as_slice()
            && key.starts_with('`')
        {
            rows.push((section.clone(), [key, kind, default, meaning].map(|s| s.to_string())));
        }
    }
    rows
}

/// How the reference heads a section.
fn header(section: &str) -> String {
    match section {
        "" => "The top of the file".into(),
        "routes" | "server.listeners" => format!("`[[{section}]]`"),
        _ => format!("`[{section}]`"),
    }
}

fn row(key: &Key) -> (String, [String; 4]) {
    let default = if key.default.is_empty() { "–".into() } else { format!("`{}`", key.default) };
    let cells = [format!("`{}`", key.name), key.kind.clone(), default, key.meaning.to_owned()];
    (header(key.section), cells)
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let documented = documented();
    let expected: Vec<_> = config::keys().iter().map(row).collect();
    for expected in &expected {
        let (section, cells) = expected;
        let line = format!("| {} |", cells.join(" | "));
        assert!(documented.contains(expected), "docs/config.md lacks, under {section}:\n{line}");
    }
    for (section, cells) in &documented {
        let known = expected.iter().any(|(s, c)| s == section && c[0] == cells[0]);
        assert!(known, "docs/config.md has {} under {section}, the code has not", cells[0]);
    }
}

/// The section that a table of a file belongs to: names and places in lists do not count.
fn section_of(path: &[String]) -> String {
    let parts: Vec<_> = path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["functions", _, "arguments", _] => ARGUMENT.into(),
        ["defaults"] => "functions.NAME".into(),
        ["defaults", rest @ ..] | ["functions", _, rest @ ..] => std::iter::once("functions.NAME")
            .chain(rest.iter().copied())
            .collect::<Vec<_>>()
            .join("."),
        ["upstreams", _, rest @ ..] => std::iter::once("upstreams.NAME")
            .chain(rest.iter().copied())
            .collect::<Vec<_>>()
            .join("."),
        ["sandboxes", _, rest @ ..] => std::iter::once("sandboxes.NAME")
            .chain(rest.iter().copied())
            .collect::<Vec<_>>()
            .join("."),
        parts => parts.join("."),
    }
}

fn collect(value: &toml::Value, path: &mut Vec<String>, found: &mut BTreeSet<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                found.insert((section_of(path), key.clone()));
                path.push(key.clone());
                collect(value, path, found);
                path.pop();
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| collect(item, path, found)),
        _ => {}
    }
}

#[test]
fn the_complete_file_shows_every_key() {
    let text = fs::read_to_string(super::root().join("config/complete.toml")).unwrap();
    let mut found = BTreeSet::new();
    collect(&toml::Value::Table(text.parse().unwrap()), &mut Vec::new(), &mut found);
    for key in config::keys() {
        let shown = found.contains(&(key.section.to_owned(), key.name.to_owned()));
        assert!(
            shown,
            "config/complete.toml does not show `{}` of {}",
            key.name,
            header(key.section)
        );
    }
}

const SHORT: &str = r#"
listen = ":0"
upstream = "app"
upstreams.app.url = "http://app"
server.listeners = [{ name = "tls", address = ":1", tls = { certificate = "c", key = "k", client_ca = "a" } }]
sandboxes.own = { level = "basic" }
functions.f = { library = "f.so", prototype = "int f(void)" }
routes = [{ path = "/", respond = {} }]
"#;

/// The table of a section in a file that has one upstream, one function and one route.
fn table<'t>(file: &'t mut toml::Value, section: &str) -> &'t mut toml::Table {
    let mut value = file;
    for part in section.split('.').filter(|part| !part.is_empty()) {
        if let toml::Value::Array(items) = value {
            value = &mut items[0];
        }
        let table = value.as_table_mut().unwrap();
        let part = if part == "NAME" { table.keys().next().unwrap().clone() } else { part.into() };
        value = table.entry(part).or_insert(toml::Value::Table(toml::Table::new()));
    }
    match value {
        toml::Value::Array(items) => items[0].as_table_mut().unwrap(),
        other => other.as_table_mut().unwrap(),
    }
}

/// Sections that mean something by being written.
const SWITCHES: [&str; 12] = [
    "admin",
    "dossiers",
    "functions.NAME.failure",
    "functions.NAME.poison",
    "functions.NAME.pool",
    "functions.NAME.spares",
    "routes.files",
    "routes.rate_limit",
    "routes.redirect",
    "upstreams.NAME.health",
    "upstreams.NAME.queue",
    "upstreams.NAME.tls",
];

/// [`SHORT`] with each default written out, but for [`SWITCHES`].
fn defaults_written_out() -> String {
    let mut file = toml::Value::Table(SHORT.parse().unwrap());
    let keys = config::keys().into_iter().filter(|key| !key.default.is_empty());
    for key in keys.filter(|key| !SWITCHES.contains(&key.section)) {
        let default: toml::Table = format!("value = {}", key.default).parse().unwrap();
        table(&mut file, key.section).insert(key.name.into(), default["value"].clone());
    }
    toml::to_string(&file).unwrap()
}

/// The settings line by line, without places in the file.
fn settings(text: &str) -> Vec<String> {
    let config = super::parse(text).unwrap_or_else(|report| panic!("{report}"));
    let text = format!("{config:#?}");
    text.lines().filter(|line| !line.contains("defined_at")).map(str::to_owned).collect()
}

#[test]
fn a_default_written_out_changes_nothing() {
    assert_eq!(settings(SHORT), settings(&defaults_written_out()));
}
