//! Signals as a fresh program expects them. An exec resets handlers, but what was ignored or blocked stays so.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Kernel signals are numbered 1 to 64 (`signal(7)`).
const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;

/// Blocks no signal and gives every one its default disposition.
///
/// # Errors
/// Those of `sigprocmask(2)`.
pub fn reset() -> io::Result<()> {
    for signal in SIGNALS {
        // SAFETY: SIG_DFL runs no code of this process. SIGKILL, SIGSTOP and the two of the C library
        // are refused with EINVAL: they cannot be ignored.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    unblock_all()
}

fn unblock_all() -> io::Result<()> {
    let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `none` is valid for writes of one sigset_t; sigprocmask reads it after it was emptied.
    let failed = unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut())
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
