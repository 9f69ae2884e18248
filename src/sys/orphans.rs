//! Processes that lost their parent come to this one (`prctl(2)` PR_SET_CHILD_SUBREAPER): who they are, and their end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};

/// From now on what a descendant leaves behind becomes a child of this process.
///
/// # Errors
/// Those of `prctl(2)`.
pub fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(Some(Pid::INIT))?)
}

/// The children of this process's first thread: the kernel gives orphans to it.
#[derive(Debug)]
pub struct Children(File);

impl Children {
    /// Opens the list.
    ///
    /// # Errors
    /// A kernel without CONFIG_PROC_CHILDREN.
    pub fn open() -> io::Result<Self> {
        let me = std::process::id();
        Ok(Self(File::open(format!("/proc/self/task/{me}/children"))?))
    }

    /// Those of now; zombies among them.
    #[must_use]
    pub fn now(&self) -> Vec<u32> {
        let mut buffer = [0; 4096];
        let mut text = Vec::new();
        while let Ok(length @ 1..) = self.0.read_at(&mut buffer, text.len() as u64) {
            text.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        let text = String::from_utf8(text).unwrap_or_default();
        text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !matches!(self.0.read_at(&mut [0; 16], 0), Ok(1..))
    }
}

/// SIGKILL to one process. One that is gone is no error.
pub fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _gone_is_fine = kill_process(pid, Signal::KILL);
    }
}
