//! From what a crashed worker told of its stack to the names of the functions on it, by the unwind tables (`.eh_frame`) and
//! the symbols of the files that it had loaded. All of it is hostile: nothing is followed further than a few dozen steps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, NativeEndian, Register, RegisterRule,
    UnwindContext, UnwindSection, UnwindTableRow,
};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use serde::{Deserialize, Serialize};

use crate::app::elf;
use crate::wire::{Fault, Module};

/// Frames that are followed.
const MOST_FRAMES: usize = 64;
/// Files that are read for one death.
const MOST_FILES: usize = 16;
/// Bytes of a symbol that are told.
const LONGEST_NAME: usize = 256;

/// Of the architecture's DWARF: the stack pointer, and where a return address is found.
#[cfg(target_arch = "aarch64")]
const SP_AND_RETURN: (u16, u16) = (31, 30);
#[cfg(not(target_arch = "aarch64"))]
const SP_AND_RETURN: (u16, u16) = (7, 16);

/// One function on the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Where it is in memory, in hexadecimal.
    pub address: String,
    /// The file that it is in, where it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Where it is in that file, in hexadecimal, as `addr2line(1)` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// The function, where that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// How far into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<u64>,
}

/// The functions on the stack, the innermost first, as far as they can be found; those of the worker's own are not told.
#[must_use]
pub fn backtrace(fault: &Fault) -> Vec<Frame> {
    let mut files = Files::default();
    let mut state = State::of(fault);
    let mut frames = Vec::new();
    while frames.len() < MOST_FRAMES {
        let module = fault.modules.iter().find(|m| (m.start..m.end).contains(&state.pc));
        if module.is_some_and(|module| module.path.is_empty()) {
            break;
        }
        // A return address may lie behind the end of its function.
        let at = if frames.is_empty() { state.pc } else { state.pc.wrapping_sub(1) };
        let bytes = module.and_then(|module| files.of(module));
        let file = bytes.and_then(|bytes| object::File::parse(bytes).ok());
        frames.push(frame(state.pc, at, module, file.as_ref()));
        let caller = match (module, file) {
            (Some(module), Some(file)) => state.caller(&file, at.wrapping_sub(module.base)),
            // A jump to nowhere: who made it is where a call leaves its return address.
            (None, _) if frames.len() == 1 => state.caller_of_nothing(),
            _ => None,
        };
        match caller {
            Some(caller) => state = caller,
            None => break,
        }
    }
    frames
}

/// The innermost function of the library itself, else the innermost one that has a name.
#[must_use]
pub fn culprit(frames: &[Frame], library: &Path) -> Option<String> {
    let own = |frame: &&Frame| {
        let module = frame.module.as_deref().map(Path::new);
        module == Some(library) || module.and_then(Path::file_name) == library.file_name()
    };
    let named = |frame: &Frame| frame.symbol.clone();
    frames.iter().filter(own).find_map(named).or_else(|| frames.iter().find_map(named))
}

fn frame(pc: u64, at: u64, module: Option<&Module>, file: Option<&object::File<'_>>) -> Frame {
    let Some(module) = module else {
        return Frame { address: format!("{pc:#x}"), ..Frame::default() };
    };
    let offset = at.wrapping_sub(module.base);
    let found = file.and_then(|file| symbol(file, offset));
    Frame {
        address: format!("{pc:#x}"),
        module: Some(String::from_utf8_lossy(&module.path).into_owned()),
        offset: Some(format!("{offset:#x}")),
        into: found.as_ref().map(|(_, start)| pc.wrapping_sub(module.base).wrapping_sub(*start)),
        symbol: found.map(|(name, _)| name),
    }
}

/// The function that holds this address, and where it begins.
fn symbol(file: &object::File<'_>, address: u64) -> Option<(String, u64)> {
    let holds = |symbol: &object::Symbol<'_, '_>| {
        let start = symbol.address();
        symbol.kind() == SymbolKind::Text
            && symbol.is_definition()
            && address.checked_sub(start).is_some_and(|into| into < symbol.size().max(1))
    };
    let mut all = file.symbols().chain(file.dynamic_symbols());
    let found = all.find(holds)?;
    let name = found.name_bytes().ok()?;
    let name = name.get(..LONGEST_NAME).unwrap_or(name);
    Some((String::from_utf8_lossy(name).replace(char::is_control, "?"), found.address()))
}

/// The files of modules, read once; only those that are what was loaded.
#[derive(Default)]
struct Files(HashMap<PathBuf, Option<Vec<u8>>>);

impl Files {
    fn of(&mut self, module: &Module) -> Option<&[u8]> {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(&module.path));
        if !self.0.contains_key(path) && self.0.len() >= MOST_FILES {
            return None;
        }
        let read = || elf::read(path).ok().filter(|bytes| is_same(bytes, &module.build_id));
        self.0.entry(path.to_owned()).or_insert_with(read).as_deref()
    }
}

/// One that was replaced since has other functions at other places.
fn is_same(bytes: &[u8], loaded: &[u8]) -> bool {
    let file = object::File::parse(bytes).ok();
    let build_id = file.and_then(|file| file.build_id().ok().flatten().map(<[u8]>::to_vec));
    build_id.unwrap_or_default() == loaded
}

/// The registers of one function on the stack.
struct State<'f> {
    fault: &'f Fault,
    pc: u64,
    registers: Vec<u64>,
}

impl<'f> State<'f> {
    fn of(fault: &'f Fault) -> Self {
        Self { fault, pc: fault.pc, registers: fault.registers.clone() }
    }

    /// The function that called this one, whose place in `file` is `address`.
    fn caller(&self, file: &object::File<'_>, address: u64) -> Option<Self> {
        let section = |name| {
            let section = file.section_by_name(name)?;
            Some((section.address(), section.data().ok()?))
        };
        let (frames_at, frames) = section(".eh_frame")?;
        let (index_at, index) = section(".eh_frame_hdr")?;
        let bases = BaseAddresses::default().set_eh_frame(frames_at).set_eh_frame_hdr(index_at);
        let frames = EhFrame::new(frames, NativeEndian);
        let index = EhFrameHdr::new(index, NativeEndian).parse(&bases, 8).ok()?;
        let mut context = UnwindContext::new();
        let find = EhFrame::cie_from_offset;
        let row =
            index.table()?.unwind_info_for_address(&frames, &bases, &mut context, address, find);
        self.unwound(row.ok()?)
    }

    fn unwound(&self, row: &UnwindTableRow<usize>) -> Option<Self> {
        let (sp, returns) = SP_AND_RETURN;
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
        let cfa = self.register(*register)?.wrapping_add_signed(*offset);
        let mut registers = self.registers.clone();
        for (number, value) in (0..).zip(registers.iter_mut()) {
            match row.register(Register(number)) {
                None | Some(RegisterRule::SameValue) => {}
                Some(RegisterRule::Offset(offset)) => {
                    *value = self.word(cfa.wrapping_add_signed(offset))?;
                }
                Some(RegisterRule::ValOffset(offset)) => *value = cfa.wrapping_add_signed(offset),
                Some(RegisterRule::Register(other)) => *value = self.register(other)?,
                // Nobody called it; or a rule that compilers do not make for functions.
                Some(_) if number == returns => return None,
                Some(_) => {}
            }
        }
        let pc = registers.get(usize::from(returns)).copied().filter(|pc| *pc != 0)?;
        *registers.get_mut(usize::from(sp))? = cfa;
        let is_further = cfa > self.register(Register(sp))? || pc != self.pc;
        is_further.then(|| Self { fault: self.fault, pc: address_of(pc), registers })
    }

    /// A call that led nowhere has only left its return address.
    fn caller_of_nothing(&self) -> Option<Self> {
        let (sp, returns) = SP_AND_RETURN;
        let mut registers = self.registers.clone();
        let top = self.register(Register(sp))?;
        let pc = if cfg!(target_arch = "aarch64") {
            self.register(Register(returns))?
        } else {
            *registers.get_mut(usize::from(sp))? = top.wrapping_add(8);
            self.word(top)?
        };
        Some(Self { fault: self.fault, pc: address_of(pc), registers })
    }

    fn register(&self, register: Register) -> Option<u64> {
        self.registers.get(usize::from(register.0)).copied()
    }

    fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.fault.stack_at)?).ok()?;
        let bytes = self.fault.stack.get(at..at.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}

/// Without the signature that Arm puts into the bits above.
fn address_of(pointer: u64) -> u64 {
    if cfg!(target_arch = "aarch64") { pointer & 0x0000_ffff_ffff_ffff } else { pointer }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(module: &str, symbol: Option<&str>) -> Frame {
        let symbol = symbol.map(str::to_owned);
        Frame { module: Some(module.to_owned()), symbol, ..Frame::default() }
    }

    #[test]
    fn the_librarys_own_function_is_the_culprit() {
        let stack = [
            frame("/lib/libc.so.6", Some("raise")),
            frame("/lib/libc.so.6", Some("abort")),
            frame("/app/f.so", None),
            frame("/app/f.so", Some("check")),
            frame("/app/f.so", Some("main")),
        ];
        let culprit = |library: &str| culprit(&stack, library.as_ref());
        assert_eq!(culprit("/app/f.so").as_deref(), Some("check"));
        assert_eq!(culprit("f.so").as_deref(), Some("check"), "the loader found it");
        assert_eq!(culprit("/app/g.so").as_deref(), Some("raise"));
        assert_eq!(super::culprit(&[], "f.so".as_ref()), None);
    }

    #[test]
    fn nonsense_ends_at_once_or_soon() {
        let here = std::env::current_exe().unwrap();
        let module = |path: &str| Module {
            path: path.as_bytes().to_vec(),
            base: 0,
            start: 0,
            end: u64::MAX,
            build_id: Vec::new(),
        };
        let bytes = std::fs::read(&here).unwrap();
        let this = object::File::parse(&*bytes).unwrap().build_id();
        let build_id = this.ok().flatten().map(<[u8]>::to_vec).unwrap_or_default();
        for modules in [
            vec![],
            vec![module("/nowhere")],
            vec![module("/dev/zero")],
            vec![module("/proc/self/maps")],
            vec![Module { build_id, ..module(here.to_str().unwrap()) }],
        ] {
            for pc in [0, 1, 0x1000, u64::MAX / 2, u64::MAX - 1] {
                let (registers, stack) = (vec![pc; 17], vec![0xff; 64]);
                let modules = modules.clone();
                let fault =
                    Fault { pc, registers, modules, stack_at: pc, stack, ..Fault::default() };
                let frames = backtrace(&fault);
                assert!((1..=MOST_FRAMES).contains(&frames.len()), "{frames:?}");
            }
        }
        assert_eq!(backtrace(&Fault::default()).len(), 1);
    }
}
