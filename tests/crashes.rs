//! What becomes of a call whose worker crashes: it is tried again, its like are refused, its death is written down and can be
//! played again.

mod dossiers;
mod poison;
mod replay;
mod retry;

use std::path::{Path, PathBuf};

use crate::calls::ground::function;
use crate::support::Cofferdam;

/// A function of the fixture, with its route `/NAME`.
fn fickle(name: &str, keys: &str) -> String {
    function(name, "fickle", keys, "")
}

/// A file that runs are tallied in.
struct Tally(tempfile::TempDir);

impl Tally {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tally")
    }

    /// Runs so far.
    fn runs(&self) -> u64 {
        std::fs::metadata(self.path()).map_or(0, |about| about.len())
    }
}

/// A line of the log that has all of these.
#[track_caller]
fn logged(cofferdam: &Cofferdam, parts: &[&str]) {
    let has = |line: &String| parts.iter().all(|part| line.contains(part));
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(has));
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
