//! Loading the library and finding what is to be called: the first foreign code runs here.

use super::End;
use crate::ffi::abi;
use crate::ffi::callable::{Callable, OpenError};
use crate::ffi::library::{Function, Library, LibraryError};
use crate::sys::clock;
use crate::wire::{Entry, Hello, Phase, Ready};

/// What the call will run.
pub(super) enum Loaded<'a> {
    /// A plain C function.
    Function(Callable<'a>),
    /// A handler of `cofferdam.h`.
    Handler(Function),
}

impl From<OpenError> for End {
    fn from(error: OpenError) -> Self {
        End::Failed(Phase::Init, error.to_string())
    }
}

impl From<LibraryError> for End {
    fn from(error: LibraryError) -> Self {
        End::Failed(Phase::Load, error.to_string())
    }
}

/// Loads what `hello` names and runs its `init`.
pub(super) fn load(hello: &Hello) -> Result<(Loaded<'_>, Ready), End> {
    let begun = clock::monotonic_ns();
    let library = Library::open(&hello.library)?;
    let mut loaded = match &hello.entry {
        Entry::Function(callee) => Loaded::Function(Callable::find(&library, callee)?),
        Entry::Handler { symbol } => handler(&library, symbol)?,
    };
    let found = clock::monotonic_ns();
    match (&mut loaded, &hello.entry) {
        (Loaded::Function(callable), _) => callable.open()?,
        (Loaded::Handler(_), Entry::Handler { symbol }) => init(&library, symbol)?,
        (Loaded::Handler(_), Entry::Function(_)) => {}
    }
    Ok((loaded, ready(begun, found)))
}

fn handler<'a>(library: &Library, symbol: &str) -> Result<Loaded<'a>, End> {
    match abi::foreign_major(library) {
        None => Ok(Loaded::Handler(library.function(symbol)?)),
        Some(major) => Err(End::Failed(
            Phase::Load,
            format!(
                "the library is built for version {major} of cofferdam.h, this host speaks {}: build it with this host's header",
                abi::ABI
            ),
        )),
    }
}

fn init(library: &Library, symbol: &str) -> Result<(), End> {
    match library.call_if_present(&format!("{symbol}_init")) {
        None | Some(0) => Ok(()),
        Some(code) => Err(End::Failed(Phase::Init, format!("{symbol}_init returned {code}"))),
    }
}

fn ready(begun: u64, found: u64) -> Ready {
    Ready {
        load_ns: found.saturating_sub(begun),
        init_ns: clock::monotonic_ns().saturating_sub(found),
        cpu_ns: clock::thread_cpu_ns(),
        runqueue_ns: clock::thread_runqueue_ns().unwrap_or(0),
    }
}
