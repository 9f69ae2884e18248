//! A library whose file becomes another one, in the ways in which people do that.

use std::path::PathBuf;

use rustix::process::Signal;

use crate::calls::ground::{function_of, of};
use crate::support::Cofferdam;
use crate::support::clib::variant;

/// A file `lib.so` in a folder of its own; begins as version 1 of the fixture `version`.
pub struct Versions {
    folder: tempfile::TempDir,
}

impl Versions {
    pub fn new() -> Self {
        let versions = Self { folder: tempfile::tempdir().unwrap() };
        versions.becomes(&["-DVERSION=1"]);
        versions
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lib.so")
    }

    pub fn bytes(words: &[&str]) -> Vec<u8> {
        std::fs::read(variant("version", words)).unwrap()
    }

    /// As `install(1)` and package managers do.
    pub fn becomes(&self, words: &[&str]) {
        self.is_renamed(&Self::bytes(words));
    }

    pub fn is_renamed(&self, bytes: &[u8]) {
        let fresh = self.folder.path().join("fresh.so");
        std::fs::write(&fresh, bytes).unwrap();
        std::fs::rename(fresh, self.path()).unwrap();
    }

    /// As `cp(1)` does: into the very file that is in use.
    pub fn is_overwritten(&self, bytes: &[u8]) {
        std::fs::write(self.path(), bytes).unwrap();
    }

    /// `int version(void)`.
    pub fn function(&self, name: &str, keys: &str) -> String {
        let is_declared = keys.contains("prototype");
        let main = if is_declared { "" } else { "prototype = \"int version(void)\"\n" };
        function_of(name, &self.path(), &format!("{main}{keys}"), "")
    }
}

/// SIGHUP, and that its outcome was counted for the function `f`.
#[track_caller]
pub fn reload(cofferdam: &Cofferdam, result: &str) {
    let count = || of(cofferdam, "library_reloads_total", "f", &[("result", result)]);
    let before = count();
    cofferdam.signal(Signal::HUP);
    eventually!(count(), |count| *count == before + 1.0);
}

/// The build ids that the metric shows for a function.
#[track_caller]
pub fn build_ids(cofferdam: &Cofferdam, function: &str) -> Vec<String> {
    let scrape = cofferdam.metrics();
    let all = scrape.matching("cofferdam_function_library_info", &[("function", function)]);
    all.iter().map(|sample| sample.labels["build_id"].clone()).collect()
}

/// `/f` answers with this version.
#[track_caller]
pub fn serves(cofferdam: &Cofferdam, version: u32) {
    let answer = cofferdam.get("/f");
    assert_eq!((answer.status, answer.text().trim()), (200, version.to_string().as_str()));
}
