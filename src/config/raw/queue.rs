//! `queue`, `breaker` and `spares` of a function as they are written.

use std::time::Duration;

use toml::de::DeValue;

use super::read::{Field, Item, Off, Read, field, mismatch};
use super::section::{self, Key, Section, mirror};
use crate::config::source::Source;

mirror! {
    /// Who waits when all slots are taken.
    ["functions.NAME.queue"] Queue {
        /// Calls that wait at once; else 503 `queue_full`.
        "length" length: Off<i64> = "100";
        /// How long one waits; else 503 `queue_timeout`.
        "timeout" timeout: Off<Duration> = "\"5s\"";
        /// Who is next: fifo (who waited longest), lifo (who came last) or deadline (whose route's time ends first).
        "order" order: String = "\"fifo\"";
        /// Who takes turns, so that nobody fills the queue alone: "client", by address (IPv6 by /64), or { header = "NAME" }.
        "fair_by" fair_by: Off<FairBy> = "\"off\"";
    }

    /// Takes turns by something else than the client.
    ["functions.NAME.queue.fair_by"] Fairness {
        /// By the value of this header; requests without it are one.
        "header" header: String;
    }

    /// Refuses calls when nothing but crashes comes of them.
    ["functions.NAME.breaker"] Breaker {
        /// Calls in a row that end in a crash, an exit, `oom`, `sandbox_violation` or `protocol`.
        "crashes" crashes: i64 = "50";
        /// Calls in a row for which no worker could be started, or no library loaded.
        "starts" starts: i64 = "5";
        /// The time in which they end so.
        "within" within: Duration = "\"10s\"";
        /// From one call that tries whether it is over to the next.
        "for" lasts: Duration = "\"2s\"";
    }

    /// As many processes started ahead as are needed.
    ["functions.NAME.spares"] SpareRange {
        /// At least, however quiet it is.
        "min" min: Off<i64> = "1";
        /// At most; as max_concurrency, if not written.
        "max" max: i64;
    }
}

/// A number, "auto", or a table.
#[derive(Clone, Debug)]
pub(crate) enum Spares {
    Number(i64),
    Auto,
    Range(Box<SpareRange>),
}

impl Read for Spares {
    fn kind() -> String {
        "integer, \"auto\", table".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        match item.get_ref() {
            DeValue::Table(_) => {
                SpareRange::read(item, key, source).map(|range| Spares::Range(Box::new(range)))
            }
            DeValue::String(text) if text == "auto" => Some(Spares::Auto),
            DeValue::Integer(_) => i64::read(item, key, source).map(Spares::Number),
            _ => {
                let mend = format!("write {key} = 2, \"auto\", \"off\" or {{ min = 1, max = 16 }}");
                source.wrong(mismatch(item, key, "a number, \"auto\", \"off\" or a table", mend));
                None
            }
        }
    }
}

/// A word, or a table.
#[derive(Clone, Debug)]
pub(crate) enum FairBy {
    Word(String),
    Table(Box<Fairness>),
}

impl Read for FairBy {
    fn kind() -> String {
        "string or table".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        match item.get_ref() {
            DeValue::Table(_) => {
                Fairness::read(item, key, source).map(|table| FairBy::Table(Box::new(table)))
            }
            DeValue::String(_) => String::read(item, key, source).map(FairBy::Word),
            _ => {
                let mend =
                    format!("write {key} = \"client\", or {key} = {{ header = \"x-tenant\" }}");
                source.wrong(mismatch(item, key, "a word or a table", mend));
                None
            }
        }
    }
}
