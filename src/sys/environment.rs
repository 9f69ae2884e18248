//! The variables that this process began with, in the place where the kernel shows them (`/proc/PID/environ`).

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;

unsafe extern "C" {
    static environ: *const *mut c_char;
}

/// Sets a variable (`setenv(3)`); an empty value takes it away.
///
/// # Safety
/// The process has one thread.
pub unsafe fn put(name: &str, value: &[u8]) {
    let value = OsStr::from_bytes(value);
    match value.is_empty() {
        // SAFETY: the caller's promise.
        true => unsafe { std::env::remove_var(name) },
        // SAFETY: as above.
        false => unsafe { std::env::set_var(name, value) },
    }
}

/// Writes `value` over that of the variable `name`, in its place, where there is one that is as long; all that this process
/// starts from now on has it.
///
/// # Safety
/// The process has one thread, and nobody holds a reference to the old value.
pub unsafe fn overwrite(name: &str, value: &str) -> bool {
    // SAFETY: the C library's own list, which nobody else changes now; it ends with a null pointer.
    let mut entry = unsafe { environ };
    // SAFETY: as above.
    while let Some(text) = unsafe { entry.as_ref() }.filter(|text| !text.is_null()) {
        // SAFETY: each entry is a string with a NUL at its end.
        let old = unsafe { CStr::from_ptr(*text) }.to_bytes();
        let is_it = old.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        if is_it.is_some_and(|old| old.len() == value.len()) {
            // SAFETY: as many bytes as stand there behind the name and its `=`, before the NUL.
            unsafe {
                let place = text.add(name.len() + 1).cast::<u8>();
                std::ptr::copy_nonoverlapping(value.as_ptr(), place, value.len());
            }
            return true;
        }
        // SAFETY: it was not the last one.
        entry = unsafe { entry.add(1) };
    }
    false
}
