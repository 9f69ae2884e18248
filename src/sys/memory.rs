//! The memory of another process, read while it runs (`process_vm_readv(2)`): it is not stopped, and may change meanwhile.
//! Needs what `ptrace(2)` would need. Any address may be asked for: what is not there is not read.

use libc::{c_ulong, iovec};

/// Fills `buffer` from `address` of the process `pid`; how many bytes were there, from the first one.
#[must_use]
pub fn read(pid: u32, address: u64, buffer: &mut [u8]) -> usize {
    let local = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let remote = iovec { iov_base: address as *mut libc::c_void, iov_len: buffer.len() };
    const ONE: c_ulong = 1;
    // SAFETY: the kernel writes to `local` alone, which is `buffer`; `remote` is an address in the other process, which
    // the kernel checks.
    let read = unsafe {
        libc::process_vm_readv(pid.cast_signed(), &raw const local, ONE, &raw const remote, ONE, 0)
    };
    usize::try_from(read).unwrap_or(0)
}

/// The eight bytes at `address`, as a number of this machine.
#[must_use]
pub fn word(pid: u32, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (read(pid, address, &mut bytes) == 8).then(|| u64::from_ne_bytes(bytes))
}

/// The bytes from `address` to the next NUL, `most` at most.
#[must_use]
pub fn text(pid: u32, address: u64, most: usize) -> Option<Vec<u8>> {
    // A page at a time: the next one may not be there.
    const PAGE: u64 = 4096;
    let mut found = Vec::new();
    let mut at = address;
    while found.len() < most {
        let mut page = [0; PAGE as usize];
        let until_page = (PAGE - at % PAGE) as usize;
        let wanted = until_page.min(most - found.len());
        let read = read(pid, at, &mut page[..wanted]);
        let nul = page[..read].iter().position(|byte| *byte == 0);
        found.extend_from_slice(&page[..nul.unwrap_or(read)]);
        if nul.is_some() || read < wanted {
            return nul.map(|_| found);
        }
        at = at.checked_add(wanted as u64)?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_reads_itself_and_no_address_harms() {
        let me = std::process::id();
        let (number, words) = (0x0123_4567_89ab_cdef_u64, c"some words");
        assert_eq!(word(me, (&raw const number) as u64), Some(number));
        let at = words.as_ptr() as u64;
        assert_eq!(text(me, at, 64).unwrap(), b"some words");
        assert_eq!(text(me, at, 4).unwrap(), b"some");
        for nowhere in [0, 8, u64::MAX, u64::MAX - 7] {
            assert_eq!(word(me, nowhere), None);
            assert_eq!(text(me, nowhere, 64), None);
        }
        assert_eq!(word(u32::MAX / 2, at), None, "a process that is not there");
    }

    #[test]
    fn a_text_may_cross_pages() {
        let long = [vec![b'x'; 9000], vec![0]].concat();
        let me = std::process::id();
        assert_eq!(text(me, long.as_ptr() as u64, 1 << 14).unwrap().len(), 9000);
    }
}
