//! From a function's sandbox to what its workers apply: all that is decided is decided here, once, in the proxy.
//! What this machine lacks is left out, and told.

pub mod calls;
mod filter;
mod reach;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use tracing::warn;

use crate::child::groups::{Controller, Groups, Home};
use crate::config::Function;
use crate::config::sandbox::{Level, Limits, Sandbox, Variable};
use crate::sys::landlock;
use crate::sys::limits::Resource;
use crate::sys::{privileges, seccomp};
use crate::telemetry::Metrics;
use crate::wire::Confinement;

/// Above the proxy's own, whatever that is, and below what an operator would set by hand.
const OOM_SCORE: u16 = 500;

/// Capabilities that a worker of root keeps under `basic`: rights over files, and low ports
/// (CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_NET_BIND_SERVICE).
const CAPABILITIES: u64 = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 10;

/// A part of a sandbox that a machine may lack: the label `feature` of `cofferdam_sandbox_degraded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Files by path: Landlock.
    Files,
    /// TCP ports: Landlock.
    Ports,
    /// Signals to strangers: Landlock.
    Signals,
    /// Filters of system calls: seccomp.
    Syscalls,
    /// Another user: root.
    User,
    /// Memory of a call: control groups.
    Memory,
    /// Processes of a call: control groups.
    Pids,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 7] = [
        Feature::Files,
        Feature::Ports,
        Feature::Signals,
        Feature::Syscalls,
        Feature::User,
        Feature::Memory,
        Feature::Pids,
    ];

    /// The label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Feature::Files => "files",
            Feature::Ports => "ports",
            Feature::Signals => "signals",
            Feature::Syscalls => "syscalls",
            Feature::User => "user",
            Feature::Memory => "memory",
            Feature::Pids => "pids",
        }
    }

    /// The controller of control groups that does it, where one does.
    #[must_use]
    pub fn controller(self) -> Option<Controller> {
        match self {
            Feature::Memory => Some(Controller::Memory),
            Feature::Pids => Some(Controller::Pids),
            _ => None,
        }
    }

    /// Whether a sandbox asks for it.
    #[must_use]
    pub fn is_wanted(self, sandbox: &Sandbox) -> bool {
        let reach = reach::rules(sandbox, "".as_ref());
        match self {
            Feature::Files => reach.read.is_some() || reach.write.is_some(),
            Feature::Ports => reach.connect.is_some() || reach.bind.is_some(),
            Feature::Signals => reach.own_signals,
            Feature::Syscalls => !filter::denying(sandbox, 0, false).is_empty(),
            Feature::User => sandbox.user.is_some_and(|(user, _)| user != privileges::user()),
            Feature::Memory => sandbox.memory.is_some(),
            Feature::Pids => sandbox.pids.is_some(),
        }
    }

    /// Why this machine does not do it, and the mend; `None` where it does. Whether groups can be had only a try shows:
    /// `groups` is what came of it.
    #[must_use]
    pub fn lacking(self, groups: impl Fn(Controller) -> Option<String>) -> Option<String> {
        let by_landlock = |feature, release: &str| {
            (!landlock::supported(feature)).then(|| match landlock::version() {
                0 => "this kernel has no Landlock: it needs Linux 6.2 or later with CONFIG_SECURITY_LANDLOCK, and \
                      landlock in the list `lsm=` of its command line"
                    .to_owned(),
                version => {
                    format!("Landlock is of version {version} here: it needs Linux {release} or later")
                }
            })
        };
        match self {
            Feature::Files => by_landlock(landlock::Feature::Files, "6.2"),
            Feature::Ports => by_landlock(landlock::Feature::Ports, "6.7"),
            Feature::Signals => by_landlock(landlock::Feature::Scopes, "6.12"),
            Feature::Syscalls => seccomp::supported().err().map(|problem| {
                format!("system calls cannot be filtered ({problem}): the kernel needs CONFIG_SECCOMP_FILTER")
            }),
            Feature::User => (!privileges::may_change_user()).then(|| {
                "another user needs CAP_SETUID and CAP_SETGID: start the proxy as root, or leave `user` out".to_owned()
            }),
            Feature::Memory => groups(Controller::Memory),
            Feature::Pids => groups(Controller::Pids),
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the workers of one function are started and confined.
#[derive(Debug)]
pub struct Confined {
    /// What a worker does to itself.
    pub confinement: Confinement,
    /// The environment that it starts with.
    pub environment: Vec<(OsString, OsString)>,
    /// Where its control groups will be.
    pub homes: Vec<Home>,
}

/// Of `function`; what this machine lacks is warned of, and counted.
#[must_use]
pub fn confine(function: &Function, groups: &Groups, metrics: &Metrics) -> Confined {
    let sandbox = &*function.sandbox;
    let lacking = |feature: Feature| {
        Some((
            feature,
            feature
                .is_wanted(sandbox)
                .then(|| feature.lacking(|controller| groups.lacking(controller)))??,
        ))
    };
    let lacking: Vec<_> = Feature::ALL.into_iter().filter_map(lacking).collect();
    tell(function, metrics, &lacking);
    let has = |feature| lacking.iter().all(|(missing, _)| *missing != feature);
    let user = sandbox.user.filter(|(user, _)| has(Feature::User) && *user != privileges::user());
    let filters = has(Feature::Syscalls);
    let filter = |filter: Vec<u8>| if filters { filter } else { Vec::new() };
    let (own_groups, homes) = groups.of(sandbox);
    let is_template = function.has_template();
    let confinement = Confinement {
        groups: own_groups,
        limits: limits(&sandbox.limits),
        oom_score: if sandbox.level == Level::Off { 0 } else { OOM_SCORE },
        user,
        capabilities: capabilities(sandbox),
        reach: reach::rules(sandbox, &function.library),
        deny: filter(filter::denying(sandbox, std::process::id(), is_template)),
        seal: filter(if is_template { filter::sealing(sandbox) } else { Vec::new() }),
        allow: filter(filter::allowing(sandbox)),
    };
    Confined { confinement, environment: environment(&sandbox.environment), homes }
}

fn tell(function: &Function, metrics: &Metrics, lacking: &[(Feature, String)]) {
    let sandbox = &*function.sandbox;
    for feature in Feature::ALL {
        let is_lacking = lacking.iter().any(|(missing, _)| *missing == feature);
        let labels = [function.name.as_str(), feature.as_str()];
        metrics.sandbox_degraded.with_label_values(&labels).set(i64::from(is_lacking));
    }
    for level in Level::ALL {
        let labels = [function.name.as_str(), level.as_str()];
        metrics.sandbox_info.with_label_values(&labels).set(i64::from(level == sandbox.level));
    }
    for (feature, why) in lacking {
        warn!(
            function = %function.name, sandbox = %sandbox.name, %feature,
            "the sandbox is weaker than asked for: {why}"
        );
    }
    for path in reach::absent(sandbox) {
        warn!(
            function = %function.name, sandbox = %sandbox.name,
            "{} is not there: workers that start before it is cannot reach it", path.display()
        );
    }
}

fn limits(limits: &Limits) -> Vec<(Resource, u64)> {
    let seconds = limits.cpu.map(|cpu| cpu.as_secs().saturating_add(1));
    let rows = [
        // At 0 the kernel still starts what `core_pattern` pipes to; at 1 neither that nor a file (core(5), `do_coredump`).
        (Resource::Core, Some(limits.core.max(1))),
        (Resource::Cpu, seconds),
        (Resource::FileSize, limits.file_size),
        (Resource::OpenFiles, limits.open_files),
        (Resource::AddressSpace, limits.address_space),
        (Resource::Processes, limits.processes),
    ];
    rows.into_iter().filter_map(|(resource, most)| Some((resource, most?))).collect()
}

fn capabilities(sandbox: &Sandbox) -> Option<u64> {
    match sandbox.level {
        Level::Off => None,
        Level::Basic => Some(CAPABILITIES),
        Level::Strict => Some(0),
    }
}

/// Of the proxy's own, what is kept; then what is set.
fn environment(variables: &[Variable]) -> Vec<(OsString, OsString)> {
    let is_kept = |name: &OsString| {
        variables.iter().any(|variable| match variable {
            Variable::Kept(kept) => name == kept.as_str(),
            Variable::KeptPrefix(prefix) => name.as_bytes().starts_with(prefix.as_bytes()),
            Variable::Set(..) => false,
        })
    };
    let set = variables.iter().filter_map(|variable| match variable {
        Variable::Set(name, value) => Some((name.into(), value.into())),
        _ => None,
    });
    let set: Vec<(OsString, OsString)> = set.collect();
    let is_set = |name: &OsString| set.iter().any(|(other, _)| other == name);
    let kept = env::vars_os().filter(|(name, _)| is_kept(name) && !is_set(name));
    kept.collect::<Vec<_>>().into_iter().chain(set.clone()).collect()
}
