//! Which descriptors a process holds.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The last place in the table that every process begins with: taking it makes no kernel grow a table.
const HIGH: RawFd = 63;

/// Moves descriptor 0 to a high place, closed on exec, and leaves `/dev/null` where it was:
/// who reads standard input then finds its end at once.
///
/// # Errors
/// Those of `fcntl(2)` F_DUPFD_CLOEXEC, `open(2)` and `dup2(2)`.
pub fn take_stdin() -> io::Result<OwnedFd> {
    // SAFETY: the borrow ends with the call, and a closed descriptor 0 is answered with EBADF.
    let stdin = unsafe { BorrowedFd::borrow_raw(0) };
    let moved = rustix::io::fcntl_dupfd_cloexec(stdin, HIGH)?;
    let null = File::open("/dev/null")?;
    // SAFETY: both are plain numbers; nothing in this process owns descriptor 0.
    if unsafe { libc::dup2(null.as_raw_fd(), 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(moved)
}

/// Closes every descriptor but 0, 1, 2 and `kept` (`close_range(2)`, Linux 5.9).
///
/// # Safety
/// No other value of this process may own a descriptor that it closes.
///
/// # Errors
/// ENOSYS on an older kernel.
pub unsafe fn close_all_but(kept: impl AsFd) -> io::Result<()> {
    let kept = kept.as_fd().as_raw_fd().unsigned_abs();
    // SAFETY: the caller says that nobody owns what is closed.
    unsafe {
        close_range(3, kept - 1)?;
        close_range(kept + 1, u32::MAX)
    }
}

/// # Safety
/// As [`close_all_but`].
unsafe fn close_range(first: u32, last: u32) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: a system call on plain numbers; who owned them is the caller's promise.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
