//! A library in the very process that asks for its calls. What it breaks is that process: nothing is isolated here.

use super::call;
use super::control::{ControlError, Link};
use super::load::{LoadError, Loaded, load};
use crate::ffi::traits::Traits;
use crate::wire::{CallFrame, Hello};

/// A function that is ready to be called here, for as long as this process lives.
pub struct Resident {
    loaded: &'static Loaded<'static>,
    traits: Traits,
}

// SAFETY: addresses in a library that stays loaded until the process ends, and the handle that it made. Whether threads may
// call it at once is the operator's to say, as its prototype is.
unsafe impl Send for Resident {}
// SAFETY: as above.
unsafe impl Sync for Resident {}

impl Resident {
    /// Loads what `hello` names, for good. Its constructors and its `init` run here.
    ///
    /// # Errors
    /// See [`load`].
    pub fn load(hello: Hello) -> Result<Self, LoadError> {
        // As long as the library: a function of the file is loaded once in a process.
        let hello: &'static Hello = Box::leak(Box::new(hello));
        let (loaded, ready) = load(hello, None)?;
        Ok(Self { loaded: Box::leak(Box::new(loaded)), traits: Traits(ready.traits) })
    }

    /// What the library says of it.
    #[must_use]
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// Runs `call` on the calling thread; `link` gets its frames.
    ///
    /// # Errors
    /// Nobody is there to hear it.
    pub fn answer(&self, link: &dyn Link, call: CallFrame) -> Result<(), ControlError> {
        call::answer(link, self.loaded, call)
    }
}
