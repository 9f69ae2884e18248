//! A prototype. `cargo fuzz run prototype fuzz/corpus/prototype tests/fixtures/corpus/prototype`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::prototype(data));
