//! `poison` of a function and `[dossiers]` as they are written.

use std::time::Duration;

use super::read::{Field, Item, Read, field};
use super::section::{self, Key, Section, mirror};
use super::unit::Size;
use crate::config::source::Source;

mirror! {
    /// Refuses requests whose like have killed their processes.
    ["functions.NAME.poison"] Poison {
        /// Processes that requests alike have killed: by a crash, `oom` or `sandbox_violation`.
        "deaths" deaths: i64 = "3";
        /// The time in which they died; and how long such requests are refused then.
        "within" within: Duration = "\"10m\"";
    }

    /// A file for each death of a worker by a signal.
    ["dossiers"] Dossiers {
        /// The folder, relative to the file's own; it is made where it is not there. Only its owner should read it.
        "directory" directory: String;
        /// Files that are kept; the oldest go.
        "keep" keep: i64 = "100";
        /// Bytes of all of them; the oldest go.
        "size" size: Size = "\"64MiB\"";
        /// What of a request is written: redacted (numbers, lengths, and what the access log has), or whole, which `replay` needs for strings and bodies.
        "inputs" inputs: String = "\"redacted\"";
    }
}
