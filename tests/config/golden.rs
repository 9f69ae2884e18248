//! Each broken file is answered by exactly the text beside it. `UPDATE_GOLDEN=1` writes the texts anew.

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam::config;

fn broken_files() -> Vec<PathBuf> {
    let folder = super::root().join("tests/fixtures/config/bad");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

/// What is said of a file, as if it stood in the working directory.
fn rendering(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let name = Path::new(file.file_name().unwrap());
    match config::parse(&text, name, &super::no_environment) {
        Ok(_) => panic!("{} is accepted", file.display()),
        Err(report) => report.to_string(),
    }
}

#[test]
fn every_broken_file_is_answered_word_by_word() {
    let files = broken_files();
    assert!(files.len() >= 30);
    let mut wrong = Vec::new();
    for file in files {
        let (answer, expected) = (rendering(&file), file.with_extension("txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected, answer).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != answer {
            wrong.push(format!("{}:\n{answer}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_problem_has_a_place_and_a_mend() {
    for file in broken_files() {
        let answer = rendering(&file);
        for frame in answer.split("\n\n") {
            assert!(frame.contains(" --> "), "{}: {frame}", file.display());
            assert!(frame.contains("= help: "), "{}: {frame}", file.display());
        }
    }
}

#[test]
fn every_text_has_its_file() {
    let folder = super::root().join("tests/fixtures/config/bad");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("toml").exists(), "{}", path.display());
    }
}
