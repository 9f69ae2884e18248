//! A path and its canonical form. `cargo fuzz run path fuzz/corpus/path tests/fixtures/corpus/path`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::path(data));
