//! The stack of a thread that waits, read while it does: it is not stopped. A thread that runs cannot be read so, and is
//! left alone: stopping it would end some of its system calls with `EINTR`.

use crate::symbols::Symbols;
use crate::symbols::unwind::{Target, walk};
use crate::sys::procfs::maps::{self, Mapping};
use crate::sys::procfs::{self, Doing};
use crate::sys::{memory, syscalls};
use crate::telemetry::log::escape;

/// Bytes of a stack that are read at once; what lies further up is read word by word.
const CHUNK: usize = 64 * 1024;
/// It may go on meanwhile: then it is read anew.
const TRIES: usize = 3;

/// Who called whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// `libpq.so.5!PQgetResult+0x5c`, the innermost first. None of a thread that runs, or that may not be traced.
    pub frames: Vec<String>,
    /// The lock that it waits for, as `libapp.so!lock+0x0`.
    pub lock: Option<String>,
}

/// The stack of `thread`. Blocks: files are read, and mappings that the process changes are waited for.
pub fn stack(symbols: &mut Symbols, thread: u32) -> Stack {
    let mut found = Stack::default();
    for _ in 0..TRIES {
        let before = procfs::doing(thread);
        let Some(Doing::Syscall { number, arguments, place }) = before else { break };
        let maps = maps::maps(thread);
        let mut chunk = vec![0; CHUNK];
        let read = memory::read(thread, place.stack, &mut chunk);
        chunk.truncate(read);
        let word = |address: u64| {
            let inside = address.checked_sub(place.stack).and_then(|at| {
                let at = usize::try_from(at).ok()?;
                chunk.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_ne_bytes)
            });
            inside.or_else(|| memory::word(thread, address))
        };
        let mut target = Target { maps: &maps, symbols, memory: word };
        let addresses = walk(&mut target, place);
        if procfs::doing(thread) != before {
            continue;
        }
        let own = without_the_host(&maps, &addresses);
        found.frames =
            own.iter().map(|address| escape(symbols.name(&maps, *address).as_bytes())).collect();
        let is_lock = syscalls::called(number) == Some("futex");
        found.lock = is_lock.then(|| escape(symbols.name(&maps, arguments[0]).as_bytes()));
        break;
    }
    found
}

/// The outer frames are the worker's, or the C library's that starts threads: they say nothing of the call.
fn without_the_host<'a>(maps: &[Mapping], addresses: &'a [u64]) -> &'a [u64] {
    let is_host = |address: &u64| {
        let path = maps::at(maps, *address).map_or("", |mapping| mapping.path.as_str());
        let file = path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or_default();
        file.starts_with("cofferdam") || file.starts_with("libc.so") || file.starts_with("libc-")
    };
    match addresses.iter().rposition(|address| !is_host(address)) {
        Some(last) => &addresses[..=last],
        None => addresses,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_frames_of_the_host_are_left_out() {
        let mapping = |start: u64, path: &str| Mapping {
            start,
            end: start + 0x100,
            is_executable: true,
            offset: 0,
            inode: 0,
            path: path.to_owned(),
        };
        let maps = [
            mapping(0x1000, "/usr/bin/cofferdam-worker (deleted)"),
            mapping(0x2000, "/lib/libc.so.6"),
            mapping(0x3000, "/srv/libapp.so"),
        ];
        let rows: [(&[u64], usize); 4] = [
            (&[0x2001, 0x3001, 0x3002, 0x1001, 0x2002], 3),
            (&[0x2001, 0x1001], 2),
            (&[0x3001, 0x1001, 0x3001, 0x2001], 3),
            (&[], 0),
        ];
        for (addresses, length) in rows {
            assert_eq!(without_the_host(&maps, addresses).len(), length, "{addresses:x?}");
        }
    }

    #[test]
    fn a_thread_that_runs_and_one_that_is_gone_have_none() {
        let mut symbols = Symbols::default();
        let me = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        assert_eq!(stack(&mut symbols, me), Stack::default());
        assert_eq!(stack(&mut symbols, u32::MAX / 2), Stack::default());
    }
}
