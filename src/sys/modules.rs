//! What is loaded into this process (`dl_iterate_phdr(3)`).

use std::ffi::{CStr, c_int, c_void};
use std::slice;

/// A program or a library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// As the loader has it; empty for the program.
    pub path: Vec<u8>,
    /// What is added to the addresses in its file.
    pub base: u64,
    /// Its lowest address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// Its GNU build id; empty where it has none.
    pub build_id: Vec<u8>,
}

/// All of them, the program first.
#[must_use]
pub fn loaded() -> Vec<Loaded> {
    let mut all = Vec::new();
    // SAFETY: the callback has the type that is asked for, and is given the list, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(one), (&raw mut all).cast()) };
    all
}

unsafe extern "C" fn one(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: the loader gives a whole entry, and `data` is what `loaded` gave it.
    let (info, all) = unsafe { (&*info, &mut *data.cast::<Vec<Loaded>>()) };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader says that there are so many.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let mut found = Loaded { base: info.dlpi_addr, start: u64::MAX, ..Loaded::default() };
    if !info.dlpi_name.is_null() {
        // SAFETY: the loader's names end with a NUL.
        found.path = unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes().to_vec();
    }
    for header in headers {
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
        match header.p_type {
            libc::PT_LOAD => {
                found.start = found.start.min(start);
                found.end = found.end.max(start.wrapping_add(header.p_memsz));
            }
            libc::PT_NOTE if found.build_id.is_empty() => {
                // SAFETY: notes are loaded with the segment that they are in, which stays for as long as this runs.
                let notes =
                    unsafe { slice::from_raw_parts(start as *const u8, header.p_filesz as usize) };
                found.build_id = build_id(notes).unwrap_or_default().to_vec();
            }
            _ => {}
        }
    }
    all.push(found);
    0
}

/// The note of the GNU linker: sizes of name and contents, the type 3, the name `GNU`, each padded to four bytes.
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let word =
        |bytes: &[u8], at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    loop {
        let (name, contents) = (word(notes, 0)? as usize, word(notes, 4)? as usize);
        let kind = word(notes, 8)?;
        let rest = notes.get(12..)?;
        let after = rest.get(name.checked_next_multiple_of(4)?..)?;
        if kind == NT_GNU_BUILD_ID && rest.get(..name) == Some(b"GNU\0") {
            return after.get(..contents);
        }
        notes = after.get(contents.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_and_its_libraries_are_loaded() {
        let all = loaded();
        assert!(all[0].path.is_empty(), "{:?}", all[0]);
        let here = this_test_and_its_libraries_are_loaded as fn() as usize as u64;
        assert!(all[0].start <= here && here < all[0].end);
        let libc = all.iter().find(|one| one.path.ends_with(b"/libc.so.6"));
        let free = libc::free as unsafe extern "C" fn(_) as usize as u64;
        assert!(libc.is_some_and(|libc| libc.start < free && free < libc.end), "{all:?}");
    }

    #[test]
    fn a_build_id_is_found_among_notes_and_nonsense_is_none() {
        let note = |name: &[u8], kind: u8, contents: &[u8]| {
            let sizes = [name.len() as u8, 0, 0, 0, contents.len() as u8, 0, 0, 0, kind, 0, 0, 0];
            let padded = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                bytes
            };
            [sizes.to_vec(), padded(name), padded(contents)].concat()
        };
        let other = note(b"stapsdt\0", 3, b"abc");
        let own = note(b"GNU\0", 3, b"12345");
        assert_eq!(build_id(&own), Some(&b"12345"[..]));
        assert_eq!(build_id(&[other.clone(), own.clone()].concat()), Some(&b"12345"[..]));
        assert_eq!(build_id(&other), None);
        for end in 0..own.len() - 3 {
            assert_eq!(build_id(&own[..end]), None, "{end}");
        }
        assert_eq!(build_id(&[0xff; 64]), None);
    }
}
