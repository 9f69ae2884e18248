//! Ending threads (`pthread_exit(3)`).

use std::ffi::c_void;

use crate::sys::{identity, stdio};

/// The end of a process whose first thread ends inside foreign code: as that of its last one.
pub extern "C" fn leave(_: *mut c_void) {
    stdio::flush_all();
    identity::exit_now(0);
}

/// Ends the calling thread with `value`. Of the first thread, which runs calls, that is the end of the process, as where it is
/// the last one: the C library would unwind through this program's frames, which nothing may, and abort.
///
/// # Safety
/// To be called in place of the C library's, and with what that may be called with.
pub unsafe fn end(value: *mut c_void) -> ! {
    if rustix::thread::gettid() == rustix::process::getpid() {
        leave(value);
    }
    // SAFETY: the name is a C string. The next definition is the C library's own, with this type; that it unwinds through this
    // frame is allowed by its ABI, and nothing in the frame is to be dropped.
    unsafe {
        let next = libc::dlsym(libc::RTLD_NEXT, c"pthread_exit".as_ptr());
        let next: Option<unsafe extern "C-unwind" fn(*mut c_void) -> !> = std::mem::transmute(next);
        match next {
            Some(next) => next(value),
            None => identity::exit_now(0),
        }
    }
}
