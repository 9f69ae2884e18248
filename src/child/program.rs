//! The worker program, opened once: an upgrade on disk cannot mix versions, a deletion cannot stop starts.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

const NAME: &str = "cofferdam-worker";
/// Names the worker program where it does not lie beside the proxy's.
pub const VARIABLE: &str = "COFFERDAM_WORKER";

/// A pinned program: started through its descriptor, whatever becomes of its path.
#[derive(Debug)]
pub struct WorkerProgram {
    file: File,
}

/// No worker program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// None of the places has one.
    #[error(
        "the program {NAME} is not at {} — build both programs with `cargo build --release`, put {NAME} \
         beside cofferdam, or name it with --worker PATH or {VARIABLE}=PATH", .0.display()
    )]
    Missing(PathBuf),
    /// It is there and cannot be opened.
    #[error("the worker program {} cannot be used: {source} — check its permissions", path.display())]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl WorkerProgram {
    /// Opens the program that was named by `--worker`, else by `COFFERDAM_WORKER`, else the one beside this program.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub fn locate(named: Option<&Path>) -> Result<Self, ProgramError> {
        let named = named.map(Path::to_owned).or_else(|| env::var_os(VARIABLE).map(PathBuf::from));
        let path = match named {
            Some(path) => path,
            None => beside_this_program(),
        };
        Self::open(&path)
    }

    fn open(path: &Path) -> Result<Self, ProgramError> {
        let unusable = |source| ProgramError::Unusable { path: path.to_owned(), source };
        access(path, Access::EXEC_OK).map_err(|problem| match io::Error::from(problem) {
            missing if missing.kind() == io::ErrorKind::NotFound => {
                ProgramError::Missing(path.to_owned())
            }
            other => unusable(other),
        })?;
        Ok(Self { file: File::open(path).map_err(unusable)? })
    }

    /// A path by which a child of this process reaches the pinned program.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

fn beside_this_program() -> PathBuf {
    let program = env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/bin/cofferdam"));
    program.with_file_name(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_how_to_get_one() {
        let problem = WorkerProgram::open(Path::new("/nowhere/cofferdam-worker")).unwrap_err();
        assert!(problem.to_string().contains("cargo build --release"), "{problem}");
    }

    #[test]
    fn a_file_that_is_no_program_is_refused() {
        let problem = WorkerProgram::open(Path::new("Cargo.toml")).unwrap_err();
        assert!(matches!(problem, ProgramError::Unusable { .. }), "{problem}");
    }
}
