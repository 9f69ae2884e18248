//! What a worker takes from itself before it lets foreign code in, in a strict order: see [`Step`].
//! The process stays dumpable, so that the proxy may read what it is blocked on.

use std::fmt;
use std::io;

use super::End;
use super::control::Control;
use crate::sys::{
    cgroup, descriptors, identity, landlock, limits, privileges, process, seccomp, signals,
};
use crate::wire::{Confinement, Group, Hello, Phase};

/// One thing that is taken away. The order is strict:
///
/// 1. Descriptor 0, the control socket, moves to a high one; `/dev/null` takes its place ([`Control::take`]).
/// 2. All descriptors but 0, 1, 2 and the control socket are closed: nothing leaks in from the proxy.
/// 3. No signal is blocked or ignored: the proxy's SIGTERM must be felt.
/// 4. HELLO is read; the rest needs it. The proxy's end before that is this one's.
/// 5. The process takes its name.
/// 6. Its control groups, while it still has the rights to make them.
/// 7. Resource limits, and its place before the proxy when memory ends.
/// 8. Another user, and fewer capabilities.
/// 9. SIGKILL at the parent's death, which changing the user would undo; then the parent is compared, since it may be
///    dead by now.
/// 10. no_new_privs: a set-uid program that the library starts stays harmless. The next two need it.
/// 11. Landlock: files, ports, signals.
/// 12. The filter of system calls that are refused; the steps before need some of them.
///
/// Only then the library is loaded: its constructors are foreign code.
///
/// 13. When `init` is done, the filter that knows what is allowed, where there is one: loading needs more than a call.
enum Step<'a> {
    StrayDescriptors(&'a Control),
    Signals,
    Name(&'a str),
    Groups(&'a [Group]),
    Limits(&'a Confinement),
    User(Option<(u32, u32)>),
    Capabilities(Option<u64>),
    Parent(u32),
    Privileges,
    Reach(&'a Confinement),
    SystemCalls(&'a [u8]),
}

/// Steps 2 and 3.
pub(super) fn at_once(control: &Control) -> Result<(), End> {
    apply([Step::StrayDescriptors(control), Step::Signals])
}

/// Steps 5 to 12.
pub(super) fn as_told(hello: &Hello) -> Result<(), End> {
    let confinement = &hello.confinement;
    apply([
        Step::Name(&hello.name),
        Step::Groups(&confinement.groups),
        Step::Limits(confinement),
        Step::User(confinement.user),
        Step::Capabilities(confinement.capabilities),
        Step::Parent(hello.parent),
        Step::Privileges,
        Step::Reach(confinement),
        Step::SystemCalls(&confinement.deny),
    ])
}

/// Step 13.
pub(super) fn once_loaded(hello: &Hello) -> Result<(), End> {
    apply([Step::SystemCalls(&hello.confinement.allow)])
}

/// Step 9 once more, since a fork clears it; then what step 12 left to a template's children.
pub(super) fn as_forked(hello: &Hello) -> Result<(), End> {
    apply([Step::Parent(hello.parent), Step::SystemCalls(&hello.confinement.seal)])
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
            Step::Groups(groups) => groups.iter().try_for_each(join),
            Step::Limits(confinement) => limit(confinement),
            Step::User(None) | Step::Capabilities(None) | Step::SystemCalls([]) => Ok(()),
            Step::User(Some((user, group))) => privileges::become_user(*user, *group),
            Step::Capabilities(Some(kept)) => privileges::keep_only(*kept),
            Step::Parent(parent) => stay_with(*parent),
            Step::Privileges => identity::no_new_privileges(),
            Step::Reach(confinement) => {
                landlock::restrict(&confinement.reach).map_err(io::Error::other)
            }
            Step::SystemCalls(filter) => seccomp::install(&seccomp::decode(filter)),
        }
    }
}

fn join(group: &Group) -> io::Result<()> {
    let own = group.folder.join(std::process::id().to_string());
    cgroup::make(&own, &group.settings)?;
    cgroup::join(&own)
}

fn limit(confinement: &Confinement) -> io::Result<()> {
    for (resource, most) in &confinement.limits {
        limits::limit(*resource, *most)?;
    }
    match confinement.oom_score {
        0 => Ok(()),
        score => process::die_sooner(score),
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
            Step::Groups(_) => "enter a control group of its own",
            Step::Limits(_) => "limit its resources",
            Step::User(_) => "become another user",
            Step::Capabilities(_) => "give up capabilities",
            Step::Parent(_) => "end with the proxy that started it",
            Step::Privileges => "give up new privileges",
            Step::Reach(_) => "give up files, ports and signals",
            Step::SystemCalls(_) => "filter its system calls",
        })
    }
}
