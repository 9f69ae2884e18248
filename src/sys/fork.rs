//! Forking a small process so that its parent gets the child: `clone(2)` with CLONE_PARENT.

use std::ffi::c_int;
use std::io;
use std::ptr;

/// Which of the two this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The one that forked; the child's number.
    Origin(u32),
    /// The new one.
    Child,
}

/// Forks this process into a child of its *parent*. What the C library keeps of the calling thread is brought up to
/// date as its own `fork(3)` does: the thread's number and its list of robust mutexes. Handlers of `pthread_atfork(3)`
/// do not run.
///
/// # Safety
/// The process must have one thread: a lock that another one holds would stay locked in the child for ever.
///
/// # Errors
/// As `clone(2)`.
pub unsafe fn into_sibling() -> io::Result<Forked> {
    let (number, robust) = (thread_number(), RobustList::of_this_thread());
    // SAFETY: without CLONE_VM the child has a copy of all memory; the kernel writes its number to `number`, where the C
    // library keeps it, or nowhere if that is null. That there is one thread is the caller's promise.
    match unsafe { clone(number) } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            robust.register();
            Ok(Forked::Child)
        }
        child => Ok(Forked::Origin(child as u32)),
    }
}

/// The order of the arguments is the architecture's (`clone(2)`, C library/kernel differences). The signal at the child's
/// end is that of the caller's own.
///
/// # Safety
/// As [`into_sibling`]; `number` is null or where the C library keeps the calling thread's number.
unsafe fn clone(number: *mut c_int) -> libc::c_long {
    let flags = libc::CLONE_PARENT | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    let flags = if number.is_null() { libc::CLONE_PARENT } else { flags };
    let (no_stack, no_number, no_storage) = (0_usize, ptr::null_mut::<c_int>(), 0_usize);
    // SAFETY: the caller's promise.
    unsafe {
        if cfg!(target_arch = "x86_64") {
            libc::syscall(libc::SYS_clone, flags, no_stack, no_number, number, no_storage)
        } else {
            libc::syscall(libc::SYS_clone, flags, no_stack, no_number, no_storage, number)
        }
    }
}

/// Where the C library keeps the calling thread's number: the kernel was told to clear it at the thread's end. Null where
/// the kernel does not say (it lacks CONFIG_CHECKPOINT_RESTORE): the number of the parent then stands there, which only
/// those read who ask the C library for a thread's clock or send it a signal.
fn thread_number() -> *mut c_int {
    let mut place: *mut c_int = ptr::null_mut();
    // SAFETY: PR_GET_TID_ADDRESS writes one pointer, to `place`, which outlives the call.
    match unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut place) } {
        0 => place,
        _ => ptr::null_mut(),
    }
}

/// The head of the list of robust mutexes, which a fork makes the kernel forget.
struct RobustList {
    head: usize,
    length: usize,
}

impl RobustList {
    fn of_this_thread() -> Self {
        let mut list = Self { head: 0, length: 0 };
        // SAFETY: the kernel writes two words, to places that outlive the call.
        unsafe {
            libc::syscall(libc::SYS_get_robust_list, 0, &raw mut list.head, &raw mut list.length)
        };
        list
    }

    fn register(&self) {
        // SAFETY: the C library registered this very list before the fork, and it lies at the same place now.
        unsafe { libc::syscall(libc::SYS_set_robust_list, self.head, self.length) };
    }
}
