//! Keys and words of later versions: refused by name, with what to write today.

/// A key that this version does not have.
pub(crate) struct Later {
    /// The header of its table.
    pub(crate) section: &'static str,
    /// The key, or the word.
    pub(crate) key: &'static str,
    /// As a message names it.
    pub(crate) what: &'static str,
    /// The mend.
    pub(crate) instead: &'static str,
}

const fn later(
    section: &'static str,
    key: &'static str,
    what: &'static str,
    instead: &'static str,
) -> Later {
    Later { section, key, what, instead }
}

/// Keys.
pub(crate) const LATER: &[Later] = &[
    later(
        "",
        "metrics",
        "[metrics]",
        "remove it: metrics are always on, under /metrics of [admin] address",
    ),
    later("", "jobs", "[jobs]", "remove it: a call that nobody waits for is mode = \"detached\""),
    later("", "brokers", "[brokers.NAME]", "remove it: calls come from HTTP requests"),
];

/// Values that are one of a few words; `section` is the key.
pub(crate) const WORDS_LATER: &[Later] = &[
    later("mode", "green", "the mode `green`", "write mode = \"process\""),
    later("mode", "queue", "the mode `queue`", "write mode = \"detached\""),
];
