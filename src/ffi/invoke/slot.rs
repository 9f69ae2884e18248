//! The memory behind each parameter of one call: laid out before it, read back after it.

use std::alloc::{Layout, alloc_zeroed};

use super::cell::Cell;
use super::{Ground, InvokeError, foreign};
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
    /// A pointer to memory that was zeroed, but for as many bytes at its front as came for it.
    Buffer(Vec<u8>, usize),
}

impl Memory {
    /// The word that is passed: the scalar, or a pointer into this memory, which then must stay where it is.
    pub(super) fn word(&mut self) -> Cell {
        match self {
            Memory::Scalar(cell) => *cell,
            Memory::Pointee(cell) => Cell::pointer(&raw mut *cell),
            Memory::Input(bytes) | Memory::Buffer(bytes, _) => Cell::pointer(bytes.as_mut_ptr()),
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
        Slot::Capacity { of, scalar } => match slots.get(usize::from(*of)) {
            Some(Slot::Buffer { capacity, .. }) => Cell::integer(*scalar, (*capacity).into()),
            _ => None,
        }
        .map(Memory::Scalar)
        .ok_or(InvokeError::Length { slot: index }),
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
        (
            Slot::Text | Slot::Bytes | Slot::Buffer { is_taken: true, .. },
            Some(Value::Bytes(bytes)),
        ) => u64::try_from(bytes.len()).ok(),
        (Slot::Buffer { capacity, is_taken: false, .. }, _) => Some(*capacity),
        (Slot::PutBytes, _) => Some(0),
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
        (Slot::Buffer { capacity, is_taken: false, .. }, _) => {
            Some(Memory::Buffer(buffer(index, capacity)?, 0))
        }
        (Slot::Buffer { capacity, is_text, .. }, Some(Value::Bytes(bytes))) => {
            begun(buffer(index, capacity)?, &bytes, is_text)
        }
        (
            Slot::Out(_) | Slot::HandleOut | Slot::ReturnLength(_) | Slot::PutText | Slot::PutBytes,
            _,
        ) => Some(Memory::Pointee(Cell::default())),
        (Slot::Null, _) => Some(Memory::Scalar(Cell::default())),
        _ => None,
    }
    .ok_or(InvokeError::Mismatch { slot: index })
}

fn buffer(slot: usize, capacity: u64) -> Result<Vec<u8>, InvokeError> {
    zeroed(capacity).ok_or(InvokeError::Memory { slot, capacity })
}

/// A buffer that begins with `bytes`; a string leaves room for its NUL, and has none inside.
fn begun(mut buffer: Vec<u8>, bytes: &[u8], is_text: bool) -> Option<Memory> {
    if is_text && (bytes.len() >= buffer.len() || bytes.contains(&0)) {
        return None;
    }
    buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(Memory::Buffer(buffer, bytes.len()))
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

/// How many bytes the function says that it returned; `None` for a negative number.
pub(super) fn return_length(slots: &[Slot], memory: &[Memory]) -> Option<usize> {
    slots.iter().zip(memory).find_map(|pair| match pair {
        (Slot::ReturnLength(scalar), Memory::Pointee(cell)) => cell.length(*scalar),
        _ => None,
    })
}

/// One value for each output slot, in order; a buffer is cut to what the function wrote.
///
/// # Safety
/// What the function put in the place of a [`Slot::PutText`] or [`Slot::PutBytes`] must be valid.
pub(super) unsafe fn outputs(
    slots: &[Slot],
    memory: Vec<Memory>,
) -> Result<Vec<Value>, InvokeError> {
    let told: Vec<_> = (0..slots.len()).map(|index| told(index, slots, &memory)).collect();
    // First: they may lie within an argument.
    let pairs = slots.iter().zip(&memory).zip(&told);
    // SAFETY: the caller's promise.
    let handed = pairs.map(|((slot, memory), told)| unsafe { handed(*slot, memory, *told) });
    let handed = handed.collect::<Result<Vec<_>, _>>()?;
    let outputs = slots.iter().zip(memory).zip(told).zip(handed).enumerate();
    let outputs =
        outputs.filter_map(|(index, (((slot, memory), told), handed))| match (slot, memory) {
            (Slot::Out(scalar) | Slot::InOut(scalar), Memory::Pointee(cell)) => {
                Some(Ok(cell.value(*scalar)))
            }
            (Slot::Buffer { .. }, Memory::Buffer(buffer, begun)) => {
                Some(written(index, *slot, buffer, (begun, told)))
            }
            _ => handed.map(Ok),
        });
    outputs.collect()
}

/// What the library puts where a pointer points.
///
/// # Safety
/// As [`outputs`].
unsafe fn handed(
    slot: Slot,
    memory: &Memory,
    told: Option<Option<usize>>,
) -> Result<Option<Value>, InvokeError> {
    let Memory::Pointee(cell) = memory else { return Ok(None) };
    match slot {
        // SAFETY: the caller's promise.
        Slot::PutText => unsafe { foreign::text(cell.address()) }.map(Some),
        // SAFETY: the caller's promise.
        Slot::PutBytes => unsafe { foreign::bytes(cell.address(), told.flatten()) }.map(Some),
        _ => Ok(None),
    }
}

/// What the function wrote to a buffer that `begun` bytes came for.
fn written(
    index: usize,
    slot: Slot,
    mut buffer: Vec<u8>,
    (begun, told): (usize, Option<Option<usize>>),
) -> Result<Value, InvokeError> {
    let capacity = buffer.len();
    let length = match (told, slot) {
        (Some(told), _) => told,
        (None, Slot::Buffer { is_text: true, .. }) => {
            Some(buffer.iter().position(|byte| *byte == 0).unwrap_or(capacity))
        }
        (None, Slot::Buffer { is_taken: true, .. }) => Some(begun),
        (None, _) => Some(capacity),
    };
    let length = length.filter(|length| *length <= capacity);
    buffer.truncate(length.ok_or(InvokeError::Overrun { slot: index, capacity })?);
    Ok(Value::Bytes(buffer))
}

/// The length of what is in slot `index` where there is a slot for it; `Some(None)`: a negative one.
fn told(index: usize, slots: &[Slot], memory: &[Memory]) -> Option<Option<usize>> {
    slots.iter().zip(memory).find_map(|pair| match pair {
        (Slot::BufferLength { of, scalar }, Memory::Pointee(cell)) if usize::from(*of) == index => {
            Some(cell.length(*scalar))
        }
        _ => None,
    })
}
