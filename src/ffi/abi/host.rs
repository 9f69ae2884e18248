//! The functions of the table. Each takes a handle that the host lent and pointers as `cofferdam.h` says:
//! null, or valid for what the length beside them or their NUL says. That is each one's safety contract.

use super::*;

pub(super) unsafe extern "C" fn text<E: Exchange>(
    request: *const c_void,
    which: u32,
) -> *const c_char {
    let which = match which {
        0 => Text::Method,
        1 => Text::Path,
        2 => Text::Query,
        3 => Text::RequestId,
        4 => Text::Peer,
        _ => return ptr::null(),
    };
    // SAFETY: the contract of this file.
    unsafe { exchange::<E>(request) }.map_or(ptr::null(), |it| it.text(which).as_ptr())
}

pub(super) unsafe extern "C" fn header<E: Exchange>(
    request: *const c_void,
    name: *const c_char,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the contract of this file.
    unsafe {
        let found = exchange::<E>(request).zip(bytes(name)).and_then(|(it, name)| it.header(name));
        lend(found, length)
    }
}

pub(super) unsafe extern "C" fn header_at<E: Exchange>(
    request: *const c_void,
    index: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
    length: *mut usize,
) -> c_int {
    // SAFETY: the contract of this file.
    unsafe {
        let Some(found) = exchange::<E>(request).and_then(|it| it.header_at(index)) else {
            return code(Some(Err(Errno::NOENT)));
        };
        put(name, found.0.as_ptr());
        put(value, lend(Some(found.1), length));
    }
    0
}

pub(super) unsafe extern "C" fn param<E: Exchange>(
    request: *const c_void,
    name: *const c_char,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the contract of this file.
    unsafe {
        let found = exchange::<E>(request).zip(bytes(name)).and_then(|(it, name)| it.param(name));
        lend(found, length)
    }
}

pub(super) unsafe extern "C" fn body<E: Exchange>(
    request: *const c_void,
    length: *mut usize,
) -> *const c_void {
    // SAFETY: the contract of this file.
    unsafe {
        let body = exchange::<E>(request).and_then(E::body);
        put(length, body.map_or(0, <[u8]>::len));
        body.map_or(ptr::null(), |body| body.as_ptr().cast())
    }
}

pub(super) unsafe extern "C" fn read<E: Exchange>(
    request: *const c_void,
    buffer: *mut c_void,
    size: usize,
) -> isize {
    // SAFETY: the contract of this file.
    let it = unsafe { exchange::<E>(request) };
    let into: &mut [MaybeUninit<u8>] = match size {
        0 => &mut [],
        _ if buffer.is_null() => return negative(Errno::INVAL),
        // SAFETY: the contract of this file.
        _ => unsafe { slice::from_raw_parts_mut(buffer.cast(), size) },
    };
    match it.map_or(Err(Errno::INVAL), |it| it.read(into)) {
        Ok(count) => count.cast_signed(),
        Err(error) => negative(error),
    }
}

pub(super) unsafe extern "C" fn time_left_ms<E: Exchange>(request: *const c_void) -> i64 {
    // SAFETY: the contract of this file.
    unsafe { exchange::<E>(request) }.map_or(0, E::time_left_ms)
}

pub(super) unsafe extern "C" fn cancelled<E: Exchange>(request: *const c_void) -> c_int {
    // SAFETY: the contract of this file.
    unsafe { exchange::<E>(request) }.map_or(1, |it| c_int::from(it.is_cancelled()))
}

pub(super) unsafe extern "C" fn cancel_fd<E: Exchange>(request: *const c_void) -> c_int {
    // SAFETY: the contract of this file.
    unsafe { exchange::<E>(request) }.map_or(-1, E::cancel_fd)
}

pub(super) unsafe extern "C" fn log<E: Exchange>(
    request: *const c_void,
    level: c_int,
    message: *const c_char,
    size: usize,
) -> c_int {
    // SAFETY: the contract of this file.
    let given = unsafe { exchange::<E>(request).zip(data(message.cast(), size)) };
    code(given.map(|(it, message)| it.log(level, message)))
}

pub(super) unsafe extern "C" fn status<E: Exchange>(
    response: *const c_void,
    status: c_int,
) -> c_int {
    // SAFETY: the contract of this file.
    code(unsafe { exchange::<E>(response) }.map(|it| it.set_status(status)))
}

pub(super) unsafe extern "C" fn set_header<E: Exchange>(
    response: *const c_void,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: the contract of this file.
    let given = unsafe { exchange::<E>(response).zip(bytes(name).zip(bytes(value))) };
    code(given.map(|(it, (name, value))| it.add_header(name, value, true)))
}

pub(super) unsafe extern "C" fn add_header<E: Exchange>(
    response: *const c_void,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: the contract of this file.
    let given = unsafe { exchange::<E>(response).zip(bytes(name).zip(bytes(value))) };
    code(given.map(|(it, (name, value))| it.add_header(name, value, false)))
}

pub(super) unsafe extern "C" fn write<E: Exchange>(
    response: *const c_void,
    piece: *const c_void,
    size: usize,
) -> c_int {
    // SAFETY: the contract of this file.
    let given = unsafe { exchange::<E>(response).zip(data(piece, size)) };
    code(given.map(|(it, piece)| it.write(piece)))
}

pub(super) unsafe extern "C" fn phase<E: Exchange>(
    request: *const c_void,
    name: *const c_char,
) -> c_int {
    // SAFETY: the contract of this file.
    let given = unsafe { exchange::<E>(request).map(|it| (it, bytes(name).unwrap_or_default())) };
    code(given.map(|(it, name)| it.phase(name)))
}

pub(super) unsafe extern "C" fn sendfd<E: Exchange>(
    response: *const c_void,
    file: c_int,
    offset: u64,
    length: u64,
) -> c_int {
    if file < 0 {
        return code(Some(Err(Errno::BADF)));
    }
    // SAFETY: a number that is not open is answered with EBADF; C keeps it open until this returns.
    let file = unsafe { BorrowedFd::borrow_raw(file) };
    // SAFETY: the contract of this file.
    code(unsafe { exchange::<E>(response) }.map(|it| it.send_file(file, offset, length)))
}
