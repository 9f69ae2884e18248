//! Commands of the program that end by themselves: what they print, and their exit code.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

/// What a command did.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None`: a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// `cofferdam WORDS`, to its end.
pub fn cofferdam<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(words).stdin(Stdio::null()).output().unwrap().into()
}

/// A configuration file in a folder of its own.
pub struct File {
    folder: tempfile::TempDir,
}

impl File {
    /// With this text.
    pub fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cofferdam.toml"), text).unwrap();
        Self { folder }
    }

    /// A file beside it.
    pub fn with(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
        self
    }

    /// Its path.
    pub fn path(&self) -> String {
        self.beside("cofferdam.toml")
    }

    /// The path of a file beside it.
    pub fn beside(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// `cofferdam COMMAND FILE WORDS`.
    pub fn run(&self, command: &str, words: &[&str]) -> Ended {
        let path = self.path();
        cofferdam([command, &path].iter().chain(words))
    }
}
