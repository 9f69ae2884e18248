//! What a worker takes from itself before foreign code runs: ready to be applied, nothing in it is left to be decided.

use std::path::PathBuf;

use crate::sys::landlock::Rules;
use crate::sys::limits::Resource;

/// Of all workers of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Folders of control groups in which the worker makes one for itself.
    pub groups: Vec<Group>,
    /// Resource limits.
    pub limits: Vec<(Resource, u64)>,
    /// `/proc/PID/oom_score_adj`: who goes first when memory ends.
    pub oom_score: u16,
    /// The user and the group to become.
    pub user: Option<(u32, u32)>,
    /// Capabilities that stay, a bit for each; `None`: all.
    pub capabilities: Option<u64>,
    /// Files, ports and signals that stay in reach.
    pub reach: Rules<PathBuf>,
    /// The filter of system calls from before the library is loaded; empty: none. See [`crate::sys::seccomp::encode`].
    pub deny: Vec<u8>,
    /// One more in a forked worker, when it has bound itself to the proxy's life.
    pub seal: Vec<u8>,
    /// One more, from when the library is loaded and `init` is done.
    pub allow: Vec<u8>,
}

/// A folder of control groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The folder.
    pub folder: PathBuf,
    /// Files of the worker's own group, and what is written to them.
    pub settings: Vec<(String, String)>,
}

impl Confinement {
    /// The least that every worker has: no core file.
    #[must_use]
    pub fn least() -> Self {
        Self {
            groups: Vec::new(),
            limits: vec![(Resource::Core, 0)],
            oom_score: 0,
            user: None,
            capabilities: None,
            reach: Rules {
                read: None,
                write: None,
                connect: None,
                bind: None,
                own_signals: false,
                own_sockets: false,
            },
            deny: Vec::new(),
            seal: Vec::new(),
            allow: Vec::new(),
        }
    }
}
