//! The versions in service, by path: the only place where one takes the place of another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Library;

/// Versions by the path in the configuration. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<Mutex<HashMap<PathBuf, Arc<Library>>>>);

impl Shelf {
    /// The version in service at this path: what the file is now, where nobody has asked before. Blocks then.
    #[must_use]
    pub fn get(&self, path: &Path) -> Arc<Library> {
        if let Some(known) = self.lock().get(path) {
            return Arc::clone(known);
        }
        let taken = Arc::new(Library::take(path));
        Arc::clone(self.lock().entry(path.to_owned()).or_insert(taken))
    }

    /// Puts a version in service at its path.
    pub fn put(&self, library: Arc<Library>) {
        self.lock().insert(library.path().to_owned(), library);
    }

    /// The same versions on a shelf of their own.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Library>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
