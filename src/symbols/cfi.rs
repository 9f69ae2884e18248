//! How the frame of one place in a file is left again, by its table of unwinding (`.eh_frame`).

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, EvaluationResult, Location,
    NativeEndian, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, Value,
    X86_64,
};

use super::image::{Frames, Section};

type Bytes<'a> = EndianSlice<'a, NativeEndian>;

/// What of a frame's registers is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    pub(super) program: u64,
    pub(super) stack: u64,
    pub(super) frame: Option<u64>,
}

/// How one place of a file is unwound.
pub(super) struct Row<'a, 'c> {
    row: &'c gimli::UnwindTableRow<usize>,
    table: EhFrame<Bytes<'a>>,
    /// Where its function begins.
    pub(super) entry: u64,
    pub(super) is_signal: bool,
}

/// Where the frame of the caller ends.
pub(super) enum Cfa {
    Is(u64),
    /// So far from a frame pointer that is not known.
    ByFrame(i64),
    By(UnwindExpression<usize>),
}

impl<'a, 'c> Row<'a, 'c> {
    pub(super) fn find(
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
        let (begins, is_signal) = (entry.initial_address(), entry.is_signal_trampoline());
        Some(Self { row, table, entry: begins, is_signal })
    }

    pub(super) fn cfa(&self, at: Registers) -> Cfa {
        match *self.row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => match value_of(register, at) {
                Some(base) => Cfa::Is(base.wrapping_add_signed(offset)),
                None => Cfa::ByFrame(offset),
            },
            CfaRule::Expression(expression) => Cfa::By(expression),
        }
    }

    /// The value of a register in the caller.
    pub(super) fn register(
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

    pub(super) fn evaluate(
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
