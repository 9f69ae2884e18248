//! A library that breaks after the program has started: at the start a broken one is refused, and later the file at its path
//! does not matter. What it loads from beside it still does.

use std::path::PathBuf;

use super::ground::function_of;
use crate::support::clib::{library, shell};

/// A library of which all that it does is in another one, which may be another one by the time that it is called.
pub struct Swapped {
    folder: tempfile::TempDir,
}

impl Swapped {
    /// Begins as the fixture `mild`, which has all that the broken ones should have.
    pub fn new() -> Self {
        let swapped = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::copy(shell(), swapped.path()).unwrap();
        swapped.becomes("mild");
        swapped
    }

    pub fn function(&self, name: &str, keys: &str, route: &str) -> String {
        function_of(name, &self.path(), keys, route)
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lib.so")
    }

    /// Of the other one.
    pub fn inner(&self) -> PathBuf {
        self.folder.path().join("libinner.so")
    }

    pub fn becomes(&self, fixture: &str) {
        let fresh = self.folder.path().join("fresh.so");
        std::fs::copy(library(fixture), &fresh).unwrap();
        std::fs::rename(fresh, self.inner()).unwrap();
    }

    pub fn goes(&self) {
        std::fs::remove_file(self.inner()).unwrap();
    }
}
