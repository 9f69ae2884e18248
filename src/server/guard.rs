//! A panic costs the request it happened in, nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The panic's message went to standard error.
#[derive(Debug)]
pub struct Panicked;

/// Runs `step`. After a panic, what it worked on must not be used again.
///
/// # Errors
/// [`Panicked`].
pub fn guard<T>(step: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(guard(|| 7).unwrap(), 7);
        assert!(guard(|| -> () { panic!("for this test") }).is_err());
    }
}
