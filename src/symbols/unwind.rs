//! Who called whom on a stack that is only read, by the tables that compilers write for exceptions (`.eh_frame`), for x86-64.
//! The kernel tells of a waiting thread no more than its stack pointer and its program counter. Where a frame is found by the
//! frame pointer, and nobody below has saved that, the stack is searched for what looks like one.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, EvaluationResult, Location,
    NativeEndian, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, Value,
    X86_64,
};

use super::Symbols;
use super::image::{Frames, Section};
use crate::sys::procfs::Place;
use crate::sys::procfs::maps::{self, Mapping};

/// Frames that are told.
pub const MOST_FRAMES: usize = 64;
/// Words of a stack that are searched for a frame.
const SEARCHED: u64 = 8192;

type Bytes<'a> = EndianSlice<'a, NativeEndian>;

/// What of a frame's registers is known.
#[derive(Clone, Copy, Debug)]
struct Registers {
    program: u64,
    stack: u64,
    frame: Option<u64>,
}

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
            Cfa::ByFrame(offset) => self.search_frame(at.stack)?.wrapping_add_signed(offset),
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
            _ => self.search_frame(at.stack)?,
        };
        let program = (self.memory)(frame.checked_add(8)?)?;
        self.is_code(program).then_some(())?;
        Some(Registers { program, stack: frame.checked_add(16)?, frame: (self.memory)(frame) })
    }

    /// The first place that holds the place of another one further up, and behind that a return address.
    fn search_frame(&mut self, stack: u64) -> Option<u64> {
        let end = maps::at(self.maps, stack)?.end;
        let first = stack.checked_next_multiple_of(16)?;
        for place in (first..end).step_by(16).take(SEARCHED as usize / 2) {
            let saved = (self.memory)(place)?;
            let is_frame = saved > place && saved < end && saved.is_multiple_of(16);
            let program = (self.memory)(place + 8)?;
            if is_frame && self.is_after_call(program) {
                return Some(place);
            }
        }
        None
    }

    fn is_code(&self, address: u64) -> bool {
        maps::at(self.maps, address).is_some_and(|mapping| mapping.is_executable)
    }

    /// Whether the instruction before is a call (Intel's manual, volume 2, CALL: E8, or FF /2).
    fn is_after_call(&mut self, address: u64) -> bool {
        if address < 8 || !self.is_code(address) {
            return false;
        }
        let Some(before) = (self.memory)(address - 8).map(u64::to_ne_bytes) else { return false };
        let is_by_register = |length: usize| {
            let at = 8 - length;
            before[at] == 0xff && before[at + 1] & 0x38 == 0x10
        };
        before[3] == 0xe8 || [2, 3, 4, 6, 7].into_iter().any(is_by_register)
    }
}

/// How one place of a file is unwound.
struct Row<'a, 'c> {
    row: &'c gimli::UnwindTableRow<usize>,
    table: EhFrame<Bytes<'a>>,
    is_signal: bool,
}

enum Cfa {
    Is(u64),
    /// So far from a frame pointer that is not known.
    ByFrame(i64),
    By(UnwindExpression<usize>),
}

impl<'a, 'c> Row<'a, 'c> {
    fn find(
        frames: &'a Frames,
        address: u64,
        context: &'c mut UnwindContext<usize>,
    ) -> Option<Self> {
        let Frames { index, table } = frames;
        let bytes = |section: &'a Section| &section.bytes[..];
        let bases =
            BaseAddresses::default().set_eh_frame_hdr(index.address).set_eh_frame(table.address);
        let table = EhFrame::new(bytes(table), NativeEndian);
        let index = EhFrameHdr::new(bytes(index), NativeEndian).parse(&bases, 8).ok()?;
        let entry = index
            .table()?
            .fde_for_address(&table, &bases, address, EhFrame::cie_from_offset)
            .ok()?;
        let row = entry.unwind_info_for_address(&table, &bases, context, address).ok()?;
        Some(Self { row, table, is_signal: entry.is_signal_trampoline() })
    }

    fn cfa(&self, at: Registers) -> Cfa {
        match *self.row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => match value_of(register, at) {
                Some(base) => Cfa::Is(base.wrapping_add_signed(offset)),
                None => Cfa::ByFrame(offset),
            },
            CfaRule::Expression(expression) => Cfa::By(expression),
        }
    }

    /// The value of a register in the caller.
    fn register(
        &self,
        register: Register,
        at: Registers,
        cfa: u64,
        memory: &mut impl FnMut(u64) -> Option<u64>,
    ) -> Option<u64> {
        let Some(rule) = self.row.register(register) else {
            // Who calls finds it as it was.
            return at.frame.filter(|_| register == X86_64::RBP);
        };
        match rule {
            RegisterRule::SameValue if register == X86_64::RBP => at.frame,
            RegisterRule::Offset(offset) => memory(cfa.wrapping_add_signed(offset)),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add_signed(offset)),
            RegisterRule::Register(other) => value_of(other, at),
            RegisterRule::Expression(place) => {
                let place = self.evaluate(place, at, Some(cfa), memory)?;
                memory(place)
            }
            RegisterRule::ValExpression(value) => self.evaluate(value, at, Some(cfa), memory),
            _ => None,
        }
    }

    fn evaluate(
        &self,
        expression: UnwindExpression<usize>,
        at: Registers,
        cfa: Option<u64>,
        memory: &mut impl FnMut(u64) -> Option<u64>,
    ) -> Option<u64> {
        const MOST: u32 = 256;
        let encoding =
            gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
        let mut evaluation = expression.get(&self.table).ok()?.evaluation(encoding);
        evaluation.set_max_iterations(MOST);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let mut result = evaluation.evaluate().ok()?;
        loop {
            let resumed = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = value_of(register, at)?;
                    evaluation.resume_with_register(Value::Generic(value))
                }
                EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                    evaluation.resume_with_memory(Value::Generic(memory(address)?))
                }
                _ => return None,
            };
            result = resumed.ok()?;
        }
        match evaluation.result().first()?.location {
            Location::Address { address } => Some(address),
            _ => None,
        }
    }
}

fn value_of(register: Register, at: Registers) -> Option<u64> {
    match register {
        X86_64::RSP => Some(at.stack),
        X86_64::RBP => at.frame,
        X86_64::RA => Some(at.program),
        _ => None,
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
    fn innermost(seconds: u64) {
        // Which calls the C library, without its own table of unwinding in between.
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
