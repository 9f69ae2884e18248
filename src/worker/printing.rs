//! Standard output as an answer: while a call runs, descriptor 1 is memory that cannot grow beyond its limit.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::stdio::{dup2_stdout, stdout};

use crate::ffi::callee::MAX_PRINTED;
use crate::sys::stdio;

/// Whoever fills this page has printed too much: the kernel refuses a write that would grow the memory page by page.
const MARGIN: usize = 64 * 1024;

/// Standard output, kept.
pub(super) struct Printing {
    memory: File,
    before: OwnedFd,
}

impl Printing {
    /// From now on.
    pub(super) fn begin() -> Result<Self, Errno> {
        stdio::flush_output();
        let memory = memfd_create(c"stdout", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memory, (MAX_PRINTED + MARGIN) as u64)?;
        fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        let before = rustix::io::fcntl_dupfd_cloexec(stdout(), 3)?;
        dup2_stdout(&memory)?;
        Ok(Self { memory: memory.into(), before })
    }

    /// Until now: what was printed. Where the next byte would go says how much it is; who printed by a child shares that
    /// place.
    pub(super) fn end(mut self) -> Result<Vec<u8>, String> {
        stdio::flush_output();
        let restored = dup2_stdout(self.before.as_fd());
        restored.map_err(|problem| format!("standard output is lost: {problem}"))?;
        let mut printed = Vec::new();
        let length = self.memory.stream_position().unwrap_or(u64::MAX);
        if usize::try_from(length).map_or(true, |length| length > MAX_PRINTED) {
            return Err(format!("it printed more than {MAX_PRINTED} bytes"));
        }
        let read = self
            .memory
            .seek(SeekFrom::Start(0))
            .and_then(|_| (&self.memory).take(length).read_to_end(&mut printed));
        read.map_err(|problem| format!("what it printed is lost: {problem}"))?;
        Ok(printed)
    }
}
