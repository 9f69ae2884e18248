//! Loading the library and finding what is to be called: the first foreign code runs here.

use std::os::fd::OwnedFd;

use crate::ffi::abi;
use crate::ffi::callable::{Callable, OpenError};
use crate::ffi::library::{Function, Library, LibraryError};
use crate::sys::clock;
use crate::wire::{Entry, Hello, Phase, Ready};

/// What the call will run.
pub enum Loaded<'a> {
    /// A plain C function.
    Function(Callable<'a>),
    /// A handler of `cofferdam.h`.
    Handler(Handler),
}

/// A handler, and what ends it.
pub struct Handler {
    /// To be called.
    pub function: Function,
    /// `NAME_exit`, where `NAME_init` ran.
    exit: Option<Function>,
}

impl Drop for Handler {
    /// The end in peace: a process that is killed never comes here.
    fn drop(&mut self) {
        if let Some(exit) = self.exit {
            // SAFETY: the name is reserved for `void NAME_exit(void)`, which looks at no argument; no call runs.
            unsafe { exit.call_with(std::ptr::null_mut()) };
        }
    }
}

/// Why a library is not ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    /// Where it stopped.
    pub phase: Phase,
    /// Why, for the operator.
    pub message: String,
}

impl LoadError {
    fn new(phase: Phase, message: impl Into<String>) -> Self {
        Self { phase, message: message.into() }
    }
}

impl From<OpenError> for LoadError {
    fn from(error: OpenError) -> Self {
        Self::new(Phase::Init, error.to_string())
    }
}

impl From<LibraryError> for LoadError {
    fn from(error: LibraryError) -> Self {
        Self::new(Phase::Load, error.to_string())
    }
}

/// Loads what `hello` names, or the copy of it that came along, and runs its `init`: foreign code, in this very process. A template leaves it to its children
/// to make handles: a connection is one process's.
///
/// # Errors
/// No such library or symbol, another ABI, an `init` that failed.
pub fn load(hello: &Hello, copy: Option<OwnedFd>) -> Result<(Loaded<'_>, Ready), LoadError> {
    let begun = clock::monotonic_ns();
    let library = match copy {
        Some(copy) => Library::open_copy(&copy, &hello.library),
        None => Library::open(&hello.library),
    }?;
    let mut loaded = match &hello.entry {
        Entry::Function(callee) => Loaded::Function(Callable::find(&library, callee)?),
        Entry::Handler { symbol } => handler(&library, symbol)?,
    };
    let traits = library.number(&format!("{}_traits", hello.entry.symbol())).unwrap_or(0);
    let found = clock::monotonic_ns();
    match (&mut loaded, &hello.entry) {
        (Loaded::Function(_), _) if hello.is_template => {}
        (Loaded::Function(callable), _) => callable.open()?,
        (Loaded::Handler(handler), Entry::Handler { symbol }) => {
            init(&library, symbol)?;
            handler.exit = library.function(&format!("{symbol}_exit")).ok();
        }
        (Loaded::Handler(_), Entry::Function(_)) => {}
    }
    Ok((loaded, ready(begun, found, traits)))
}

/// Makes the handle in a forked worker, where its calls need one: what it says then.
///
/// # Errors
/// It was not made.
pub(super) fn open_forked(
    loaded: &mut Loaded<'_>,
    traits: u32,
) -> Result<Option<Ready>, LoadError> {
    let callable = match loaded {
        Loaded::Function(callable) => callable,
        Loaded::Handler(handler) => {
            // What `init` made is the template's.
            handler.exit = None;
            return Ok(None);
        }
    };
    if callable.callee().opening.is_none() {
        return Ok(None);
    }
    let begun = clock::monotonic_ns();
    callable.open()?;
    Ok(Some(ready(begun, begun, traits)))
}

fn handler<'a>(library: &Library, symbol: &str) -> Result<Loaded<'a>, LoadError> {
    match abi::foreign_major(library) {
        None => {
            let function = library.function(symbol)?;
            Ok(Loaded::Handler(Handler { function, exit: None }))
        }
        Some(major) => Err(LoadError::new(
            Phase::Load,
            format!(
                "the library is built for version {major} of cofferdam.h, this host speaks {}: build it with this host's header",
                abi::ABI
            ),
        )),
    }
}

fn init(library: &Library, symbol: &str) -> Result<(), LoadError> {
    match library.call_if_present(&format!("{symbol}_init")) {
        None | Some(0) => Ok(()),
        Some(code) => Err(LoadError::new(Phase::Init, format!("{symbol}_init returned {code}"))),
    }
}

fn ready(begun: u64, found: u64, traits: u32) -> Ready {
    Ready {
        load_ns: found.saturating_sub(begun),
        init_ns: clock::monotonic_ns().saturating_sub(found),
        cpu_ns: clock::thread_cpu_ns(),
        runqueue_ns: clock::thread_runqueue_ns().unwrap_or(0),
        traits,
    }
}
