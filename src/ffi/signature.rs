//! What a worker must know to call a function: the return and one slot for each C parameter, in order.

use crate::ffi::value::Scalar;

/// What the function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// `void`.
    Void,
    /// A scalar.
    Scalar(Scalar),
    /// `char *`, NUL-terminated; copied, and then the library's own again.
    Text,
    /// A pointer to as many bytes as [`Slot::ReturnLength`] says; copied as a string is.
    Bytes,
    /// Any other pointer: only a function that makes a handle returns one.
    Pointer,
}

/// One C parameter. Slots that say "taken" have a value in each call, in slot order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A scalar by value. Taken.
    Scalar(Scalar),
    /// `const char *`: a NUL-terminated copy. Taken (bytes without NUL).
    Text,
    /// A pointer to a copy of bytes. Taken.
    Bytes,
    /// By value: how long what came for the [`Slot::Bytes`], [`Slot::Text`] or [`Slot::Buffer`] in slot `of` is, in bytes;
    /// for a buffer that nothing came for, its capacity.
    Length {
        /// Index of the slot that is measured.
        of: u16,
        /// The type of the length.
        scalar: Scalar,
    },
    /// By value: the capacity of the [`Slot::Buffer`] in slot `of`.
    Capacity {
        /// Index of the buffer.
        of: u16,
        /// The type of the capacity.
        scalar: Scalar,
    },
    /// A pointer to memory that the function writes to, zeroed but for what came for it. An output.
    Buffer {
        /// Bytes allocated.
        capacity: u64,
        /// Taken: it begins with bytes of the call.
        is_taken: bool,
        /// A string: it ends at its NUL where nothing says its length.
        is_text: bool,
    },
    /// A pointer to a length: as [`Slot::Length`] going in, what the function wrote coming out.
    BufferLength {
        /// Index of the [`Slot::Buffer`] or [`Slot::PutBytes`].
        of: u16,
        /// The type pointed to.
        scalar: Scalar,
    },
    /// A pointer to a zeroed length, where the function says how many bytes it returned.
    ReturnLength(Scalar),
    /// A pointer to a null pointer, where the function puts a string of its own. An output.
    PutText,
    /// A pointer to a null pointer, where the function puts bytes of its own, as many as its [`Slot::BufferLength`] says.
    /// An output.
    PutBytes,
    /// A pointer to a zeroed scalar that the function sets. An output.
    Out(Scalar),
    /// A pointer to a scalar that is given and may be changed. Taken, and an output.
    InOut(Scalar),
    /// By value: the milliseconds until the call is given up, as many as the type holds.
    TimeLeft(Scalar),
    /// The handle that `init` made.
    Handle,
    /// A pointer to a null pointer, where `init` puts the handle.
    HandleOut,
    /// A null pointer.
    Null,
}

impl Slot {
    /// Whether a call brings a value for this slot.
    #[must_use]
    pub fn is_taken(self) -> bool {
        matches!(
            self,
            Slot::Scalar(_)
                | Slot::Text
                | Slot::Bytes
                | Slot::InOut(_)
                | Slot::Buffer { is_taken: true, .. }
        )
    }

    /// Whether a reply carries a value from this slot, in slot order.
    #[must_use]
    pub fn is_output(self) -> bool {
        matches!(
            self,
            Slot::Buffer { .. } | Slot::Out(_) | Slot::InOut(_) | Slot::PutText | Slot::PutBytes
        )
    }
}

/// A function as the worker calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What comes back.
    pub returns: Return,
    /// The parameters, in C order.
    pub slots: Vec<Slot>,
}
