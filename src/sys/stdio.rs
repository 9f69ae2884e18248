//! The C library's buffered streams.

use std::ptr;

unsafe extern "C" {
    static stdout: *mut libc::FILE;
}

/// Makes C's `stdout` hand on each line as it is written, as on a terminal: into a pipe it would be kept
/// for 4096 bytes, and lost by a crash (`setvbuf(3)`).
pub fn buffer_lines() {
    // SAFETY: `stdout` is the C library's own stream, open for as long as the process lives, and nothing
    // was written to it before.
    unsafe { libc::setvbuf(stdout, ptr::null_mut(), libc::_IOLBF, 0) };
}

/// Hands on what is still buffered in C's `stdout` (`fflush(3)`).
pub fn flush_output() {
    // SAFETY: `stdout` is the C library's own stream, open for as long as the process lives.
    unsafe { libc::fflush(stdout) };
}

/// Hands on what is still buffered in all of C's output streams; blocks while a pipe is full (`fflush(3)`).
pub fn flush_all() {
    // SAFETY: a null stream means all of them.
    unsafe { libc::fflush(ptr::null_mut()) };
}
