//! What is true of a function that its prototype does not say: by `NAME_traits` of its library, or by the file.

use std::ops::BitOr;

/// A set of traits, as `cofferdam.h` numbers them; bits that are not known here mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(pub u32);

impl Traits {
    /// It computes and hardly waits: more calls at once than there are cores gain nothing.
    pub const CPU_BOUND: Traits = Traits(1 << 0);
    /// Any functions of its library may be called at once, from several threads.
    pub const THREADSAFE: Traits = Traits(1 << 1);
    /// This function may be entered again before it has returned, from another thread; others of its library not.
    pub const REENTRANT: Traits = Traits(1 << 2);
    /// A call that was not answered may run again: twice is as good as once.
    pub const IDEMPOTENT: Traits = Traits(1 << 3);
    /// One process may call it again and again: it leaves nothing behind that the next call would mind.
    pub const REUSABLE: Traits = Traits(1 << 4);
    /// Those that the file may declare.
    pub const WORDS: [(&str, Traits); 5] = [
        ("cpu_bound", Traits::CPU_BOUND),
        ("threadsafe", Traits::THREADSAFE),
        ("reentrant", Traits::REENTRANT),
        ("idempotent", Traits::IDEMPOTENT),
        ("reusable", Traits::REUSABLE),
    ];

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn has(self, other: Traits) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether calls of the function may run at once in one process.
    #[must_use]
    pub fn overlap(self) -> bool {
        self.has(Traits::THREADSAFE) || self.has(Traits::REENTRANT)
    }
}

impl BitOr for Traits {
    type Output = Traits;

    fn bitor(self, other: Traits) -> Traits {
        Traits(self.0 | other.0)
    }
}
