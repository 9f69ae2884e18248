//! The child's side of an isolated call: confine, load, say READY, run the call, reply, end; or run one call after
//! another; or fork a worker for each. Blocking and single-threaded; everything here is paid for at each start.

pub mod call;
mod confine;
pub mod control;
mod exchange;
mod fork;
mod last_words;
pub mod load;
pub mod meter;
mod printing;
pub mod resident;

use crate::ffi::guard;
pub use crate::sys::threads::end as end_thread;
use crate::sys::{environment, identity, stdio, threads};
use crate::wire::codec::{decode_to_worker, hello_version};
use crate::wire::{CallFrame, FromWorker, Hello, Life, Phase, ToWorker, VERSION};
use control::{Control, ControlError, Link};
use load::LoadError;

/// The exit status of a worker that was not started by the proxy.
const USAGE: i32 = 2;

/// Why a worker ends without having run its call.
enum End {
    /// The proxy closed the control socket: nobody is left to tell.
    Gone,
    /// The proxy is to be told.
    Failed(Phase, String),
}

impl From<ControlError> for End {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Closed => End::Gone,
            error => End::Failed(Phase::Confine, error.to_string()),
        }
    }
}

impl From<LoadError> for End {
    fn from(error: LoadError) -> Self {
        End::Failed(error.phase, error.message)
    }
}

/// The whole life of a worker whose descriptor 0 is the control socket.
pub fn run() -> ! {
    guard::arm(threads::leave);
    let status = match Control::take() {
        Ok(control) => serve(control),
        Err(error) => usage(&error),
    };
    // The proxy was woken on this core: it answers its client before this process spends its last third of a millisecond.
    std::thread::yield_now();
    // The answer is out: what the library left in its buffers may take its time, or hang.
    stdio::flush_all();
    identity::exit_now(status)
}

fn usage(error: &std::io::Error) -> i32 {
    eprintln!(
        "cofferdam-worker: standard input is not the control socket of a proxy ({error}).\n\
         This program runs one call for `cofferdam`, which starts it; there is nothing to start by hand."
    );
    USAGE
}

fn serve(mut control: Control) -> i32 {
    match live(&mut control) {
        Ok(()) | Err(End::Gone) => 0,
        Err(End::Failed(phase, message)) => {
            // Whether it is heard changes nothing for this process.
            let _ = control.send(&FromWorker::Failed { phase, message });
            1
        }
    }
}

fn live(control: &mut Control) -> Result<(), End> {
    confine::at_once(control)?;
    let (greeting, came) = control.receive_with_descriptors()?;
    let hello = hello(&greeting)?;
    confine::as_told(&hello)?;
    stdio::buffer_lines();
    hello.search_path.as_deref().into_iter().for_each(restore_search_path);
    let (mut loaded, ready) = load::load(&hello, came.into_iter().next())?;
    if hello.is_template {
        fork::one_thread()?;
    } else {
        confine::once_loaded(&hello)?;
    }
    control.send(&FromWorker::Ready(ready))?;
    if hello.is_template {
        fork::children(control, &hello)?;
        let said = load::open_forked(&mut loaded, ready.traits)?;
        confine::once_loaded(&hello)?;
        said.map_or(Ok(()), |said| control.send(&FromWorker::Ready(said)))?;
    }
    if hello.reports {
        last_words::prepare(control);
    }
    loop {
        let Some(call) = call(&control.receive()?)? else { continue };
        match hello.life {
            Life::Once => return Ok(call::answer(control, &loaded, call)?),
            Life::Many => call::answer(&call::Flushing(control), &loaded, call)?,
        }
    }
}

/// The loader has read it: programs that the library starts are to find what it was.
fn restore_search_path(path: &[u8]) {
    // SAFETY: this process has one thread yet.
    unsafe { environment::put("LD_LIBRARY_PATH", path) };
}

fn hello(payload: &[u8]) -> Result<Hello, End> {
    match hello_version(payload) {
        Some(version) if version != VERSION => Err(unexpected(format!(
            "the proxy speaks version {version}, this worker {VERSION}: install both from one build"
        ))),
        _ => match decode_to_worker(payload) {
            Ok(ToWorker::Hello(hello)) => Ok(hello),
            Ok(_) => Err(unexpected("a call before the greeting")),
            Err(error) => Err(unexpected(error.to_string())),
        },
    }
}

/// `None`: what is left of a body that the last call did not read.
fn call(payload: &[u8]) -> Result<Option<CallFrame>, End> {
    match decode_to_worker(payload) {
        Ok(ToWorker::Call(call)) => Ok(Some(call)),
        Ok(ToWorker::Body { .. } | ToWorker::BodyEnd { .. }) => Ok(None),
        Ok(_) => Err(unexpected("a second greeting")),
        Err(error) => Err(unexpected(error.to_string())),
    }
}

fn unexpected(message: impl Into<String>) -> End {
    End::Failed(Phase::Confine, message.into())
}
