//! What lies at an address that a library hands out, copied: the one place that reads memory of the library's.

use std::ffi::{CStr, c_char, c_void};

use super::{InvokeError, MAX_BYTES, MAX_TEXT};
use crate::ffi::value::Value;

/// A string, or [`Value::Null`].
///
/// # Safety
/// `text` must be null, or point to bytes that are readable up to a NUL, or for [`MAX_TEXT`] + 1 bytes.
pub(super) unsafe fn text(text: *const c_void) -> Result<Value, InvokeError> {
    if text.is_null() {
        return Ok(Value::Null);
    }
    let text = text.cast::<c_char>();
    // SAFETY: strnlen reads no further than the first NUL or the limit.
    if unsafe { libc::strnlen(text, MAX_TEXT + 1) } > MAX_TEXT {
        return Err(InvokeError::Text);
    }
    // SAFETY: a NUL was just found within the limit.
    Ok(Value::Bytes(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()))
}

/// As many bytes as the library says; `None`: it says a length that there is not.
///
/// # Safety
/// `bytes` must be null, or point to `length` readable bytes.
pub(super) unsafe fn bytes(
    bytes: *const c_void,
    length: Option<usize>,
) -> Result<Value, InvokeError> {
    if bytes.is_null() {
        return Ok(Value::Null);
    }
    let length = length.filter(|length| *length <= MAX_BYTES).ok_or(InvokeError::Bytes)?;
    // SAFETY: not null; that so many bytes lie there is the caller's promise, and they are of no type.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    Ok(Value::Bytes(bytes.to_vec()))
}
