//! What a worker tells of its own crash. `cargo fuzz run fault`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::fault(data));
