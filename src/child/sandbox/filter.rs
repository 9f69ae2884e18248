//! The rules about system calls of one sandbox, as two programs: what is refused, and what is allowed at all.

use super::calls::{ALLOWED, DENIED, Group, NETWORK};
use crate::config::Sandbox;
use crate::config::sandbox::Level;
use crate::sys::seccomp::{Condition, Rule, Verdict, encode, program};
use crate::sys::syscalls::number;

const EPERM: Verdict = Verdict::Fail(libc::EPERM as u16);
/// The C library then does without.
const ENOSYS: Verdict = Verdict::Fail(libc::ENOSYS as u16);

/// All the bits of `clone(2)` that make a namespace.
const NAMESPACES: u32 = (libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS) as u32;

/// System calls that change the process which their first argument names.
const AIMED: &[&str] = &[
    "kill",
    "migrate_pages",
    "move_pages",
    "pidfd_open",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "tgkill",
    "tkill",
];

fn always(name: &str, verdict: Verdict) -> Option<Rule> {
    Some(Rule { number: u32::try_from(number(name)?).ok()?, when: None, verdict })
}

fn when(name: &str, when: Condition, verdict: Verdict) -> Option<Rule> {
    Some(Rule { when: Some(when), ..always(name, verdict)? })
}

fn named(groups: &[Group], verdict: Verdict) -> impl Iterator<Item = Rule> {
    groups.iter().flat_map(Group::calls).filter_map(move |name| always(name, verdict))
}

/// The sandbox's own words come first: a number's first rule counts.
fn own(sandbox: &Sandbox) -> Vec<Rule> {
    let denied = sandbox.deny_syscalls.iter().filter_map(|name| always(name, EPERM));
    let allowed = sandbox.allow_syscalls.iter().filter_map(|name| always(name, Verdict::Allow));
    denied.chain(allowed).collect()
}

/// What fails with EPERM, from before the library is loaded; empty where nothing does.
/// A template leaves to its children what [`sealing`] refuses.
pub(super) fn denying(sandbox: &Sandbox, parent: u32, is_template: bool) -> Vec<u8> {
    let mut rules = own(sandbox);
    if sandbox.level != Level::Off {
        rules.extend(named(DENIED, EPERM));
        rules.extend(with_arguments(parent));
        rules.extend(death_of_the_parent().filter(|_| !is_template));
    }
    if rules.is_empty() {
        return Vec::new();
    }
    encode(&program(&rules, Verdict::Allow, ENOSYS))
}

/// What is refused in a forked worker besides: it had to do that itself first. Empty where nothing is.
pub(super) fn sealing(sandbox: &Sandbox) -> Vec<u8> {
    let rules: Vec<Rule> = death_of_the_parent().into_iter().collect();
    match sandbox.level {
        Level::Off => Vec::new(),
        Level::Basic | Level::Strict => encode(&program(&rules, Verdict::Allow, ENOSYS)),
    }
}

/// The death that follows the proxy's.
fn death_of_the_parent() -> Option<Rule> {
    when("prctl", Condition::Equal(0, libc::PR_SET_PDEATHSIG as u32), EPERM)
}

/// What is allowed from when the library is loaded; empty where everything is. A violation ends the process.
pub(super) fn allowing(sandbox: &Sandbox) -> Vec<u8> {
    if sandbox.level != Level::Strict {
        return Vec::new();
    }
    let mut rules = own(sandbox);
    rules.extend(named(ALLOWED, Verdict::Allow));
    if has_network(sandbox) {
        rules.extend(named(NETWORK, Verdict::Allow));
    }
    rules.extend(when("clone", Condition::AnyOf(0, libc::CLONE_THREAD as u32), Verdict::Allow));
    rules.extend(always("clone3", ENOSYS));
    rules.extend(when("ioctl", Condition::Equal(1, libc::FIONREAD as u32), Verdict::Allow));
    rules.extend(when("ioctl", Condition::Equal(1, libc::FIONBIO as u32), Verdict::Allow));
    // C's streams ask whether they are a terminal.
    rules.extend(when("ioctl", Condition::Equal(1, libc::TCGETS as u32), Verdict::Allow));
    encode(&program(&rules, Verdict::Kill, Verdict::Kill))
}

fn has_network(sandbox: &Sandbox) -> bool {
    let any = |ports: &Option<Vec<u16>>| ports.as_ref().is_none_or(|ports| !ports.is_empty());
    any(&sandbox.connect) || any(&sandbox.bind)
}

/// Refused by what is asked for; `parent` is the proxy.
fn with_arguments(parent: u32) -> Vec<Rule> {
    let aimed = |name| when(name, Condition::Equal(0, parent), EPERM);
    let mut rules: Vec<Option<Rule>> = AIMED.iter().copied().map(aimed).collect();
    rules.extend([
        // The proxy's whole group, and everybody.
        when("kill", Condition::Equal(0, parent.wrapping_neg()), EPERM),
        when("kill", Condition::Equal(0, u32::MAX), EPERM),
        // New namespaces; `clone3` keeps its flags in memory, where no filter can look.
        when("clone", Condition::AnyOf(0, NAMESPACES), EPERM),
        always("clone3", ENOSYS),
        // The limits of another process.
        when("prlimit64", Condition::AnyOf(0, u32::MAX), EPERM),
        // The priority of a whole group or user, or of the proxy.
        when("setpriority", Condition::Equal(0, libc::PRIO_PGRP), EPERM),
        when("setpriority", Condition::Equal(0, libc::PRIO_USER), EPERM),
        when("setpriority", Condition::Equal(1, parent), EPERM),
        // Words put into the operator's terminal.
        when("ioctl", Condition::Equal(1, libc::TIOCSTI as u32), EPERM),
        when("ioctl", Condition::Equal(1, TIOCLINUX), EPERM),
    ]);
    rules.into_iter().flatten().collect()
}

/// `ioctl_console(2)`: paste.
const TIOCLINUX: u32 = 0x541c;
