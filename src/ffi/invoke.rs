//! Calling a C function by its [`Signature`] through libffi. All that can be wrong with a call is found before it
//! is made, and all that a function reports is checked after: a mismatch is an error, never a guess.

mod cell;
mod foreign;
mod slot;

use std::ffi::{c_int, c_void};

use libffi::low::{self, CodePtr, ffi_abi_FFI_DEFAULT_ABI, ffi_cif, ffi_type, types};

use crate::ffi::guard;
use crate::ffi::library::Function;
use crate::ffi::signature::{Return, Signature, Slot};
use crate::ffi::value::{Scalar, Value};
use cell::Cell;
use slot::Memory;

/// Bytes of a string of the library's, without its NUL.
pub const MAX_TEXT: usize = 1 << 20;

/// Bytes of the library's, where it says how many.
pub const MAX_BYTES: usize = 64 << 20;

/// Why a call cannot be made, or what the function did against its prototype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// Not one value for each taken slot.
    #[error("{given} values for {taken} parameters")]
    Count {
        /// Values in the call.
        given: usize,
        /// Taken slots of the signature.
        taken: usize,
    },
    /// A value of another kind, or out of range, or a string with a NUL.
    #[error("the value for parameter {slot} does not fit its type")]
    Mismatch {
        /// Its index, from 0.
        slot: usize,
    },
    /// A length slot that measures none, or whose type is too small for the length.
    #[error("the length in parameter {slot} cannot be told in its type")]
    Length {
        /// Its index, from 0.
        slot: usize,
    },
    /// A buffer that cannot be allocated.
    #[error("no memory for the {capacity} bytes of the buffer in parameter {slot}")]
    Memory {
        /// Its index, from 0.
        slot: usize,
        /// As configured.
        capacity: u64,
    },
    /// libffi refuses the signature.
    #[error("libffi cannot call this signature")]
    Interface,
    /// The function says that it wrote more than it was given, or a negative length.
    #[error(
        "the function reports a length for the buffer in parameter {slot} beyond its {capacity} bytes; it may have overrun it"
    )]
    Overrun {
        /// Index of the buffer, from 0.
        slot: usize,
        /// Bytes it has.
        capacity: usize,
    },
    /// A string of the library's has no NUL within [`MAX_TEXT`] bytes.
    #[error("a string that the function hands out is longer than {MAX_TEXT} bytes")]
    Text,
    /// A negative length of what the library hands out, or one over [`MAX_BYTES`].
    #[error(
        "the function reports a length for the bytes that it hands out that is negative or beyond {MAX_BYTES} bytes"
    )]
    Bytes,
}

/// What a call is given besides its values.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// The handle that `init` made; null without one.
    pub handle: *mut c_void,
    /// Milliseconds until the call is given up; `u64::MAX` for never.
    pub time_left_ms: u64,
}

impl Default for Ground {
    fn default() -> Self {
        Self { handle: std::ptr::null_mut(), time_left_ms: u64::MAX }
    }
}

/// A call, ready to be made: the timing of [`Invocation::call`] is the function's own.
pub struct Invocation<'a> {
    signature: &'a Signature,
    memory: Vec<Memory>,
    returned: Returned,
    errno: c_int,
}

/// A return value as C left it.
enum Returned {
    Value(Value),
    Text(*mut c_void),
    Bytes(*mut c_void),
    Pointer(*mut c_void),
}

impl<'a> Invocation<'a> {
    /// Lays out one argument for each slot; `values` has one for each taken slot, in order.
    ///
    /// # Errors
    /// All of [`InvokeError`] but those that speak of what the function did.
    pub fn new(
        signature: &'a Signature,
        values: Vec<Value>,
        ground: &Ground,
    ) -> Result<Self, InvokeError> {
        let memory = slot::lay_out(&signature.slots, values, ground)?;
        Ok(Self { signature, memory, returned: Returned::Value(Value::Void), errno: 0 })
    }

    /// Calls `function` once.
    ///
    /// # Safety
    /// `function` must have the signature that this invocation was made with.
    ///
    /// # Errors
    /// [`InvokeError::Interface`], before anything was called.
    pub unsafe fn call(&mut self, function: Function) -> Result<(), InvokeError> {
        let mut kinds: Vec<_> = self.signature.slots.iter().map(|slot| slot_type(*slot)).collect();
        let mut words: Vec<_> = self.memory.iter_mut().map(Memory::word).collect();
        let mut arguments: Vec<_> =
            words.iter_mut().map(|word| (&raw mut *word).cast::<c_void>()).collect();
        let mut cif = ffi_cif::default();
        let returns = return_type(self.signature.returns);
        // SAFETY: `kinds` has as many entries as there are slots, and both it and the static types
        // outlive `cif`, which ends with this function.
        let prepared = unsafe {
            low::prep_cif(
                &raw mut cif,
                ffi_abi_FFI_DEFAULT_ABI,
                kinds.len(),
                returns,
                kinds.as_mut_ptr(),
            )
        };
        prepared.map_err(|_| InvokeError::Interface)?;
        set_errno(0);
        // SAFETY: `arguments` has one pointer for each type in the interface, each to a word that holds a
        // scalar of that type or a pointer into `self.memory`, which is not touched before the call
        // returns. That `function` is of this signature is the caller's promise.
        self.returned = unsafe {
            returned(
                self.signature.returns,
                &mut cif,
                CodePtr::from_ptr(function.0),
                &mut arguments,
            )
        };
        self.errno = errno();
        Ok(())
    }

    /// `errno(3)` after the call; it was 0 before.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// The strings and bytes of the library's that the function hands out, each once; before [`Invocation::finish`].
    #[must_use]
    pub fn handed(&self) -> Vec<*mut c_void> {
        let returned = match self.returned {
            Returned::Text(pointer) | Returned::Bytes(pointer) => pointer,
            _ => std::ptr::null_mut(),
        };
        let put = self.signature.slots.iter().zip(&self.memory).filter_map(|pair| match pair {
            (Slot::PutText | Slot::PutBytes, Memory::Pointee(cell)) => Some(cell.address()),
            _ => None,
        });
        let mut all: Vec<_> =
            put.chain([returned]).filter(|pointer: &*mut c_void| !pointer.is_null()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The handle that the function returned, or else put where it was told to; null where it made none.
    #[must_use]
    pub fn handle(&self) -> *mut c_void {
        let put = self.signature.slots.iter().zip(&self.memory).find_map(|pair| match pair {
            (Slot::HandleOut, Memory::Pointee(cell)) => Some(cell.address()),
            _ => None,
        });
        match (&self.returned, put) {
            (Returned::Pointer(pointer), None) => *pointer,
            (Returned::Value(Value::Int(0) | Value::Uint(0) | Value::Void), Some(put)) => put,
            _ => std::ptr::null_mut(),
        }
    }

    /// The return value, and one value for each output slot, in order.
    ///
    /// # Safety
    /// The function must have been called, and what it hands out must still be valid.
    ///
    /// # Errors
    /// [`InvokeError::Overrun`], [`InvokeError::Text`], [`InvokeError::Bytes`].
    pub unsafe fn finish(&mut self) -> Result<(Value, Vec<Value>), InvokeError> {
        // First: it may lie within an argument.
        let returned = match &self.returned {
            Returned::Value(value) => value.clone(),
            // SAFETY: that it is null or a valid string is the caller's promise.
            Returned::Text(text) => unsafe { foreign::text(*text) }?,
            Returned::Bytes(bytes) => {
                let length = slot::return_length(&self.signature.slots, &self.memory);
                // SAFETY: that it is null or points to as many bytes is the caller's promise.
                unsafe { foreign::bytes(*bytes, length) }?
            }
            Returned::Pointer(pointer) if pointer.is_null() => Value::Null,
            Returned::Pointer(_) => Value::Bool(true),
        };
        let memory = std::mem::take(&mut self.memory);
        // SAFETY: the caller's promise.
        let outputs = unsafe { slot::outputs(&self.signature.slots, memory) }?;
        Ok((returned, outputs))
    }
}

fn errno() -> c_int {
    // SAFETY: the address of this thread's own `errno`, valid as long as the thread is.
    unsafe { *libc::__errno_location() }
}

fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = value };
}

/// # Safety
/// As `ffi_call`; `returns` must be what `cif` was prepared with.
unsafe fn returned(
    returns: Return,
    cif: &mut ffi_cif,
    function: CodePtr,
    arguments: &mut [*mut c_void],
) -> Returned {
    // libffi writes a whole register at least, with what is smaller widened: on a little-endian machine at its front.
    let mut word = Cell::default();
    // SAFETY: the caller's promise; no type of [`Return`] is larger than the cell.
    unsafe {
        guard::call(
            cif,
            Some(*function.as_safe_fun()),
            (&raw mut word).cast(),
            arguments.as_mut_ptr(),
        );
    }
    match returns {
        Return::Void => Returned::Value(Value::Void),
        Return::Text => Returned::Text(word.address()),
        Return::Bytes => Returned::Bytes(word.address()),
        Return::Pointer => Returned::Pointer(word.address()),
        Return::Scalar(scalar) => Returned::Value(word.value(scalar)),
    }
}

fn return_type(returns: Return) -> *mut ffi_type {
    match returns {
        Return::Void => &raw mut types::void,
        Return::Scalar(scalar) => scalar_type(scalar),
        Return::Text | Return::Bytes | Return::Pointer => &raw mut types::pointer,
    }
}

fn slot_type(slot: Slot) -> *mut ffi_type {
    match slot {
        Slot::Scalar(scalar)
        | Slot::Length { scalar, .. }
        | Slot::Capacity { scalar, .. }
        | Slot::TimeLeft(scalar) => scalar_type(scalar),
        Slot::Text
        | Slot::Bytes
        | Slot::Buffer { .. }
        | Slot::BufferLength { .. }
        | Slot::ReturnLength(_)
        | Slot::PutText
        | Slot::PutBytes
        | Slot::Out(_)
        | Slot::InOut(_)
        | Slot::Handle
        | Slot::HandleOut
        | Slot::Null => &raw mut types::pointer,
    }
}

fn scalar_type(scalar: Scalar) -> *mut ffi_type {
    match scalar {
        Scalar::Bool | Scalar::U8 => &raw mut types::uint8,
        Scalar::I8 => &raw mut types::sint8,
        Scalar::I16 => &raw mut types::sint16,
        Scalar::I32 => &raw mut types::sint32,
        Scalar::I64 => &raw mut types::sint64,
        Scalar::U16 => &raw mut types::uint16,
        Scalar::U32 => &raw mut types::uint32,
        Scalar::U64 => &raw mut types::uint64,
        Scalar::F32 => &raw mut types::float,
        Scalar::F64 => &raw mut types::double,
    }
}

#[cfg(test)]
mod tests;
