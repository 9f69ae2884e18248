//! What happens to a thread that ends inside foreign code instead of returning: in a worker, the end of the process. The C
//! library would unwind through Rust frames, which nothing may, and abort.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use libffi::low::ffi_cif;
use libffi::raw;

/// Is called where foreign code ends its thread; it must not return.
pub type Leave = extern "C" fn(*mut c_void);

type Handler = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;
type Code = Option<unsafe extern "C" fn()>;
type Call = unsafe extern "C" fn(*mut ffi_cif, Code, *mut c_void, *mut *mut c_void);

static LEAVE: OnceLock<Leave> = OnceLock::new();

// SAFETY: as they are defined in `guard.c`, which is linked into this crate.
unsafe extern "C" {
    fn cof_guard_begin();
    fn cof_guard_call(
        leave: Leave,
        call: Call,
        cif: *mut ffi_cif,
        function: Code,
        result: *mut c_void,
        arguments: *mut *mut c_void,
    );
    fn cof_guard_handle(
        leave: Leave,
        handler: Handler,
        request: *mut c_void,
        response: *mut c_void,
        code: *mut c_int,
    );
}

/// From now on foreign code that ends its thread ends in `leave`, and the calling thread can be cancelled inside it only.
pub fn arm(leave: Leave) {
    LEAVE.get_or_init(|| leave);
    // SAFETY: it sets a flag of the calling thread.
    unsafe { cof_guard_begin() };
}

/// As `ffi_call`.
///
/// # Safety
/// As `ffi_call`.
pub(super) unsafe fn call(
    cif: *mut ffi_cif,
    function: Code,
    result: *mut c_void,
    arguments: *mut *mut c_void,
) {
    match LEAVE.get() {
        // SAFETY: the caller's promise; between the handler and the function are frames of C only.
        Some(leave) => unsafe {
            cof_guard_call(*leave, raw::ffi_call, cif, function, result, arguments);
        },
        // SAFETY: the caller's promise.
        None => unsafe { raw::ffi_call(cif, function, result, arguments) },
    }
}

/// Calls a handler of `cofferdam.h`.
///
/// # Safety
/// `handler` must be one, and take these pointers.
pub(super) unsafe fn handle(
    handler: Handler,
    request: *mut c_void,
    response: *mut c_void,
) -> c_int {
    let mut code = 0;
    match LEAVE.get() {
        // SAFETY: the caller's promise, as above.
        Some(leave) => unsafe {
            cof_guard_handle(*leave, handler, request, response, &raw mut code);
        },
        // SAFETY: the caller's promise.
        None => code = unsafe { handler(request, response) },
    }
    code
}
