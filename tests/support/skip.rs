//! A test that wants a program which this machine does not have. In CI it must be there.

/// Says that a test is skipped, and why.
///
/// # Panics
/// In CI.
#[track_caller]
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}
