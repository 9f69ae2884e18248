//! What this process is called, whose child it is, and how it ends.

use std::ffi::CString;
use std::io;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Names the calling thread, so the process where it is the main one; cut to 15 bytes (`prctl(2)` PR_SET_NAME).
///
/// # Errors
/// `InvalidInput` for a NUL in `name`.
pub fn set_name(name: &str) -> io::Result<()> {
    Ok(rustix::thread::set_name(&CString::new(name)?)?)
}

/// SIGKILL when the thread that started this process ends (`prctl(2)` PR_SET_PDEATHSIG).
/// One that has ended before is not noticed: compare [`parent`] afterwards.
///
/// # Errors
/// Those of `prctl(2)`.
pub fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// The parent's process id; 0 where it is in another pid namespace (`getppid(2)`).
#[must_use]
pub fn parent() -> u32 {
    getppid().map_or(0, |parent| parent.as_raw_nonzero().get().unsigned_abs())
}

/// How many threads this process has; 0 where `/proc` does not say.
#[must_use]
pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// No exec gives this process or its children more rights (`prctl(2)` PR_SET_NO_NEW_PRIVS).
///
/// # Errors
/// Those of `prctl(2)`.
pub fn no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Ends this process at once: no destructor, no `atexit` handler runs (`_exit(2)`).
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit takes a plain number and does not return.
    unsafe { libc::_exit(status) }
}
