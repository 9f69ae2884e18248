//! Which descriptors a process holds.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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

/// Moves a descriptor to the high place that [`take_stdin`] uses, closed on exec.
///
/// # Errors
/// Those of `fcntl(2)` F_DUPFD_CLOEXEC.
pub fn to_high(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(descriptor, HIGH)?)
}

/// Reading and writing say that they would block, instead of blocking (`fcntl(2)` O_NONBLOCK).
///
/// # Errors
/// As `fcntl(2)`.
pub fn never_block(descriptor: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&descriptor)?;
    Ok(fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?)
}

/// Registers a descriptor with the caller's runtime, for one thing only: nothing else that happens to it wakes the event loop.
///
/// # Errors
/// As `epoll_ctl(2)`.
pub fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd keeps its descriptor open, and the same, for as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}

/// Puts descriptors in the places of standard output and error (`dup2(2)`), and closes what was there.
///
/// # Errors
/// As `dup2(2)`.
pub fn replace_output(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdout(stdout)?;
    Ok(rustix::stdio::dup2_stderr(stderr)?)
}

/// The first number that is no standard stream's.
const FIRST: RawFd = 3;
/// Numbers that have an owner already.
static ADOPTED: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// A duplicate that programs started from now on inherit (`fcntl(2)` F_DUPFD), until it is dropped.
///
/// # Errors
/// No number left.
pub fn inheritable(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    let duplicate = fcntl_dupfd_cloexec(descriptor, FIRST)?;
    fcntl_setfd(&duplicate, FdFlags::empty())?;
    Ok(duplicate)
}

/// Tells an open file from others while it is open (`fstat(2)` st_ino).
///
/// # Errors
/// As `fstat(2)`.
pub fn identity(descriptor: impl AsFd) -> io::Result<u64> {
    Ok(fstat(descriptor)?.st_ino)
}

/// Takes over a descriptor that whoever started this process left open for it; programs that it starts do not get it.
/// To be called before anything else opens descriptors. `meant`: the [`identity`] that it must have, where it is known.
///
/// # Errors
/// It is not open, is another one than was meant, or was taken over before.
pub fn adopt(number: RawFd, meant: Option<u64>) -> io::Result<OwnedFd> {
    if number < FIRST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the borrow ends before the function does; a number that is not open is answered with EBADF.
    let lent = unsafe { BorrowedFd::borrow_raw(number) };
    let found = identity(lent)?;
    let mut adopted = ADOPTED.lock().unwrap_or_else(PoisonError::into_inner);
    if meant.is_some_and(|meant| meant != found) || adopted.contains(&number) {
        return Err(io::ErrorKind::NotFound.into());
    }
    fcntl_setfd(lent, FdFlags::CLOEXEC)?;
    adopted.push(number);
    // SAFETY: it is open, it was left for this process to own, and nobody took it over before.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether this kernel has what [`close_all_but`] needs; closes nothing.
///
/// # Errors
/// As [`close_all_but`].
pub fn can_close_all() -> io::Result<()> {
    // SAFETY: no descriptor has such a number.
    unsafe { close_range(u32::MAX, u32::MAX) }
}

/// The size of an open file whose bytes can be read at any place.
///
/// # Errors
/// EINVAL for what is no regular file, EBADF where it was not opened for reading; as `fstat(2)`.
pub fn readable_size(file: impl AsFd) -> rustix::io::Result<u64> {
    let status = fstat(&file)?;
    let flags = fcntl_getfl(&file)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    if flags.contains(OFlags::PATH) || flags & OFlags::ACCMODE == OFlags::WRONLY {
        return Err(Errno::BADF);
    }
    Ok(u64::try_from(status.st_size).unwrap_or(0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_adopted_once_and_only_the_one_that_is_meant() {
        let left = inheritable(File::open("/dev/null").unwrap()).unwrap();
        let identity = identity(&left).unwrap();
        let number = std::os::fd::IntoRawFd::into_raw_fd(left);
        assert!(number >= FIRST);
        assert!(adopt(number, Some(identity + 1)).is_err());
        let adopted = adopt(number, Some(identity)).unwrap();
        assert!(rustix::io::fcntl_getfd(&adopted).unwrap().contains(FdFlags::CLOEXEC));
        assert!(adopt(number, Some(identity)).is_err());
        assert!(adopt(0, None).is_err());
        assert!(adopt(65_000, None).is_err());
    }
}
