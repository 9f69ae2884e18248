//! The memory behind each parameter of one call: laid out before it, read back after it.

use std::alloc::{Layout, alloc_zeroed};

use super::cell::Cell;
use super::{Ground, InvokeError};
use crate::ffi::signature::Slot;
use crate::ffi::value::{Scalar, Value};

/// What one parameter needs.
#[derive(Debug)]
pub(super) enum Memory {
    /// Passed by value.
    Scalar(Cell),
    /// A pointer to a scalar that the function may set.
    Pointee(Cell),
    /// A pointer to a copy of bytes, with a NUL behind them that their length does not count.
    Input(Vec<u8>),
    /// A pointer to zeroed memory.
    Buffer(Vec<u8>),
}

impl Memory {
    /// The word that is passed: the scalar, or a pointer into this memory, which then must stay where it is.
    pub(super) fn word(&mut self) -> Cell {
        match self {
            Memory::Scalar(cell) => *cell,
            Memory::Pointee(cell) => Cell::pointer(&raw mut *cell),
            Memory::Input(bytes) | Memory::Buffer(bytes) => Cell::pointer(bytes.as_mut_ptr()),
        }
    }
}

/// One [`Memory`] for each slot.
pub(super) fn lay_out(
    slots: &[Slot],
    values: Vec<Value>,
    ground: &Ground,
) -> Result<Vec<Memory>, InvokeError> {
    let taken = slots.iter().filter(|slot| slot.is_taken()).count();
    if values.len() != taken {
        return Err(InvokeError::Count { given: values.len(), taken });
    }
    let mut values = values.into_iter();
    let mut taken: Vec<_> =
        slots.iter().map(|slot| slot.is_taken().then(|| values.next()).flatten()).collect();
    let lengths: Vec<_> = slots.iter().zip(&taken).map(measure).collect();
    let memory = slots.iter().zip(&mut taken).enumerate();
    let memory = memory.map(|(index, (slot, value))| match slot {
        Slot::Handle => Ok(Memory::Scalar(Cell::pointer(ground.handle))),
        Slot::TimeLeft(scalar) => Ok(Memory::Scalar(time_left(*scalar, ground.time_left_ms))),
        other => one(index, *other, value.take(), &lengths),
    });
    memory.collect()
}

/// As many milliseconds as the type holds.
fn time_left(scalar: Scalar, ms: u64) -> Cell {
    let (_, most) = scalar.range().unwrap_or_default();
    Cell::integer(scalar, ms.min(most).into()).unwrap_or_default()
}

/// How long what a length slot may measure is.
fn measure((slot, value): (&Slot, &Option<Value>)) -> Option<u64> {
    match (slot, value) {
        (Slot::Text | Slot::Bytes, Some(Value::Bytes(bytes))) => u64::try_from(bytes.len()).ok(),
        (Slot::Buffer { capacity }, _) => Some(*capacity),
        _ => None,
    }
}

fn one(
    index: usize,
    slot: Slot,
    value: Option<Value>,
    lengths: &[Option<u64>],
) -> Result<Memory, InvokeError> {
    let length = |of: u16, scalar| {
        let length = lengths.get(usize::from(of)).copied().flatten();
        length
            .and_then(|length| Cell::integer(scalar, length.into()))
            .ok_or(InvokeError::Length { slot: index })
    };
    match (slot, value) {
        (Slot::Scalar(scalar), Some(value)) => Cell::new(scalar, &value).map(Memory::Scalar),
        (Slot::InOut(scalar), Some(value)) => Cell::new(scalar, &value).map(Memory::Pointee),
        (Slot::Text, Some(Value::Bytes(text))) if text.contains(&0) => None,
        (Slot::Text | Slot::Bytes, Some(Value::Bytes(mut bytes))) => {
            bytes.push(0);
            Some(Memory::Input(bytes))
        }
        (Slot::Length { of, scalar }, _) => Some(Memory::Scalar(length(of, scalar)?)),
        (Slot::BufferLength { of, scalar }, _) => Some(Memory::Pointee(length(of, scalar)?)),
        (Slot::Buffer { capacity }, _) => {
            let buffer = zeroed(capacity).ok_or(InvokeError::Memory { slot: index, capacity })?;
            Some(Memory::Buffer(buffer))
        }
        (Slot::Out(_) | Slot::HandleOut, _) => Some(Memory::Pointee(Cell::default())),
        (Slot::Null, _) => Some(Memory::Scalar(Cell::default())),
        _ => None,
    }
    .ok_or(InvokeError::Mismatch { slot: index })
}

/// Zeroed memory that takes no page before it is written to, which `Vec::resize` would.
fn zeroed(capacity: u64) -> Option<Vec<u8>> {
    let capacity = usize::try_from(capacity).ok()?;
    if capacity == 0 {
        return Some(vec![0]);
    }
    let layout = Layout::array::<u8>(capacity).ok()?;
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        return None;
    }
    // SAFETY: `memory` was just allocated by the global allocator with the layout of a Vec<u8> of this
    // capacity, and all its bytes are initialized.
    Some(unsafe { Vec::from_raw_parts(memory, capacity, capacity) })
}

/// One value for each output slot, in order; a buffer is cut to what its length slot says by now.
pub(super) fn outputs(slots: &[Slot], memory: Vec<Memory>) -> Result<Vec<Value>, InvokeError> {
    let reported: Vec<_> =
        (0..slots.len()).map(|index| reported(index, slots, &memory)).collect::<Result<_, _>>()?;
    let outputs = slots.iter().zip(memory).zip(reported);
    Ok(outputs.filter_map(|((slot, memory), length)| output(*slot, memory, length)).collect())
}

fn output(slot: Slot, memory: Memory, length: Option<usize>) -> Option<Value> {
    match (slot, memory) {
        (Slot::Out(scalar) | Slot::InOut(scalar), Memory::Pointee(cell)) => {
            Some(cell.value(scalar))
        }
        (Slot::Buffer { .. }, Memory::Buffer(mut buffer)) => {
            buffer.truncate(length.unwrap_or(buffer.len()));
            Some(Value::Bytes(buffer))
        }
        _ => None,
    }
}

/// The filled length of the buffer in slot `index`; `None` where it is no buffer.
fn reported(index: usize, slots: &[Slot], memory: &[Memory]) -> Result<Option<usize>, InvokeError> {
    let Some(Slot::Buffer { capacity }) = slots.get(index) else { return Ok(None) };
    let capacity = usize::try_from(*capacity).unwrap_or(usize::MAX);
    let told = slots.iter().zip(memory).find_map(|pair| match pair {
        (Slot::BufferLength { of, scalar }, Memory::Pointee(cell)) if usize::from(*of) == index => {
            Some(cell.length(*scalar))
        }
        _ => None,
    });
    match told {
        None => Ok(Some(capacity)),
        Some(Some(length)) if length <= capacity => Ok(Some(length)),
        Some(_) => Err(InvokeError::Overrun { slot: index, capacity }),
    }
}
