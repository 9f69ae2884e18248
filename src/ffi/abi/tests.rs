//! What the table does with what C may give it: nulls, lengths and its own errors.

use super::*;

/// Answers as told; remembers nothing.
struct Fixed(Result<(), Errno>);

impl Exchange for Fixed {
    fn text(&self, which: Text) -> &CStr {
        if which == Text::Peer { c"peer" } else { c"method" }
    }
    fn header(&self, name: &[u8]) -> Option<&CStr> {
        (name == b"host").then_some(c"example.com")
    }
    fn header_at(&self, index: usize) -> Option<(&CStr, &CStr)> {
        (index == 0).then_some((c"host", c"example.com"))
    }
    fn param(&self, name: &[u8]) -> Option<&CStr> {
        self.header(name)
    }
    fn body(&self) -> Option<&[u8]> {
        Some(b"body")
    }
    fn read(&self, into: &mut [MaybeUninit<u8>]) -> Result<usize, Errno> {
        self.0?;
        let count = into.len().min(4);
        for (to, byte) in into.iter_mut().zip(b"body") {
            to.write(*byte);
        }
        Ok(count)
    }
    fn time_left_ms(&self) -> i64 {
        7
    }
    fn is_cancelled(&self) -> bool {
        false
    }
    fn cancel_fd(&self) -> RawFd {
        63
    }
    fn log(&self, _: c_int, _: &[u8]) -> Result<(), Errno> {
        self.0
    }
    fn set_status(&self, _: c_int) -> Result<(), Errno> {
        self.0
    }
    fn add_header(&self, _: &[u8], _: &[u8], _: bool) -> Result<(), Errno> {
        self.0
    }
    fn phase(&self, _: &[u8]) -> Result<(), Errno> {
        self.0
    }
    fn send_file(&self, _: BorrowedFd<'_>, _: u64, _: u64) -> Result<(), Errno> {
        self.0
    }
    fn write(&self, _: &[u8]) -> Result<(), Errno> {
        self.0
    }
}

fn with<T>(exchange: &Fixed, test: impl FnOnce(&Host, *const c_void) -> T) -> T {
    let handle = Handle { host: &raw const *const { &Handle::<Fixed>::HOST }, exchange };
    test(&Handle::<Fixed>::HOST, (&raw const handle).cast())
}

#[test]
fn the_request_is_lent_with_its_lengths() {
    with(&Fixed(Ok(())), |host, it| {
        let mut length = 99;
        // SAFETY: all pointers are to locals, or null.
        unsafe {
            assert_eq!(CStr::from_ptr((host.text)(it, 4)), c"peer");
            assert!((host.text)(it, 5).is_null());
            assert_eq!(
                CStr::from_ptr((host.header)(it, c"host".as_ptr(), &mut length)).count_bytes(),
                length
            );
            assert!((host.header)(it, c"none".as_ptr(), &mut length).is_null());
            assert_eq!(length, 0);
            assert!(!(host.param)(it, c"host".as_ptr(), ptr::null_mut()).is_null());
            let (mut name, mut value) = (ptr::null(), ptr::null());
            assert_eq!((host.header_at)(it, 0, &mut name, &mut value, &mut length), 0);
            assert_eq!((CStr::from_ptr(name), CStr::from_ptr(value)), (c"host", c"example.com"));
            assert_eq!((host.header_at)(it, 1, &mut name, &mut value, &mut length), -libc::ENOENT);
            let mut buffer = [0_u8; 3];
            assert_eq!((host.read)(it, buffer.as_mut_ptr().cast(), 3), 3);
            assert_eq!(&buffer, b"bod");
            assert!(!(host.body)(it, &mut length).is_null());
            assert_eq!(length, 4);
        }
    });
}

#[test]
fn nulls_are_answered_and_errors_are_negative() {
    with(&Fixed(Err(Errno::PIPE)), |host, it| {
        let name = c"n".as_ptr();
        let null = ptr::null::<c_void>();
        // SAFETY: all pointers are to constants, or null.
        unsafe {
            assert!((host.text)(null, 0).is_null());
            assert!((host.header)(it, ptr::null(), ptr::null_mut()).is_null());
            assert_eq!((host.read)(it, ptr::null_mut(), 3), -22);
            assert_eq!((host.status)(null, 200), -libc::EINVAL);
            assert_eq!((host.set_header)(it, name, ptr::null()), -libc::EINVAL);
            assert_eq!((host.add_header)(it, name, name), -libc::EPIPE);
            assert_eq!((host.write)(it, null, 1), -libc::EINVAL);
            assert_eq!((host.write)(it, null, 0), -libc::EPIPE);
            assert_eq!((host.log)(it, 3, name, 1), -libc::EPIPE);
            assert_eq!((host.cancelled)(null), 1);
            assert_eq!((host.cancel_fd)(null), -1);
        }
    });
}
