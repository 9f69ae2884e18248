//! What is true of a function that its prototype does not say: by `NAME_traits` of its library, or by the file.

use std::ops::BitOr;

/// A set of traits, as `cofferdam.h` numbers them; bits that are not known here mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(pub u32);

impl Traits {
    /// Threads may call it at once.
    pub const THREADSAFE: Traits = Traits(1 << 1);
    /// A call that was not answered may run again: twice is as good as once.
    pub const IDEMPOTENT: Traits = Traits(1 << 3);
    /// One process may call it again and again: it leaves nothing behind that the next call would mind.
    pub const REUSABLE: Traits = Traits(1 << 4);
    /// Those that the file may declare.
    pub const WORDS: [(&str, Traits); 3] = [
        ("idempotent", Traits::IDEMPOTENT),
        ("reusable", Traits::REUSABLE),
        ("threadsafe", Traits::THREADSAFE),
    ];

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn has(self, other: Traits) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Traits {
    type Output = Traits;

    fn bitor(self, other: Traits) -> Traits {
        Traits(self.0 | other.0)
    }
}
