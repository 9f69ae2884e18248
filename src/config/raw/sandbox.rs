//! `[sandboxes.NAME]` as it is written.

use std::time::Duration;

use toml::de::DeValue;

use super::read::{Field, Item, Off, Read, field};
use super::section::{self, Key, Section, mirror};
use super::unit::Size;
use crate::config::source::Source;

/// `"any"`, or a list.
#[derive(Clone, Debug)]
pub(crate) enum AnyOr<T> {
    Any,
    These(Vec<Field<T>>),
}

impl<T: Read> Read for AnyOr<T> {
    fn kind() -> String {
        format!("{} or \"any\"", Vec::<Field<T>>::kind())
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        match item.get_ref() {
            DeValue::String(text) if text == "any" => Some(AnyOr::Any),
            _ => Vec::read(item, key, source).map(AnyOr::These),
        }
    }
}

mirror! {
    /// What a call may reach. A key that is not written is the level's.
    ["sandboxes.NAME"] Sandbox {
        /// What it is like but for the keys below: off, basic or strict.
        "level" level: String = "\"basic\"";
        /// Files and folders that may be read, beside the system's libraries.
        "read" read: AnyOr<String>;
        /// Files and folders that may be written, made and removed, beside /dev/null and its like.
        "write" write: AnyOr<String>;
        /// TCP ports that may be connected to.
        "connect" connect: AnyOr<i64>;
        /// TCP ports that may be listened at.
        "bind" bind: AnyOr<i64>;
        /// Variables that a worker starts with: "NAME" and "PREFIX*" as the proxy has them, "NAME=VALUE".
        "environment" environment: Vec<Field<String>>;
        /// System calls that the level refuses and this sandbox does not.
        "allow_syscalls" allow_syscalls: Vec<Field<String>>;
        /// System calls that fail with EPERM.
        "deny_syscalls" deny_syscalls: Vec<Field<String>>;
        /// Memory of one call and of all that it starts, from 4MiB; else 502 `oom`. Needs control groups.
        "memory" memory: Off<Size>;
        /// Processes and threads of one call. Needs control groups.
        "pids" pids: Off<i64>;
        /// The user that calls run as, by name or number. Needs root.
        "user" user: String;
        /// The group that calls run as, by name or number; the user's own, if not written.
        "group" group: String;
        /// Resource limits.
        "limits" limits: Limits;
    }

    /// Resource limits, of each process.
    ["sandboxes.NAME.limits"] Limits {
        /// The largest core file.
        "core" core: Off<Size>;
        /// CPU time in whole seconds; then SIGXCPU, and SIGKILL a second later.
        "cpu" cpu: Off<Duration>;
        /// The largest file that can be written; then SIGXFSZ.
        "file_size" file_size: Off<Size>;
        /// Open descriptors.
        "open_files" open_files: Off<i64>;
        /// Address space, threads' stacks among it: not memory.
        "address_space" address_space: Off<Size>;
        /// Processes and threads of its user, wherever they are; nothing for root.
        "processes" processes: Off<i64>;
    }
}
