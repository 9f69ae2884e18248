//! Opening a shared library and finding symbols in it. Loading runs the library's constructors: only a confined worker may do it.

use std::ffi::{CString, OsStr, c_char, c_int, c_void};
use std::fs::File;
use std::io::Read;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};

/// A loaded library; it stays loaded until the process ends.
#[derive(Debug)]
pub struct Library {
    /// Never closed: foreign destructors are not run, and pointers into it stay valid.
    handle: ManuallyDrop<Handle>,
    path: String,
}

/// The address of a function in a [`Library`].
#[derive(Clone, Copy, Debug)]
pub struct Function(pub(super) *const c_void);

impl Function {
    /// Calls `SYMBOL(pointer)` and drops what it returns.
    ///
    /// # Safety
    /// The function must take one pointer, and this one.
    pub unsafe fn call_with(self, pointer: *mut c_void) {
        // SAFETY: the type is the caller's promise; a result comes in a register, where it is left.
        let function =
            unsafe { std::mem::transmute::<*const c_void, extern "C" fn(*mut c_void)>(self.0) };
        function(pointer);
    }
}

/// Why a library or a symbol is not to be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// A name that C cannot take.
    #[error("{0:?} holds a NUL: no path or symbol can")]
    Nul(String),
    /// `dlopen(3)` refused.
    #[error("cannot load {path}: {reason}; {mend}")]
    Open {
        /// As given.
        path: String,
        /// What `dlerror(3)` says.
        reason: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// `dlsym(3)` refused.
    #[error(
        "no symbol {symbol} in {path}: {reason}; `nm -D --defined-only` on it lists what it has (C++ needs extern \"C\")"
    )]
    Symbol {
        /// As given.
        symbol: String,
        /// Of the library.
        path: String,
        /// What `dlerror(3)` says.
        reason: String,
    },
}

impl Library {
    /// Loads `path` as `dlopen(3)` does, all its symbols bound at once (RTLD_NOW), none shown to others (RTLD_LOCAL).
    ///
    /// # Errors
    /// [`LibraryError::Nul`], [`LibraryError::Open`].
    pub fn open(path: &[u8]) -> Result<Self, LibraryError> {
        Self::open_at(path, path)
    }

    /// Loads the bytes behind a descriptor, as [`Library::open`] does those at `path`, which is its name from then on: for
    /// errors, `dladdr(3)` and debuggers. Constructors run before that. The descriptor may be closed afterwards.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn open_copy(copy: impl AsFd, path: &[u8]) -> Result<Self, LibraryError> {
        let place = format!("/proc/self/fd/{}", copy.as_fd().as_raw_fd());
        Ok(Self::open_at(place.as_bytes(), path)?.named(path))
    }

    fn open_at(place: &[u8], path: &[u8]) -> Result<Self, LibraryError> {
        let shown = String::from_utf8_lossy(path).into_owned();
        if path.contains(&0) {
            return Err(LibraryError::Nul(shown));
        }
        // SAFETY: constructors are foreign code and may do anything to this process; that is what it
        // is for. Nothing of the host depends on its memory being sound once a library was loaded.
        match unsafe { Handle::open(Some(OsStr::from_bytes(place)), RTLD_NOW | RTLD_LOCAL) } {
            Ok(handle) => Ok(Self { handle: ManuallyDrop::new(handle), path: shown }),
            Err(error) => {
                let reason = reason(&error, &String::from_utf8_lossy(place));
                let mend =
                    mend(head(place).as_deref(), head(b"/proc/self/exe").as_deref(), &reason);
                Err(LibraryError::Open { path: shown, reason, mend })
            }
        }
    }

    /// Has the loader's list (`link_map` in `dlinfo(3)`) name it so.
    fn named(self, name: &[u8]) -> Self {
        /// The public head of the loader's own structure.
        #[repr(C)]
        struct LinkMap {
            base: usize,
            name: *const c_char,
        }
        let handle = ManuallyDrop::into_inner(self.handle).into_raw();
        let mut map: *mut LinkMap = std::ptr::null_mut();
        // SAFETY: the handle is open; this request writes one pointer.
        let found = unsafe { libc::dlinfo(handle, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
        if let (0, false, Ok(name)) = (found, map.is_null(), CString::new(name)) {
            // SAFETY: the entry lives as long as the library, which is never closed, and these are its first fields. The
            // loader only reads the name; the old one is left, since others may hold it.
            unsafe { (*map).name = name.into_raw() };
        }
        // SAFETY: it is the handle from above, and nobody has closed it.
        let handle = ManuallyDrop::new(unsafe { Handle::from_raw(handle) });
        Self { handle, path: self.path }
    }

    /// The function `symbol`.
    ///
    /// # Errors
    /// [`LibraryError::Nul`], [`LibraryError::Symbol`].
    pub fn function(&self, symbol: &str) -> Result<Function, LibraryError> {
        self.address(symbol).map(Function)
    }

    /// Calls `int SYMBOL(void)` where there is one.
    #[must_use]
    pub fn call_if_present(&self, symbol: &str) -> Option<i32> {
        let address = self.address(symbol).ok()?;
        // SAFETY: the address is that of a symbol in a library that stays loaded; the name is reserved
        // for functions of this type by `cofferdam.h`.
        let function =
            unsafe { std::mem::transmute::<*const c_void, extern "C" fn() -> c_int>(address) };
        Some(function())
    }

    /// The value of `const uint32_t SYMBOL` where there is one.
    #[must_use]
    pub fn number(&self, symbol: &str) -> Option<u32> {
        let address = self.address(symbol).ok()?;
        // SAFETY: as above; the name is reserved for a uint32_t, and symbols of data are aligned for it.
        Some(unsafe { address.cast::<u32>().read_unaligned() })
    }

    fn address(&self, symbol: &str) -> Result<*const c_void, LibraryError> {
        let name = CString::new(symbol).map_err(|_| LibraryError::Nul(symbol.to_owned()))?;
        // SAFETY: the type asked for is an untyped pointer; nothing is read through it here.
        let found = unsafe { self.handle.get::<*const c_void>(name.as_c_str()) };
        let missing = |reason| LibraryError::Symbol {
            symbol: symbol.to_owned(),
            path: self.path.clone(),
            reason,
        };
        let address =
            found.map_err(|error| missing(reason(&error, &self.path)))?.into_raw().cast_const();
        if address.is_null() { Err(missing("its address is null".into())) } else { Ok(address) }
    }
}

/// What `dlerror(3)` says, without the path that it mostly begins with.
fn reason(error: &libloading::Error, path: &str) -> String {
    let text =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match text.strip_prefix(path).and_then(|rest| rest.strip_prefix(": ")) {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// The first bytes of the file, where `path` names one (a bare name is searched for by the loader).
fn head(path: &[u8]) -> Option<Vec<u8>> {
    if !path.contains(&b'/') {
        return None;
    }
    let mut head = Vec::new();
    let file = File::open(Path::new(OsStr::from_bytes(path))).ok()?;
    file.take(20).read_to_end(&mut head).ok()?;
    Some(head)
}

/// `EI_CLASS` and `e_machine`: what a file was built for (`elf(5)`).
fn machine(head: &[u8]) -> Option<(u8, [u8; 2])> {
    Some((*head.get(4)?, [*head.get(18)?, *head.get(19)?]))
}

fn mend(head: Option<&[u8]>, own: Option<&[u8]>, reason: &str) -> &'static str {
    match head {
        Some(head) if !head.starts_with(b"\x7fELF") => {
            "it is not an ELF file: build it with `cc -shared -fPIC`"
        }
        Some(_) if reason.contains("file too short") => "it is cut short: copy or build it anew",
        Some(head) if own.is_some_and(|own| machine(own) != machine(head)) => {
            "it is built for another machine: build it for this one"
        }
        Some(_) if reason.contains("undefined symbol") => {
            "link it with the library that defines that symbol"
        }
        Some(_) => "`ldd` on it shows which library it needs is missing",
        None if reason.contains("No such file") => {
            "check the path; a name without `/` is looked up as ld.so(8) says"
        }
        None => "check that the file is there and readable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_and_how_to_mend_it() {
        let cases: [(&[u8], &str); 4] = [
            (
                b"/nowhere/lib.so",
                "cannot load /nowhere/lib.so: cannot open shared object file: No such file or directory; check the path",
            ),
            (b"libnowhere.so", "check the path; a name without `/`"),
            (b"/etc/passwd", "invalid ELF header; it is not an ELF file"),
            (b"a\0b", "holds a NUL"),
        ];
        for (path, expected) in cases {
            let error = Library::open(path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_mend_fits_the_file() {
        let elf = |class, machine| [b"\x7fELF", &[class; 14][..], &[machine, 0]].concat();
        let own = elf(2, 62);
        let cases = [
            (elf(2, 62), "", "`ldd`"),
            (elf(2, 62), "x: undefined symbol: y", "link it"),
            (elf(2, 62), "file too short", "cut short"),
            (elf(1, 62), "", "another machine"),
            (elf(2, 183), "", "another machine"),
            (b"\x7fELF".to_vec(), "", "another machine"),
            (b"#!/bin/sh".to_vec(), "", "not an ELF"),
        ];
        for (head, reason, expected) in cases {
            assert!(mend(Some(&head), Some(&own), reason).contains(expected), "{head:?}");
        }
    }

    #[test]
    fn symbols_are_found_or_named() {
        let library = Library::open(b"libc.so.6").unwrap();
        assert!(library.function("strlen").is_ok());
        let error = library.function("strlenn").unwrap_err().to_string();
        assert!(error.starts_with("no symbol strlenn in libc.so.6: "), "{error}");
        assert_eq!(library.function("a\0").unwrap_err(), LibraryError::Nul("a\0".into()));
        assert_eq!(library.call_if_present("nothing_init"), None);
    }
}
