//! What this process tells the proxy when it crashes. All is made ready ahead, since a crash may have broken anything.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use super::control::{self, Control};
use crate::sys::faults::{Caught, catch};
use crate::sys::modules::loaded;
use crate::wire::Module;
use crate::wire::codec::{encode_fault, encode_modules};
use crate::wire::fault::{MAX_BUILD_ID, MAX_PATH, MAX_STACK};

static SOCKET: AtomicI32 = AtomicI32::new(-1);
static MODULES: OnceLock<Vec<u8>> = OnceLock::new();

/// From now on a crash is told. Where it cannot be, the proxy sees the signal alone.
pub(super) fn prepare(control: &Control) {
    let module = |one: crate::sys::modules::Loaded| Module {
        path: one.path,
        base: one.base,
        start: one.start,
        end: one.end,
        build_id: one.build_id,
    };
    let mut modules: Vec<Module> = loaded().into_iter().map(module).collect();
    modules.retain(|one| one.path.len() <= MAX_PATH && one.build_id.len() <= MAX_BUILD_ID);
    let _once = MODULES.set(encode_modules(&modules));
    SOCKET.store(control.as_fd().as_raw_fd(), Ordering::SeqCst);
    let _without_it_the_signal_is_all = catch(told);
}

/// Runs in a signal handler.
fn told(caught: &Caught) {
    // Half a frame is out: whatever followed would be taken for its other half.
    if control::is_sending() {
        return;
    }
    let modules = MODULES.get().map(Vec::as_slice).unwrap_or_default();
    let stack = caught.stack(MAX_STACK);
    let fault = (caught.signal, caught.code, caught.address, caught.pc);
    let (head, length, tail) = encode_fault(fault, &caught.registers, modules.len(), stack);
    let head = head.get(..length).unwrap_or_default();
    caught.send(SOCKET.load(Ordering::SeqCst), [head, modules, &tail], stack);
}
