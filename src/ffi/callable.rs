//! A loaded function with all that its calls need: its handle, and the functions around it. Foreign code runs here: only
//! where its faults may be suffered.

use std::ffi::c_void;
use std::ptr;

use crate::ffi::callee::{Callee, Given, MAX_MESSAGE, Message, Opening, Returned};
use crate::ffi::invoke::{Ground, Invocation, InvokeError};
use crate::ffi::library::{Function, Library, LibraryError};
use crate::ffi::signature::{Return, Signature, Slot};
use crate::ffi::value::Value;

/// A function that can be called.
#[derive(Debug)]
pub struct Callable<'a> {
    callee: &'a Callee,
    function: Function,
    free: Option<Function>,
    message: Option<Function>,
    opening: Option<(Function, &'a Opening)>,
    exit: Option<Function>,
    handle: *mut c_void,
    is_open: bool,
}

/// One call of a [`Callable`], ready to be made.
pub struct Prepared<'a> {
    callable: &'a Callable<'a>,
    invocation: Invocation<'a>,
}

/// Why a handle was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It cannot be called.
    #[error("{symbol}: {problem}")]
    Invoke {
        /// The function.
        symbol: String,
        /// Why.
        problem: InvokeError,
    },
    /// It made none, or says that it failed.
    #[error("{symbol} {}", told(.returned.as_ref(), *.errno))]
    Failed {
        /// The function.
        symbol: String,
        /// What it returned; `None`: a null pointer.
        returned: Option<String>,
        /// `errno(3)`, or 0.
        errno: i32,
    },
}

fn told(returned: Option<&String>, errno: i32) -> String {
    let returned = returned.map_or("null", String::as_str);
    match errno {
        0 => format!("returned {returned}"),
        errno => format!("returned {returned}: {}", std::io::Error::from_raw_os_error(errno)),
    }
}

impl<'a> Callable<'a> {
    /// Finds all symbols of `callee`; calls none of them.
    ///
    /// # Errors
    /// The first that is not there.
    pub fn find(library: &Library, callee: &'a Callee) -> Result<Self, LibraryError> {
        let function = library.function(&callee.symbol)?;
        let find = |symbol: Option<&String>| symbol.map(|name| library.function(name)).transpose();
        let opening = callee.opening.as_ref();
        let open = find(opening.map(|opening| &opening.symbol))?;
        Ok(Self {
            callee,
            function,
            free: find(callee.free.as_ref())?,
            message: find(callee.message.as_ref().map(|message| &message.symbol))?,
            opening: open.zip(opening),
            exit: find(opening.and_then(|opening| opening.exit.as_ref()))?,
            handle: ptr::null_mut(),
            is_open: false,
        })
    }

    /// Makes the handle, where there is one to be made.
    ///
    /// # Errors
    /// It was not made.
    pub fn open(&mut self) -> Result<(), OpenError> {
        let Some((function, opening)) = self.opening else { return Ok(()) };
        let symbol = || opening.symbol.clone();
        let broken = |problem| OpenError::Invoke { symbol: symbol(), problem };
        let ground = Ground::default();
        let mut invocation =
            Invocation::new(&opening.signature, opening.values.clone(), &ground).map_err(broken)?;
        // SAFETY: the operator declares the prototype; where it is wrong, only this process suffers.
        unsafe { invocation.call(function) }.map_err(broken)?;
        self.handle = invocation.handle();
        let errno = invocation.errno();
        // SAFETY: it was called, and it returns no string.
        let returned = unsafe { invocation.finish() }.map_err(broken)?.0;
        self.is_open = match returned {
            _ if opening.makes_handle() => !self.handle.is_null(),
            Value::Int(0) | Value::Uint(0) | Value::Bool(true) | Value::Void => true,
            _ => false,
        };
        if self.is_open {
            return Ok(());
        }
        let returned = (returned != Value::Null).then(|| returned.to_json());
        Err(OpenError::Failed { symbol: symbol(), returned, errno })
    }

    /// Lays out one call; `values` has one for each taken slot.
    ///
    /// # Errors
    /// Values that do not fit the signature.
    pub fn prepare(
        &'a self,
        values: Vec<Value>,
        time_left_ms: u64,
    ) -> Result<Prepared<'a>, InvokeError> {
        let ground = Ground { handle: self.handle, time_left_ms };
        let invocation = Invocation::new(&self.callee.signature, values, &ground)?;
        Ok(Prepared { callable: self, invocation })
    }

    /// What its calls are to be like.
    #[must_use]
    pub fn callee(&self) -> &'a Callee {
        self.callee
    }

    /// Why a call failed, in the library's words.
    fn words(&self, returned: &Returned) -> Option<Vec<u8>> {
        let (function, message) = self.message.zip(self.callee.message.as_ref())?;
        let (slots, values) = given(message, returned);
        let signature = Signature { returns: Return::Text, slots };
        let ground = Ground { handle: self.handle, ..Ground::default() };
        let mut invocation = Invocation::new(&signature, values, &ground).ok()?;
        // SAFETY: the operator declares the function's type; where it is wrong, only this process suffers.
        // The string is read before any other foreign code runs.
        let words = unsafe {
            invocation.call(function).ok()?;
            invocation.finish().ok()?.0
        };
        match words {
            Value::Bytes(mut words) => {
                words.truncate(MAX_MESSAGE);
                Some(words)
            }
            _ => None,
        }
    }
}

/// What the function of messages is called with.
fn given(message: &Message, returned: &Returned) -> (Vec<Slot>, Vec<Value>) {
    match message.given {
        Given::Nothing => (vec![], vec![]),
        Given::Handle => (vec![Slot::Handle], vec![]),
        Given::Returned(scalar) => (vec![Slot::Scalar(scalar)], vec![returned.value.clone()]),
        Given::Errno(scalar) => {
            (vec![Slot::Scalar(scalar)], vec![Value::Int(returned.errno.into())])
        }
    }
}

impl Drop for Callable<'_> {
    /// Gives the handle back.
    fn drop(&mut self) {
        if let Some(exit) = self.exit.filter(|_| self.is_open) {
            // SAFETY: the handle is one that the library made and nobody uses any more; that the symbol
            // takes it, or nothing, is the operator's word.
            unsafe { exit.call_with(self.handle) };
        }
    }
}

impl Prepared<'_> {
    /// Calls the function once: this, and nothing else, is its own time.
    ///
    /// # Errors
    /// [`InvokeError::Interface`], before anything was called.
    pub fn call(&mut self) -> Result<(), InvokeError> {
        // SAFETY: the operator declares the prototype; where it is wrong, only this process suffers.
        unsafe { self.invocation.call(self.callable.function) }
    }

    /// What the call gave back; what the library hands out goes back to `free`, and a failure is asked for its message. `printed` is what
    /// the function printed, where that was kept.
    ///
    /// # Errors
    /// What the function did against its prototype.
    pub fn finish(mut self, printed: Option<Vec<u8>>) -> Result<Returned, InvokeError> {
        let free = self.callable.free.map(|free| (free, self.invocation.handed()));
        // SAFETY: it was called, and no foreign code has run since.
        let result = unsafe { self.invocation.finish() };
        if let Some((free, handed)) = free {
            for pointer in handed {
                // SAFETY: it came from the library, was copied, and is given back once; that the symbol
                // takes it is the operator's word.
                unsafe { free.call_with(pointer) };
            }
        }
        let (value, mut outputs) = result?;
        outputs.extend(printed.map(Value::Bytes));
        let errno = self.invocation.errno();
        let mut returned = Returned { value, outputs, errno, message: None };
        if !self.callable.callee.is_success(&returned) {
            returned.message = self.callable.words(&returned);
        }
        Ok(returned)
    }
}
