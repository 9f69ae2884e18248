//! Each rule is shown to fail: a small tree with one thing wrong, and the file and line that must be named.

use super::source::{File, Finding};
use super::{Rule, floors, papers, sizes, style};

const LIB: &str = "//! ```text floors\n//! 4 executor   how\n//! 3 child worker  both sides\n//! 2 wire config   frames\n\
                   //! 1 ffi   values\n//! 0 sys   calls\n//! ```\n";

/// What is wrong, the rule, the file that has it, and the line; 0: nothing is wrong.
type Case = (&'static str, Rule, &'static str, &'static str, usize);

const FLOORS: &[Case] = &[
    ("upwards", floors::floors, "src/wire.rs", "//! A.\n\nuse crate::child::X;\n", 3),
    ("sideways", floors::floors, "src/child.rs", "fn a() {\n    crate::worker::go();\n}\n", 2),
    (
        "in a group",
        floors::floors,
        "src/wire.rs",
        "use crate::{\n    ffi::{a, b},\n    child,\n};\n",
        1,
    ),
    ("by super", floors::floors, "src/wire/a/b.rs", "use super::super::super::child::X;\n", 1),
    ("by super, in a group", floors::floors, "src/wire.rs", "use super::{ffi, child};\n", 1),
    ("without a floor", floors::floors, "src/wire.rs", "use crate::elsewhere::X;\n", 1),
    ("from no floor", floors::floors, "src/elsewhere.rs", "use crate::sys::X;\n", 1),
    ("worker and config", floors::floors, "src/worker/a.rs", "use crate::config::X;\n", 1),
    ("worker program", floors::floors, "src/bin/cofferdam-worker.rs", "use cofferdam::wire;\n", 1),
    ("downwards", floors::floors, "src/executor.rs", "use crate::{child, wire};\n", 0),
    ("its own", floors::floors, "src/wire/codec.rs", "use super::X;\nuse crate::wire::Y;\n", 0),
    ("in a comment", floors::floors, "src/wire.rs", "/// [`crate::child`]\n", 0),
    (
        "in a test",
        floors::floors,
        "src/wire.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::child;\n}\n",
        0,
    ),
    (
        "after a test",
        floors::floors,
        "src/wire.rs",
        "#[cfg(test)]\nmod tests;\n\nuse crate::child;\n",
        4,
    ),
    ("tokio", floors::worker_crates, "src/worker/a.rs", "fn a() {}\n\nuse tokio::net;\n", 3),
    ("http", floors::worker_crates, "src/worker.rs", "fn a(b: http::Method) {}\n", 1),
    ("http, elsewhere", floors::worker_crates, "src/child.rs", "use http::Method;\n", 0),
    ("a module of that name", floors::worker_crates, "src/worker.rs", "use a::http::b;\n", 0),
];

const STYLE: &[Case] = &[
    ("no docs", style::module_docs, "src/a.rs", "fn a() {}\n", 1),
    ("too many docs", style::module_docs, "src/a.rs", "//! 1\n//! 2\n//! 3\n//! 4\n//! 5\n", 1),
    ("docs", style::module_docs, "src/a.rs", "//! 1\n", 0),
    ("mod.rs", style::no_mod_rs, "src/a/mod.rs", "//! A.\n", 1),
    ("banner", style::no_banners, "src/a.rs", "fn a() {}\n// ---- helpers ----\n", 2),
    ("line", style::no_banners, "src/a.rs", "fn a() {}\n//////////////\n", 2),
    (
        "a table in docs",
        style::no_banners,
        "src/a.rs",
        "/// | a |\n/// |---|\n/// --- \n// -1 is fine\n",
        0,
    ),
    ("unwrap", style::no_unwrap, "src/a.rs", "fn a() {\n    b()\n        .unwrap();\n}\n", 3),
    ("expect", style::no_unwrap, "src/a.rs", "fn a() {\n    b().expect(\"\");\n}\n", 2),
    (
        "unwrap in a string",
        style::no_unwrap,
        "src/a.rs",
        "const A: &str = \".unwrap()\"; // .unwrap()\n",
        0,
    ),
    ("unwrap_or", style::no_unwrap, "src/a.rs", "fn a() {\n    b().unwrap_or(1);\n}\n", 0),
    (
        "unwrap in a test",
        style::no_unwrap,
        "src/a.rs",
        "#[cfg(test)]\nmod tests {\n    b().unwrap();\n}\n",
        0,
    ),
    (
        "unwrap after a test",
        style::no_unwrap,
        "src/a.rs",
        "#[cfg(test)]\nmod tests {\n}\n\nfn a() {\n    b().unwrap();\n}\n",
        6,
    ),
    ("put off", style::nothing_to_do, "src/a.rs", "fn a() {}\n\n// TODO: all\n", 3),
    ("put off in C", style::nothing_to_do, "c-ext/a.c", "/* FIXME */\n", 1),
    ("put off by macro", style::nothing_to_do, "src/a.rs", "fn a() {\n    todo!()\n}\n", 2),
    ("boxed", style::no_box_error, "src/a.rs", "type A = tower::BoxError;\n", 1),
    (
        "unsafe elsewhere",
        style::unsafe_floors,
        "src/call.rs",
        "//! A.\n#[allow(unsafe_code)]\nfn a() {}\n",
        2,
    ),
    (
        "unsafe granted",
        style::unsafe_floors,
        "src/lib.rs",
        "#[allow(unsafe_code)]\npub mod call;\n",
        1,
    ),
    (
        "unsafe floor",
        style::unsafe_floors,
        "src/lib.rs",
        "#[allow(unsafe_code)]\npub mod sys;\n",
        0,
    ),
];

const PAPERS: &[Case] = &[
    ("no such file", papers::config_mentions, "docs/a.md", "See\n[it](./config/none.toml).\n", 2),
    ("some other file", papers::config_mentions, "docs/a.md", "/etc/none.toml config/\n", 0),
    ("no commands", papers::readme_commands, "README.md", "Text.\n", 1),
    ("third command", papers::readme_commands, "README.md", "Text.\n```sh\ncargo run\n```\n", 3),
    (
        "no such metric",
        papers::metric_mentions,
        "dashboards/a.json",
        "{\n\"rate(cofferdam_b_total[1m])\"}\n",
        2,
    ),
    (
        "no page",
        papers::metrics,
        "src/telemetry/metrics.rs",
        "const A: &str = \"cofferdam_a_total\";\n",
        1,
    ),
];

#[test]
fn each_rule_names_file_and_line() {
    for (what, rule, path, text, line) in FLOORS.iter().chain(STYLE).chain(PAPERS) {
        let lib = file("src/lib.rs", LIB);
        let findings = match *path {
            "src/lib.rs" => rule(&[file(path, text)]),
            _ => rule(&[lib, file(path, text)]),
        };
        let path = if *what == "no page" { "docs/metrics.md" } else { path };
        assert_named(what, &findings, path, *line);
    }
}

#[test]
fn the_table_and_the_modules_must_agree() {
    let missing = format!("{LIB}pub mod stray;\n");
    let findings = floors::table_is_whole(&[file("src/lib.rs", &missing)]);
    assert_named("stray", &findings, "src/lib.rs", 8);
    assert!(findings.iter().any(|f| f.message.contains("`sys`, which is no module")));
}

#[test]
fn sizes_are_capped() {
    let long = "// a\n".repeat(501);
    assert_named("file", &sizes::files(&[file("src/a.rs", &long)]), "src/a.rs", 501);
    let function = |lines: usize| format!("\nfn a() {{\n{}}}\n", "    b();\n".repeat(lines));
    assert_named("cap", &sizes::functions(&[file("src/a.rs", &function(59))]), "src/a.rs", 2);
    assert_named("cap", &sizes::functions(&[file("src/a.rs", &function(58))]), "src/a.rs", 0);
    let mixed = |long: usize| {
        let short = function(1).repeat(10 - long);
        [file("src/a.rs", &(short + &function(24).repeat(long)))]
    };
    assert_named("p90", &sizes::functions_p90(&mixed(1)), "src/a.rs", 0);
    assert_named("p90", &sizes::functions_p90(&mixed(2)), "src/a.rs", 34);
    let code = [file("src/a.rs", &"use b;\n".repeat(301))];
    assert_named("file p90", &sizes::files_p90(&code), "src/a.rs", 1);
}

#[test]
fn metrics_and_page_must_agree() {
    let page = "# M\n| `cofferdam_a_total` | counter |\n| `cofferdam_gone` | gauge |\n";
    let code = "//! M.\nconst A: &str = \"cofferdam_a_total\";\nconst B: &str = \"cofferdam_new\";\n\
                #[cfg(test)]\nmod tests {\n    const C: &str = \"cofferdam_test\";\n}\n";
    let files = [file("docs/metrics.md", page), file("src/telemetry/metrics.rs", code)];
    let findings = papers::metrics(&files);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_named("defined", &findings, "src/telemetry/metrics.rs", 3);
    assert_named("documented", &findings, "docs/metrics.md", 3);
    let dashboard = file("dashboards/a.json", "cofferdam_a_total_bucket cofferdam_a_total\n");
    let [page, _] = files;
    assert_named("parts", &papers::metric_mentions(&[page, dashboard]), "", 0);
}

#[test]
fn the_two_commands_are_enough() {
    let text = "```sh\ncargo build --release && ./target/release/cofferdam demo\n```\n```sh\ncargo test\n```\n";
    assert_named("both", &papers::readme_commands(&[file("README.md", text)]), "", 0);
}

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[track_caller]
fn assert_named(what: &str, findings: &[Finding], path: &str, line: usize) {
    let named = findings.iter().any(|f| f.path == path && f.line == line);
    assert!(if line == 0 { findings.is_empty() } else { named }, "{what}: {findings:?}");
}
