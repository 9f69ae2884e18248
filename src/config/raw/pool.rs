//! `[functions.NAME.pool]` as it is written.

use std::time::Duration;

use super::read::{Field, Item, Off, Read, field};
use super::section::{self, Key, Section, mirror};
use super::unit::Size;
use crate::config::source::Source;

mirror! {
    /// When a process of a pool is replaced; never during a call.
    ["functions.NAME.pool"] Pool {
        /// After so many calls, or up to a tenth fewer, so that not all are replaced at once.
        "max_calls" max_calls: Off<i64> = "10000";
        /// So long after its start, or up to a tenth earlier.
        "max_age" max_age: Off<Duration> = "\"1h\"";
        /// When its resident memory is larger after a call.
        "max_memory" max_memory: Off<Size> = "\"256MiB\"";
        /// After so long without a call; as many as `spares` stay.
        "idle_timeout" idle_timeout: Off<Duration> = "\"60s\"";
    }
}
