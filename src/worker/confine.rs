//! What a worker takes from itself before it lets foreign code in, in a strict order: see [`Step`].
//! The process stays dumpable, so that the proxy may read what it is blocked on.

use std::fmt;
use std::io;

use super::End;
use super::control::Control;
use crate::sys::{descriptors, identity, limits, signals};
use crate::wire::{Hello, Phase};

/// One thing that is taken away. The order is strict:
///
/// 1. Descriptor 0, the control socket, moves to a high one; `/dev/null` takes its place ([`Control::take`]).
/// 2. All descriptors but 0, 1, 2 and the control socket are closed: nothing leaks in from the proxy.
/// 3. No signal is blocked or ignored: the proxy's SIGTERM must be felt.
/// 4. HELLO is read; the rest needs it. The proxy's end before that is this one's.
/// 5. The process takes its name.
/// 6. RLIMIT_CORE 0: a crash costs no disk.
/// 7. SIGKILL at the parent's death; then the parent is compared, since it may be dead by now.
/// 8. no_new_privs: a set-uid program that the library starts stays harmless.
///
/// Only then the library is loaded: its constructors are foreign code.
enum Step<'a> {
    StrayDescriptors(&'a Control),
    Signals,
    Name(&'a str),
    CoreFiles,
    Parent(u32),
    Privileges,
}

/// Steps 2 and 3.
pub(super) fn at_once(control: &Control) -> Result<(), End> {
    apply([Step::StrayDescriptors(control), Step::Signals])
}

/// Steps 5 to 8.
pub(super) fn as_told(hello: &Hello) -> Result<(), End> {
    apply([Step::Name(&hello.name), Step::CoreFiles, Step::Parent(hello.parent), Step::Privileges])
}

fn apply<const N: usize>(steps: [Step<'_>; N]) -> Result<(), End> {
    steps.iter().try_for_each(|step| {
        step.apply().map_err(|error| End::Failed(Phase::Confine, format!("cannot {step}: {error}")))
    })
}

impl Step<'_> {
    fn apply(&self) -> io::Result<()> {
        match self {
            // SAFETY: the worker owns no descriptor but the control socket yet, and has no other thread.
            Step::StrayDescriptors(control) => unsafe { descriptors::close_all_but(control) },
            Step::Signals => signals::reset(),
            Step::Name(name) => identity::set_name(name),
            Step::CoreFiles => limits::no_core(),
            Step::Parent(parent) => stay_with(*parent),
            Step::Privileges => identity::no_new_privileges(),
        }
    }
}

fn stay_with(parent: u32) -> io::Result<()> {
    identity::die_with_parent()?;
    match identity::parent() {
        actual if actual == parent => Ok(()),
        actual => Err(io::Error::other(format!("its parent is {actual}, not {parent}"))),
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::StrayDescriptors(_) => {
                "close inherited descriptors (Linux 5.9 or later is needed)"
            }
            Step::Signals => "reset signals",
            Step::Name(_) => "take its name",
            Step::CoreFiles => "forbid core files",
            Step::Parent(_) => "end with the proxy that started it",
            Step::Privileges => "give up new privileges",
        })
    }
}
