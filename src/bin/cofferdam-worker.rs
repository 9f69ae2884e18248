//! The child of one isolated call. Its `main` is C's: what std's would set up is paid for at each start and not needed.

#![no_main]
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

// SAFETY: the C library calls this symbol once, with this type; nothing else in the program defines it.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    cofferdam::worker::run()
}
