//! The demo's own folder: its configuration and its library, from this program, so that an installed one works anywhere.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::DemoError;

const CONFIG: &str = include_str!("../../../config/demo.toml");
const LIBRARY: &[u8] = include_bytes!(concat!(env!("COFFERDAM_EXAMPLES"), "/libsleep.so"));

/// Removed with all that is in it when it is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// In `TMPDIR`, for this user only.
    ///
    /// # Errors
    /// [`DemoError::Folder`].
    pub fn create() -> Result<Self, DemoError> {
        let name = format!("cofferdam-demo-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Refused where the name is taken: nobody may have laid files ready in a shared /tmp.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| at(&path, source))?;
        let folder = Self(path);
        folder.write(&folder.config(), CONFIG.as_bytes())?;
        folder.write(&folder.library(), LIBRARY)?;
        Ok(folder)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
        fs::write(path, bytes).map_err(|source| at(path, source))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration of the sidecar.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("demo.toml")
    }

    /// `int main(void)`, which sleeps for two seconds.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.0.join("libsleep.so")
    }

    /// Where the program of this name writes its standard error.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.log"))
    }
}

fn at(path: &Path, source: std::io::Error) -> DemoError {
    DemoError::Folder { path: path.display().to_string(), source }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_the_demo_needs_and_goes_when_dropped() {
        let folder = Folder::create().unwrap();
        assert!(fs::read_to_string(folder.config()).unwrap().contains("[[routes]]"));
        assert!(fs::read(folder.library()).unwrap().starts_with(b"\x7fELF"));
        let path = folder.0.clone();
        drop(folder);
        assert!(!path.exists());
    }
}
