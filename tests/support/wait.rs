//! Waiting without sleeping: a bounded pause, and [`eventually!`], which tries until it is true.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long [`eventually!`] tries.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Workers that nobody waits for are started at idle priority: beside other work that may take so long.
pub const STARTS: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(5);

/// Returns once `length` has passed.
pub fn pause(length: Duration) {
    let end = Instant::now() + length;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// Polls `probe` until it gives a `Some`, or for `bound`.
pub fn until<T>(bound: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::park_timeout(POLL);
    }
}

/// The body of [`eventually!`]: `probe` gives the value seen and whether it will do.
///
/// # Panics
/// Where `bound` has passed: with `what` and the value seen last.
#[track_caller]
pub fn eventually<T: Debug>(bound: Duration, what: &str, mut probe: impl FnMut() -> (T, bool)) {
    let mut last = None;
    let met = until(bound, || {
        let (value, met) = probe();
        last = Some(value);
        met.then_some(())
    });
    if met.is_none() {
        panic!("not true within {bound:?}: {what}\n  last seen: {last:?}");
    }
}

/// `eventually!(COND)`, `eventually!(VALUE, |v| COND)`, or either with `within Duration;` before it: tries until true,
/// for 5 s unless told, and panics with the value seen last.
macro_rules! eventually {
    (within $bound:expr; $value:expr, $test:expr) => {
        $crate::support::wait::eventually(
            $bound,
            concat!(stringify!($value), ", ", stringify!($test)),
            || {
                let value = $value;
                let met = $crate::support::wait::ask(&value, $test);
                (value, met)
            },
        )
    };
    (within $bound:expr; $condition:expr) => {
        $crate::support::wait::eventually($bound, stringify!($condition), || {
            let met: bool = $condition;
            (met, met)
        })
    };
    ($value:expr, $test:expr) => {
        eventually!(within $crate::support::wait::PATIENCE; $value, $test)
    };
    ($condition:expr) => {
        eventually!(within $crate::support::wait::PATIENCE; $condition)
    };
}

/// Lets [`eventually!`] take a closure whose parameter's type is known from the value alone.
pub fn ask<T>(value: &T, test: impl Fn(&T) -> bool) -> bool {
    test(value)
}

#[test]
fn eventually_tries_again_until_true() {
    let mut tries = 0;
    eventually!(
        {
            tries += 1;
            tries
        },
        |n| *n == 3
    );
    assert_eq!(tries, 3);
}

#[test]
#[should_panic(expected = "last seen: Some(7)")]
fn eventually_ends_with_the_last_value() {
    eventually!(within Duration::from_millis(10); 7, |n| *n == 8);
}
