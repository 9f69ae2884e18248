//! All that a worker sends, frame after frame, however it is cut. `cargo fuzz run from_worker`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::from_worker(data));
