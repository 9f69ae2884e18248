//! The host's side of `cofferdam.h`: the table of functions that a handler finds behind its request and response.
//! The table only ever grows at its end; a field here has the place and the type that it has there.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};
use std::{ptr, slice};

use rustix::io::Errno;

use crate::ffi::guard;
use crate::ffi::library::{Function, Library};

/// The major version; only another major is refused.
pub const ABI: u32 = 1;

/// The symbol by which a library built with `cofferdam.h` says the major that it was built for.
pub const ABI_SYMBOL: &str = "cof_library_abi";

/// One of the request's plain texts, by its number in `cofferdam.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Text {
    Method,
    Path,
    Query,
    RequestId,
    Peer,
}

/// What the host does for a handler. Methods may be called from any thread until the handler returns,
/// and what they lend lives as long.
pub trait Exchange: Sync {
    /// A plain text of the request.
    fn text(&self, which: Text) -> &CStr;
    /// The first header of this name, in any case.
    fn header(&self, name: &[u8]) -> Option<&CStr>;
    /// Name and value of a header, from 0.
    fn header_at(&self, index: usize) -> Option<(&CStr, &CStr)>;
    /// A parameter of the route's path.
    fn param(&self, name: &[u8]) -> Option<&CStr>;
    /// The whole body, which blocks until it has come; `None` where it cannot be had.
    fn body(&self) -> Option<&[u8]>;
    /// The next bytes of the body, which blocks until there are some; 0 at its end.
    ///
    /// # Errors
    /// ECONNRESET where the client left before its end; those of [`Exchange::write`].
    fn read(&self, into: &mut [MaybeUninit<u8>]) -> Result<usize, Errno>;
    /// Milliseconds until the host gives up; `i64::MAX` for never.
    fn time_left_ms(&self) -> i64;
    /// Whether nobody waits for the answer any more.
    fn is_cancelled(&self) -> bool;
    /// A descriptor that polls as readable once [`Exchange::is_cancelled`].
    fn cancel_fd(&self) -> RawFd;
    /// Hands a line to the host's log; `level` as in RFC 5424 section 6.2.1.
    ///
    /// # Errors
    /// EINVAL for another level; those of [`Exchange::write`].
    fn log(&self, level: c_int, message: &[u8]) -> Result<(), Errno>;
    /// Sets the status of the head.
    ///
    /// # Errors
    /// EINVAL outside 200 to 599, EALREADY once the head is committed.
    fn set_status(&self, status: c_int) -> Result<(), Errno>;
    /// Adds a header; with `replace`, in place of all of its name.
    ///
    /// # Errors
    /// EINVAL for a name that is no token or a value with control characters (RFC 9110 section 5),
    /// E2BIG for a head grown too big, EALREADY once it is committed.
    fn add_header(&self, name: &[u8], value: &[u8], replace: bool) -> Result<(), Errno>;
    /// Says what the handler does from now on; empty for nothing in particular.
    ///
    /// # Errors
    /// EINVAL for a name that is no short word, is one of the proxy's own, or is one too many; those of [`Exchange::write`].
    fn phase(&self, name: &[u8]) -> Result<(), Errno>;
    /// Makes bytes of an open file the whole body: `length` of them from `offset`, all the rest for `u64::MAX`.
    ///
    /// # Errors
    /// EALREADY once something was written; EINVAL for what is no regular file, or beyond its end; EBADF where it was not
    /// opened for reading; those of [`Exchange::write`].
    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), Errno>;
    /// Commits the head and sends a piece of the body; blocks while the client is slower.
    ///
    /// # Errors
    /// EPIPE once nobody waits for the answer; EMSGSIZE beyond the length that the head announced, EALREADY after a file.
    fn write(&self, data: &[u8]) -> Result<(), Errno>;
}

/// `cof_request` and `cof_response`: the table, and whom its functions speak for.
#[repr(C)]
struct Handle<E> {
    host: *const Host,
    exchange: *const E,
}

/// `cof_host`.
#[repr(C)]
struct Host {
    abi: u32,
    size: u32,
    text: unsafe extern "C" fn(*const c_void, u32) -> *const c_char,
    header: unsafe extern "C" fn(*const c_void, *const c_char, *mut usize) -> *const c_char,
    header_at: unsafe extern "C" fn(
        *const c_void,
        usize,
        *mut *const c_char,
        *mut *const c_char,
        *mut usize,
    ) -> c_int,
    param: unsafe extern "C" fn(*const c_void, *const c_char, *mut usize) -> *const c_char,
    body: unsafe extern "C" fn(*const c_void, *mut usize) -> *const c_void,
    read: unsafe extern "C" fn(*const c_void, *mut c_void, usize) -> isize,
    time_left_ms: unsafe extern "C" fn(*const c_void) -> i64,
    cancelled: unsafe extern "C" fn(*const c_void) -> c_int,
    cancel_fd: unsafe extern "C" fn(*const c_void) -> c_int,
    log: unsafe extern "C" fn(*const c_void, c_int, *const c_char, usize) -> c_int,
    status: unsafe extern "C" fn(*const c_void, c_int) -> c_int,
    set_header: unsafe extern "C" fn(*const c_void, *const c_char, *const c_char) -> c_int,
    add_header: unsafe extern "C" fn(*const c_void, *const c_char, *const c_char) -> c_int,
    write: unsafe extern "C" fn(*const c_void, *const c_void, usize) -> c_int,
    phase: unsafe extern "C" fn(*const c_void, *const c_char) -> c_int,
    sendfd: unsafe extern "C" fn(*const c_void, c_int, u64, u64) -> c_int,
}

impl<E: Exchange> Handle<E> {
    #[allow(clippy::cast_possible_truncation)]
    const HOST: Host = Host {
        abi: ABI,
        size: size_of::<Host>() as u32,
        text: text::<E>,
        header: header::<E>,
        header_at: header_at::<E>,
        param: param::<E>,
        body: body::<E>,
        read: read::<E>,
        time_left_ms: time_left_ms::<E>,
        cancelled: cancelled::<E>,
        cancel_fd: cancel_fd::<E>,
        log: log::<E>,
        status: status::<E>,
        set_header: set_header::<E>,
        add_header: add_header::<E>,
        write: write::<E>,
        phase: phase::<E>,
        sendfd: sendfd::<E>,
    };
}

/// The major that `library` was built for, where it is not [`ABI`].
#[must_use]
pub fn foreign_major(library: &Library) -> Option<u32> {
    library.number(ABI_SYMBOL).filter(|major| *major != ABI)
}

/// Calls `int function(cof_request *, cof_response *)`.
///
/// # Safety
/// `function` must be of that type.
pub unsafe fn handle<E: Exchange>(function: Function, exchange: &E) -> c_int {
    let handle = || Handle { host: &raw const *const { &Handle::<E>::HOST }, exchange };
    let (mut request, mut response) = (handle(), handle());
    // SAFETY: the type is the caller's promise; both handles outlive the call.
    unsafe {
        let function: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int =
            std::mem::transmute(function.0);
        guard::handle(function, (&raw mut request).cast(), (&raw mut response).cast())
    }
}

/// # Safety
/// `handle` must be null or one that [`handle`] lent, while that runs.
unsafe fn exchange<'a, E>(handle: *const c_void) -> Option<&'a E> {
    // SAFETY: the caller's promise; the exchange is borrowed for as long as the handler runs.
    unsafe { handle.cast::<Handle<E>>().as_ref().map(|handle| &*handle.exchange) }
}

/// # Safety
/// `text` must be null or a string with a NUL, unchanged while the result is used.
unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: not null; the rest is the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// # Safety
/// `data` must be readable for `size` bytes, unchanged while the result is used.
unsafe fn data<'a>(data: *const c_void, size: usize) -> Option<&'a [u8]> {
    match size {
        0 => Some(&[]),
        // SAFETY: not null; the rest is the caller's promise.
        _ => (!data.is_null()).then(|| unsafe { slice::from_raw_parts(data.cast(), size) }),
    }
}

/// # Safety
/// `out` must be null or valid for writes.
unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not null; the rest is the caller's promise.
        unsafe { out.write(value) };
    }
}

/// # Safety
/// `length` must be null or valid for writes.
unsafe fn lend(text: Option<&CStr>, length: *mut usize) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { put(length, text.map_or(0, CStr::count_bytes)) };
    text.map_or(ptr::null(), CStr::as_ptr)
}

fn negative(error: Errno) -> isize {
    -isize::try_from(error.raw_os_error()).unwrap_or(1)
}

fn code(result: Option<Result<(), Errno>>) -> c_int {
    match result.unwrap_or(Err(Errno::INVAL)) {
        Ok(()) => 0,
        Err(error) => -error.raw_os_error(),
    }
}

mod host;
use host::*;

#[cfg(test)]
mod tests;
