//! A template: a worker that has loaded its library and serves no call, but forks a worker for each. It has one thread
//! and little memory, so a fork is cheap; the child is the proxy's own.

use std::os::fd::OwnedFd;

use super::control::{Control, Link};
use super::meter::Meter;
use super::{End, confine, unexpected};
use crate::ffi::callee::Returned;
use crate::ffi::value::Value;
use crate::sys::fork::{Forked, into_sibling};
use crate::sys::{descriptors, environment, identity, random, stdio};
use crate::wire::codec::{decode_to_worker, encode_from_worker};
use crate::wire::{FromWorker, Hello, MARK, MARK_DIGITS, Phase, ToWorker};

/// Bytes of a call that is not large.
const READ_AHEAD: usize = 4096;

/// Forks whenever the proxy asks. Returns in each child, whose `control` is its own then; in the template it never does
/// but when the proxy hangs up.
pub(super) fn children(control: &mut Control, hello: &Hello) -> Result<(), End> {
    loop {
        let (payload, came) = control.receive_with_descriptors()?;
        let mark = match decode_to_worker(&payload) {
            Ok(ToWorker::Fork { mark }) => mark,
            Ok(_) => return Err(unexpected("a template serves no call")),
            Err(error) => return Err(unexpected(error.to_string())),
        };
        let came = <[OwnedFd; 3]>::try_from(came);
        let came = came.map_err(|_| unexpected("a fork without its descriptors"))?;
        // What the library has printed and not handed on would be printed by each child again.
        stdio::flush_all();
        // SAFETY: there was one thread when the library was loaded, and no foreign code has run since.
        match unsafe { into_sibling() } {
            Ok(Forked::Origin(pid)) => control.send(&FromWorker::Forked { pid })?,
            Ok(Forked::Child) => return settle(control, came, mark, hello),
            Err(error) => return Err(End::Failed(Phase::Spawn, error.to_string())),
        }
    }
}

/// Writes to the memory that a call will write to: a page that is shared with the template is copied now, not while a
/// client waits.
fn rehearse() {
    let spent = Meter::start().stop();
    let mut frame = Vec::with_capacity(READ_AHEAD);
    let returned = Returned { value: Value::Void, outputs: Vec::new(), errno: 0, message: None };
    let answer = FromWorker::Returned { id: 0, returned, spent };
    encode_from_worker(&answer, &mut frame);
    std::hint::black_box(frame);
}

/// A lock that another thread holds would stay locked in each child.
pub(super) fn one_thread() -> Result<(), End> {
    match identity::threads() {
        0 | 1 => Ok(()),
        threads => Err(End::Failed(
            Phase::Init,
            format!(
                "the library has started {} threads while it was loaded, and a fork has none of them: write spawn = \"exec\"",
                threads - 1
            ),
        )),
    }
}

/// A child is what a worker is that was started afresh: bound to its parent's life, with its own descriptors and its own
/// random numbers. The rest it has from its template. The proxy moves it into a group of its own: until then it goes with
/// the template's, so that one which the proxy never heard of is not lost.
fn settle(control: &mut Control, came: [OwnedFd; 3], mark: u64, hello: &Hello) -> Result<(), End> {
    let failed = |error: std::io::Error| End::Failed(Phase::Confine, error.to_string());
    let [socket, stdout, stderr] = came;
    // The template's own is closed here: its end must not be hidden by its children.
    *control = Control::from(socket);
    descriptors::replace_output(stdout, stderr).map_err(failed)?;
    control.raise().map_err(failed)?;
    confine::as_forked(hello)?;
    // SAFETY: there is no other thread, and nobody holds what this variable was.
    unsafe { environment::overwrite(MARK, &format!("{mark:0width$}", width = MARK_DIGITS)) };
    random::reseed_c();
    rehearse();
    Ok(())
}
