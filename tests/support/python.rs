//! The Python that `.ci/run` makes, with the packages of `tests/origin/requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One that can import these, separated by commas; else the test is to be skipped, and that has been said.
pub fn python(modules: &str) -> Option<PathBuf> {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/origin-venv/bin/python");
    let python = std::env::var_os("COFFERDAM_ORIGIN_PYTHON").map_or_else(made, PathBuf::from);
    let probe = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    super::skip(&format!("no Python with {modules}; .ci/run makes one in target/origin-venv"));
    None
}
