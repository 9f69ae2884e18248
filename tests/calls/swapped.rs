//! A library that breaks after the program has started: at the start a broken one is refused.

use std::path::PathBuf;

use super::ground::function_of;
use crate::support::clib::library;

/// A library that is another one by the time that it is called.
pub struct Swapped {
    folder: tempfile::TempDir,
}

impl Swapped {
    /// Begins as the fixture `mild`, which has all that the broken ones should have.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(library("mild"), folder.path().join("lib.so")).unwrap();
        Self { folder }
    }

    pub fn function(&self, name: &str, keys: &str, route: &str) -> String {
        function_of(name, &self.path(), keys, route)
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lib.so")
    }

    pub fn becomes(&self, fixture: &str) {
        let fresh = self.folder.path().join("fresh.so");
        std::fs::copy(library(fixture), &fresh).unwrap();
        std::fs::rename(fresh, self.path()).unwrap();
    }

    pub fn goes(&self) {
        std::fs::remove_file(self.path()).unwrap();
    }
}
