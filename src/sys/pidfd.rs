//! A process by descriptor: it stays that process, whatever becomes of the number (`pidfd_open(2)`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Readable once the process has ended.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Of a child that was not reaped yet.
    ///
    /// # Errors
    /// As `pidfd_open(2)`: no such process, no descriptor left.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Whether the process has ended, without waiting. An error counts as ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }

    /// Whether the process ends within `bound`, which blocks the caller. An error counts as ended.
    #[must_use]
    pub fn ends_within(&self, bound: Duration) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let bound = Timespec::try_from(bound).unwrap_or_default();
        !matches!(poll(&mut fds, Some(&bound)), Ok(0))
    }
}

impl PidFd {
    /// A duplicate of the process's descriptor `fd` (`pidfd_getfd(2)`, Linux 5.6): close it soon, what it stands for stays
    /// open until then.
    ///
    /// # Errors
    /// `EPERM` where this process may not trace the other, `EBADF` where it has none of that number.
    pub fn duplicate(&self, fd: RawFd) -> io::Result<OwnedFd> {
        Ok(pidfd_getfd(&self.0, fd, PidfdGetfdFlags::empty())?)
    }
}

impl PidFd {
    /// Registers it with the caller's runtime: readable once the process has ended.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn watch(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: AsFd of PidFd lends one descriptor, owned by it and never exchanged, for as long as it lives.
        Ok(unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }?)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for PidFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
