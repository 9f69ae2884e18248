//! Who called whom on a stack that is only read, by the tables that compilers write for exceptions (`.eh_frame`), for x86-64.
//! The kernel tells of a waiting thread no more than its stack pointer and its program counter. Where a frame is found by the
//! frame pointer, and nobody below has saved that, it follows from how the function begins, or is searched for.

use gimli::{UnwindContext, X86_64};

use super::Symbols;
use super::cfi::{Cfa, Registers, Row};
use crate::sys::procfs::Place;
use crate::sys::procfs::maps::{self, Mapping};

/// Frames that are told.
pub const MOST_FRAMES: usize = 64;
/// Words of a stack that are searched for a frame.
const SEARCHED: u64 = 8192;

/// A process that is looked at.
pub struct Target<'a, M> {
    /// Its mappings.
    pub maps: &'a [Mapping],
    /// The files of these mappings.
    pub symbols: &'a mut Symbols,
    /// Reads the word at an address.
    pub memory: M,
}

/// The addresses of a thread that waits at `place`: its own, then those that it will return to.
pub fn walk<M: FnMut(u64) -> Option<u64>>(target: &mut Target<'_, M>, place: Place) -> Vec<u64> {
    let mut at = Registers { program: place.program, stack: place.stack, frame: None };
    let mut found = vec![at.program];
    // What a frame will return to lies behind its call, and may be another function already.
    let mut behind_call = false;
    while found.len() < MOST_FRAMES && cfg!(target_arch = "x86_64") {
        let Some((next, is_signal)) = target.step(at, behind_call) else { break };
        if next.program == 0 || next.stack <= at.stack {
            break;
        }
        found.push(next.program);
        (at, behind_call) = (next, !is_signal);
    }
    found
}

impl<M: FnMut(u64) -> Option<u64>> Target<'_, M> {
    /// The caller's registers, and whether it was interrupted by a signal.
    fn step(&mut self, at: Registers, behind_call: bool) -> Option<(Registers, bool)> {
        let address = at.program.wrapping_sub(u64::from(behind_call));
        let Some((image, bias)) = self.symbols.image_at(self.maps, address) else {
            return Some((self.by_frame_pointer(at)?, false));
        };
        let frames = image.frames();
        let mut context = UnwindContext::new();
        let Some(row) = Row::find(frames, address.wrapping_sub(bias), &mut context) else {
            return Some((self.by_frame_pointer(at)?, false));
        };
        let cfa = match row.cfa(at) {
            Cfa::Is(cfa) => cfa,
            Cfa::ByFrame(offset) => {
                let entry = row.entry.wrapping_add(bias);
                let frame = self.computed_frame(entry, at.stack);
                let frame = frame.or_else(|| self.search_frame(at.stack, Some(entry)))?;
                frame.wrapping_add_signed(offset)
            }
            Cfa::By(expression) => row.evaluate(expression, at, None, &mut self.memory)?,
        };
        let program = row.register(X86_64::RA, at, cfa, &mut self.memory)?;
        let frame = row.register(X86_64::RBP, at, cfa, &mut self.memory);
        let stack = row.register(X86_64::RSP, at, cfa, &mut self.memory).unwrap_or(cfa);
        Some((Registers { program, stack, frame }, row.is_signal))
    }

    /// Of code that no table describes.
    fn by_frame_pointer(&mut self, at: Registers) -> Option<Registers> {
        let frame = match at.frame {
            Some(frame) if frame >= at.stack => frame,
            _ => self.search_frame(at.stack, None)?,
        };
        let program = (self.memory)(frame.checked_add(8)?)?;
        self.is_code(program).then_some(())?;
        Some(Registers { program, stack: frame.checked_add(16)?, frame: (self.memory)(frame) })
    }

    /// The frame pointer of a function by how it makes room on the stack as it begins (Intel's manual, volume 2: 55 is
    /// PUSH RBP, 48 89 E5 is MOV RBP, RSP, 48 83 EC and 48 81 EC are SUB RSP).
    fn computed_frame(&mut self, entry: u64, stack: u64) -> Option<u64> {
        const LOOKED_AT: u64 = 64;
        let words =
            (0..LOOKED_AT / 8).map_while(|word| (self.memory)(entry.checked_add(8 * word)?));
        let code: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        let frame = stack.checked_add(room(&code)?)?;
        self.is_frame(frame, Some(entry)).then_some(frame)
    }

    /// The first place that may be one of this function.
    fn search_frame(&mut self, stack: u64, entry: Option<u64>) -> Option<u64> {
        let end = maps::at(self.maps, stack)?.end;
        let first = stack.checked_next_multiple_of(16)?;
        let mut places = (first..end).step_by(16).take(SEARCHED as usize / 2);
        places.find(|place| self.is_frame(*place, entry))
    }

    /// Whether a place holds that of another one further up, and behind that an address that a call returns to; where it
    /// says what it called, that is the function at `entry`.
    fn is_frame(&mut self, place: u64, entry: Option<u64>) -> bool {
        let end = maps::at(self.maps, place).map_or(0, |mapping| mapping.end);
        let (saved, program) = ((self.memory)(place), (self.memory)(place.wrapping_add(8)));
        let (Some(saved), Some(program)) = (saved, program) else { return false };
        if saved <= place || saved >= end || !self.is_code(program) || program < 8 {
            return false;
        }
        let before = (self.memory)(program - 8).unwrap_or_default().to_ne_bytes();
        match called(&before, program) {
            Called::Nothing => false,
            Called::Something => true,
            Called::At(called) => {
                entry.is_none_or(|entry| called == entry || !self.is_function(called))
            }
        }
    }

    /// Whether a function begins here; a stub that jumps to another one has no name.
    fn is_function(&mut self, address: u64) -> bool {
        let Some((image, bias)) = self.symbols.image_at(self.maps, address) else { return false };
        image.name_of(address.wrapping_sub(bias)).is_some_and(|(_, within)| within == 0)
    }

    fn is_code(&self, address: u64) -> bool {
        maps::at(self.maps, address).is_some_and(|mapping| mapping.is_executable)
    }
}

/// What the instruction before an address calls.
#[derive(Debug, PartialEq, Eq)]
enum Called {
    /// It is no call.
    Nothing,
    /// What a register or memory says.
    Something,
    At(u64),
}

/// By the eight bytes before `program` (Intel's manual, volume 2, CALL: E8 and how far, or FF /2).
fn called(before: &[u8; 8], program: u64) -> Called {
    let is_by_register = |length: usize| {
        let at = 8 - length;
        before[at] == 0xff && before[at + 1] & 0x38 == 0x10
    };
    match *before {
        [_, _, _, 0xe8, a, b, c, d] => {
            Called::At(program.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into()))
        }
        _ if [2, 3, 4, 6, 7].into_iter().any(is_by_register) => Called::Something,
        _ => Called::Nothing,
    }
}

/// Bytes between stack and frame pointer of a function that has begun, by its first instructions.
fn room(code: &[u8]) -> Option<u64> {
    let code = code.strip_prefix(&[0xf3, 0x0f, 0x1e, 0xfa]).unwrap_or(code);
    let mut code = code.strip_prefix(&[0x55, 0x48, 0x89, 0xe5])?;
    let mut room = 0_u64;
    loop {
        (code, room) = match *code {
            // PUSH of what the caller keeps in a register.
            [0x53, ref rest @ ..] | [0x41, 0x54..=0x57, ref rest @ ..] => (rest, room + 8),
            [0x48, 0x83, 0xec, by, ref rest @ ..] => (rest, room + u64::from(by)),
            [0x48, 0x81, 0xec, a, b, c, d, ref rest @ ..] => {
                (rest, room + u64::from(u32::from_le_bytes([a, b, c, d])))
            }
            // OR of nothing: the page is touched before the next one is.
            [0x48, 0x83, 0x0c, 0x24, 0x00, ref rest @ ..] => (rest, room),
            _ => return Some(room),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sys::memory;
    use crate::sys::procfs::{self, Doing};

    #[inline(never)]
    #[allow(clippy::disallowed_methods, reason = "to sleep is what it is for")]
    fn innermost(seconds: u64) {
        std::thread::sleep(Duration::from_secs(seconds));
        std::hint::black_box(());
    }

    #[inline(never)]
    fn outer(seconds: u64) {
        innermost(std::hint::black_box(seconds));
        std::hint::black_box(());
    }

    /// The names on the stack of a thread, once it waits in `number`.
    fn names(thread: u32, number: i64) -> Vec<String> {
        let give_up = Instant::now() + Duration::from_secs(30);
        let place = loop {
            match procfs::doing(thread) {
                Some(Doing::Syscall { number: found, place, .. }) if found == number => {
                    break place;
                }
                _ => assert!(Instant::now() < give_up),
            }
        };
        let maps = maps::maps(thread);
        let mut symbols = Symbols::default();
        let memory = |address| memory::word(thread, address);
        let mut target = Target { maps: &maps, symbols: &mut symbols, memory };
        let found = walk(&mut target, place);
        found.iter().map(|address| symbols.name(&maps, *address)).collect()
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_thread_that_sleeps_tells_who_called_whom() {
        let (tell, told) = channel();
        std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()).unwrap();
            outer(3600);
        });
        let names = names(told.recv().unwrap(), libc::SYS_clock_nanosleep);
        let place = |part: &str| names.iter().position(|name| name.contains(part));
        let (sleep, inner, outer) = (place("nanosleep"), place("innermost"), place("outer"));
        assert_eq!(sleep, Some(0), "{names:#?}");
        assert!(sleep < inner && inner < outer && outer.is_some(), "{names:#?}");
        assert!(names.last().unwrap().starts_with("libc.so.6"), "{names:#?}");
    }

    #[test]
    fn a_function_tells_its_room_as_it_begins() {
        let begins = [0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5];
        let with = |code: &[u8]| room(&[&begins[..], code].concat());
        assert_eq!(with(&[0x90]), Some(0));
        assert_eq!(with(&[0x48, 0x83, 0xec, 0x20, 0x90]), Some(0x20));
        assert_eq!(
            with(&[0x41, 0x54, 0x53, 0x48, 0x81, 0xec, 0x30, 0x10, 0, 0, 0x90]),
            Some(0x1040)
        );
        let touched =
            [0x48, 0x81, 0xec, 0, 0x10, 0, 0, 0x48, 0x83, 0x0c, 0x24, 0, 0x48, 0x83, 0xec, 8];
        assert_eq!(with(&touched), Some(0x1008));
        assert_eq!(room(&[0x48, 0x83, 0xec, 0x20]), None);
        assert_eq!(room(&[]), None);
    }

    #[test]
    fn an_address_behind_a_call_tells_what_was_called() {
        let before = |bytes: [u8; 8]| called(&bytes, 0x1000);
        assert_eq!(before([0, 0, 0, 0xe8, 0, 1, 0, 0]), Called::At(0x1100));
        assert_eq!(before([0, 0, 0, 0xe8, 0, 0xff, 0xff, 0xff]), Called::At(0xf00));
        assert_eq!(before([0, 0, 0xff, 0x15, 1, 2, 3, 4]), Called::Something);
        assert_eq!(before([0, 0, 0, 0, 0, 0, 0xff, 0xd0]), Called::Something);
        assert_eq!(before([0x90; 8]), Called::Nothing);
    }

    #[test]
    fn nonsense_ends() {
        let maps = maps::maps(std::process::id());
        let mut symbols = Symbols::default();
        let here = nonsense_ends as fn() as usize as u64;
        for place in [0, 1, here, u64::MAX - 8, (&raw const maps).cast::<c_void>() as u64] {
            for memory in [0, 1, 8, here, u64::MAX] {
                let read = |_| Some(memory);
                let mut target = Target { maps: &maps, symbols: &mut symbols, memory: read };
                for program in [place, here] {
                    let found = walk(&mut target, Place { stack: place, program });
                    assert!(found.len() <= MOST_FRAMES);
                }
            }
        }
    }
}
