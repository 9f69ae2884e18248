//! A plain C function with all that its calls need, and what one call gave back: plain data.

use crate::ffi::signature::{Return, Signature, Slot};
use crate::ffi::success::Success;
use crate::ffi::value::{Scalar, Value};

/// The name of what a function returns.
pub const RETURN: &str = "return";

/// The name of a worker's standard output where it is an answer.
pub const STDOUT: &str = "stdout";

/// Bytes that a function may print where that is its answer.
pub const MAX_PRINTED: usize = 8 << 20;

/// Bytes of a message that are handed on.
pub const MAX_MESSAGE: usize = 1024;

/// What a worker calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Callee {
    /// The symbol.
    pub symbol: String,
    /// How it is called.
    pub signature: Signature,
    /// Makes the handle that its calls are given.
    pub opening: Option<Opening>,
    /// `void FREE(void *)`: takes back each string, and all bytes, that the function hands out.
    pub free: Option<String>,
    /// `None`: every return is a success.
    pub success: Option<Success>,
    /// Says why a call failed.
    pub message: Option<Message>,
    /// What the function prints is one more output, the last one.
    pub prints: bool,
}

/// What runs once in each worker before its calls: it makes a handle, or only sets things up.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The symbol.
    pub symbol: String,
    /// It returns the handle, or puts it where a [`crate::ffi::signature::Slot::HandleOut`] points.
    pub signature: Signature,
    /// One value for each taken slot.
    pub values: Vec<Value>,
    /// `EXIT(handle)`, when the worker ends. One that takes nothing may be named too.
    pub exit: Option<String>,
}

/// `const char *SYMBOL(…)`: words for what went wrong. They stay the library's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The symbol.
    pub symbol: String,
    /// What it is given.
    pub given: Given,
}

/// What a function of messages is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// `void`.
    Nothing,
    /// What the function returned.
    Returned(Scalar),
    /// `errno`.
    Errno(Scalar),
    /// The handle.
    Handle,
}

/// What one call gave back.
#[derive(Clone, Debug, PartialEq)]
pub struct Returned {
    /// The return value.
    pub value: Value,
    /// One for each output slot, in slot order; then what was printed, if that was asked for.
    pub outputs: Vec<Value>,
    /// `errno(3)`, which was 0 before the call.
    pub errno: i32,
    /// In the library's words, where it failed and has some.
    pub message: Option<Vec<u8>>,
}

impl Opening {
    /// Whether there is a handle then, or only something set up.
    #[must_use]
    pub fn makes_handle(&self) -> bool {
        self.signature.returns == Return::Pointer || self.signature.slots.contains(&Slot::HandleOut)
    }
}

impl Callee {
    /// Of a function with nothing but its signature.
    #[must_use]
    pub fn plain(symbol: &str, signature: Signature) -> Self {
        Self {
            symbol: symbol.to_owned(),
            signature,
            opening: None,
            free: None,
            success: None,
            message: None,
            prints: false,
        }
    }

    /// Whether a call succeeded.
    #[must_use]
    pub fn is_success(&self, returned: &Returned) -> bool {
        self.success.as_ref().is_none_or(|success| success.holds(returned))
    }

    /// How many outputs a call gives back.
    #[must_use]
    pub fn outputs(&self) -> usize {
        let slots = self.signature.slots.iter().filter(|slot| slot.is_output()).count();
        slots + usize::from(self.prints)
    }
}
