//! Signals as a fresh program expects them. An exec resets handlers, but what was ignored or blocked stays so.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::event::{EventfdFlags, eventfd};

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

/// Whether SIGTERM came since [`catch_term`].
static TOLD: AtomicBool = AtomicBool::new(false);
/// Becomes readable then; -1 where there is none.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// From now on SIGTERM does not end this process but is told of, where nobody has taken it for himself. System calls that
/// block are interrupted by it. A descriptor that polls as readable from then on; `None` where there is none left.
pub fn catch_term() -> Option<RawFd> {
    static CAUGHT: OnceLock<Option<OwnedFd>> = OnceLock::new();
    let bell = CAUGHT.get_or_init(|| {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        BELL.store(bell.as_ref().map_or(-1, AsRawFd::as_raw_fd), Ordering::SeqCst);
        take_term();
        bell
    });
    bell.as_ref().map(AsRawFd::as_raw_fd)
}

/// Whether SIGTERM came since [`catch_term`].
#[must_use]
pub fn was_told() -> bool {
    TOLD.load(Ordering::SeqCst)
}

fn take_term() {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    let mut ours = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `sigaction` writes the old action to `now`, which is valid for that; `ours` is all zeros, which is a valid
    // action without flags, and its mask is emptied. The handler does only what signal-safety(7) allows.
    unsafe {
        if libc::sigaction(libc::SIGTERM, ptr::null(), now.as_mut_ptr()) != 0
            || now.assume_init().sa_sigaction != libc::SIG_DFL
        {
            return;
        }
        let action = ours.assume_init_mut();
        action.sa_sigaction = told as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGTERM, action, ptr::null_mut());
    }
}

extern "C" fn told(_: libc::c_int) {
    TOLD.store(true, Ordering::SeqCst);
    let one = 1_u64;
    // SAFETY: errno is this thread's own; write(2) reads eight bytes of a local, and its descriptor is open for as long as
    // the process lives, or -1.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(BELL.load(Ordering::SeqCst), (&raw const one).cast(), size_of::<u64>());
        *libc::__errno_location() = errno;
    }
}
