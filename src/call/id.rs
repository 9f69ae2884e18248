//! Request ids: 128 bits, unique across restarts, made without a lock or an allocation.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of one request in logs, answers and workers; displayed as 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// A new one: 64 random bits of this process and a counter scattered over 64 more.
    #[must_use]
    pub fn next() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let process = *PROCESS.get_or_init(|| RandomState::new().build_hasher().finish());
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        // An odd factor permutes 64 bits: distinct counts stay distinct.
        let scattered = count.wrapping_add(process).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(u128::from(process) << 64 | u128::from(scattered))
    }

    /// The low half: names the call in the frames to its worker.
    #[must_use]
    pub fn low(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_of_one_length() {
        let (first, second) = (RequestId::next(), RequestId::next());
        assert_ne!(first, second);
        assert_ne!(first.low(), second.low());
        assert_eq!(first.to_string().len(), 32);
    }
}
