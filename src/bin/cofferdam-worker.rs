//! The child of one isolated call. Its `main` is C's: what std's would set up is paid for at each start and not needed.

#![no_main]
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

// SAFETY: the C library calls this symbol once, with this type; nothing else in the program defines it.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    cofferdam::worker::run()
}

/// Libraries find this one before the C library's: a program's own symbols come first.
// SAFETY: it has the type of the C library's, and does the same but for the first thread.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn pthread_exit(value: *mut c_void) -> ! {
    // SAFETY: it is called in place of the C library's.
    unsafe { cofferdam::worker::end_thread(value) }
}

/// As above, for the threads of C11.
// SAFETY: it has the type of the C library's, whose threads end with their number as a pointer.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn thrd_exit(value: c_int) -> ! {
    // SAFETY: it is called in place of the C library's.
    unsafe { cofferdam::worker::end_thread(std::ptr::without_provenance_mut(value as usize)) }
}
