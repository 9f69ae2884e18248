//! [`Fault`] as bytes. It is written by a signal handler, which may not allocate: head, modules and stack are put together
//! there, the modules ahead of time.

use super::reader::Reader;
use super::writer::Writer;
use super::{CodecError, HEADER};
use crate::wire::fault::{
    Fault, MAX_BUILD_ID, MAX_MODULES, MAX_PATH, MAX_REGISTERS, MAX_STACK, Module,
};

/// Bytes of a frame before its modules, at most.
pub const FAULT_HEAD: usize = HEADER + 1 + 4 + 4 + 8 + 8 + 4 + 8 * MAX_REGISTERS;

/// Bytes between the modules and the stack.
pub const FAULT_TAIL: usize = 8 + 4;

pub(super) const KIND: u8 = 12;

pub(super) fn put_fault(out: &mut Writer<'_>, fault: &Fault) {
    out.i32(fault.signal);
    out.i32(fault.code);
    out.u64(fault.address);
    out.u64(fault.pc);
    out.list(&fault.registers, |out, register| out.u64(*register));
    put_modules(out, &fault.modules);
    out.u64(fault.stack_at);
    out.bytes(&fault.stack);
}

fn put_modules(out: &mut Writer<'_>, modules: &[Module]) {
    out.list(modules, |out, module| {
        out.bytes(&module.path);
        out.u64(module.base);
        out.u64(module.start);
        out.u64(module.end);
        out.bytes(&module.build_id);
    });
}

/// The modules of a frame that is to be written in parts.
#[must_use]
pub fn encode_modules(modules: &[Module]) -> Vec<u8> {
    let mut out = Vec::new();
    put_modules(&mut Writer::of(&mut out), modules.get(..MAX_MODULES).unwrap_or(modules));
    out
}

/// What lies before the modules and what lies between them and the stack, of a frame that is written in parts: fixed memory,
/// nothing is allocated. `fault` has neither; they are so many bytes.
#[must_use]
pub fn encode_fault(
    (signal, code, address, pc): (i32, i32, u64, u64),
    registers: &[u64],
    modules: usize,
    (stack_at, stack): (u64, usize),
) -> ([u8; FAULT_HEAD], usize, [u8; FAULT_TAIL]) {
    let registers = registers.get(..MAX_REGISTERS).unwrap_or(registers);
    let head = HEADER + 1 + 4 + 4 + 8 + 8 + 4 + 8 * registers.len();
    let length = head - HEADER + modules + FAULT_TAIL + stack;
    let mut out = Fixed { bytes: [0; FAULT_HEAD], length: 0 };
    out.put(&(length as u32).to_le_bytes());
    out.put(&[KIND]);
    out.put(&signal.to_le_bytes());
    out.put(&code.to_le_bytes());
    out.put(&address.to_le_bytes());
    out.put(&pc.to_le_bytes());
    out.put(&(registers.len() as u32).to_le_bytes());
    registers.iter().for_each(|register| out.put(&register.to_le_bytes()));
    let mut tail = [0; FAULT_TAIL];
    tail[..8].copy_from_slice(&stack_at.to_le_bytes());
    tail[8..].copy_from_slice(&(stack as u32).to_le_bytes());
    (out.bytes, out.length, tail)
}

struct Fixed {
    bytes: [u8; FAULT_HEAD],
    length: usize,
}

impl Fixed {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }
}

pub(super) fn fault(input: &mut Reader<'_>) -> Result<Fault, CodecError> {
    let fault = Fault {
        signal: input.i32()?,
        code: input.i32()?,
        address: input.u64()?,
        pc: input.u64()?,
        registers: input.list(Reader::u64)?,
        modules: input.list(module)?,
        stack_at: input.u64()?,
        stack: input.bytes()?,
    };
    most(fault.registers.len(), MAX_REGISTERS)?;
    most(fault.modules.len(), MAX_MODULES)?;
    most(fault.stack.len(), MAX_STACK)?;
    Ok(fault)
}

fn module(input: &mut Reader<'_>) -> Result<Module, CodecError> {
    let module = Module {
        path: input.bytes()?,
        base: input.u64()?,
        start: input.u64()?,
        end: input.u64()?,
        build_id: input.bytes()?,
    };
    most(module.path.len(), MAX_PATH)?;
    most(module.build_id.len(), MAX_BUILD_ID)?;
    Ok(module)
}

fn most(count: usize, most: usize) -> Result<(), CodecError> {
    if count > most { Err(CodecError::TooMany { count }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FromWorker;
    use crate::wire::codec::{decode_from_worker, encode_from_worker};

    fn full() -> Fault {
        Fault {
            signal: 11,
            code: -6,
            address: 8,
            pc: 0x7f00_1234,
            registers: (0..17).collect(),
            modules: vec![
                Module::default(),
                Module {
                    path: b"/lib/x\xff.so".to_vec(),
                    base: 1,
                    start: 2,
                    end: 3,
                    build_id: vec![7; MAX_BUILD_ID],
                },
            ],
            stack_at: 0x7ffd_0000,
            stack: vec![5; MAX_STACK],
        }
    }

    fn decode(fault: Fault) -> Result<FromWorker, CodecError> {
        let mut bytes = Vec::new();
        encode_from_worker(&FromWorker::Fault(Box::new(fault)), &mut bytes);
        decode_from_worker(&bytes[HEADER..])
    }

    #[test]
    fn in_parts_it_is_the_same_frame() {
        let fault = full();
        let mut whole = Vec::new();
        encode_from_worker(&FromWorker::Fault(Box::new(fault.clone())), &mut whole);
        let modules = encode_modules(&fault.modules);
        let (head, length, tail) = encode_fault(
            (fault.signal, fault.code, fault.address, fault.pc),
            &fault.registers,
            modules.len(),
            (fault.stack_at, fault.stack.len()),
        );
        assert_eq!([&head[..length], &modules, &tail, &fault.stack].concat(), whole);
        let (_, length, _) = encode_fault((0, 0, 0, 0), &[0; MAX_REGISTERS + 1], 0, (0, 0));
        assert_eq!(length, FAULT_HEAD, "it cannot be overrun");
    }

    #[test]
    fn each_part_is_bounded() {
        assert_eq!(decode(full()), Ok(FromWorker::Fault(Box::new(full()))));
        let with = |change: fn(&mut Fault)| {
            let mut fault = full();
            change(&mut fault);
            decode(fault)
        };
        let wrong = [
            with(|fault| fault.registers = vec![0; MAX_REGISTERS + 1]),
            with(|fault| fault.modules = vec![Module::default(); MAX_MODULES + 1]),
            with(|fault| fault.modules[0].path = vec![b'a'; MAX_PATH + 1]),
            with(|fault| fault.modules[0].build_id = vec![0; MAX_BUILD_ID + 1]),
            with(|fault| fault.stack.push(0)),
        ];
        for decoded in wrong {
            assert!(matches!(decoded, Err(CodecError::TooMany { .. })), "{decoded:?}");
        }
    }
}
