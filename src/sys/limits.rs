//! Resource limits of this process (`setrlimit(2)`).

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// RLIMIT_CORE 0: a crash writes no core file.
///
/// # Errors
/// Those of `setrlimit(2)`; lowering a limit needs no privilege.
pub fn no_core() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}
