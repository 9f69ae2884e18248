//! `docs/faults.md` and the tests agree: each row names the tests that show it, and they are there.

use std::collections::BTreeSet;
use std::path::Path;

const PAPER: &str = include_str!("../../docs/faults.md");

/// The cells of each row of its tables, but for the heads.
fn rows() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    let rows = PAPER.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault"));
    rows.map(cells).collect()
}

/// `FILE::TEST` of a cell, in backticks; the file is one of `tests`, or begins with `src`.
fn named(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = cell.split('`').skip(1).step_by(2);
    words.filter_map(|word| word.rsplit_once("::"))
}

fn is_test(file: &str, name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if file.starts_with("src/") { root.to_owned() } else { root.join("tests") };
    let text = std::fs::read_to_string(root.join(file).with_extension("rs")).unwrap_or_default();
    text.split("#[test]").skip(1).any(|rest| {
        let line = rest.lines().find(|line| line.trim_start().starts_with("fn "));
        line.is_some_and(|line| line.contains(&format!("fn {name}(")))
    })
}

#[test]
fn each_row_names_tests_that_are_there() {
    let rows = rows();
    assert!(rows.len() >= 35, "{} rows", rows.len());
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        let tests: Vec<_> = named(row[3]).collect();
        assert!(!tests.is_empty(), "no test: {row:?}");
        for (file, name) in tests {
            assert!(is_test(file, name), "tests/{file}.rs has no test {name}: {row:?}");
        }
    }
}

#[test]
fn each_test_of_a_fault_stands_in_a_row() {
    let shown: BTreeSet<_> = rows().iter().flat_map(|row| named(row[3])).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let name = format!("faults/{}", file.file_stem().unwrap().to_str().unwrap());
        if name == "faults/paper" {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        for rest in text.split("#[test]\n").skip(1) {
            let test = rest.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            assert!(shown.contains(&(&*name, test)), "docs/faults.md lacks {name}::{test}");
        }
    }
}
