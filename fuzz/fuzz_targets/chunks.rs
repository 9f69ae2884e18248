//! A chunked body, in any cut. `cargo fuzz run chunks fuzz/corpus/chunks tests/fixtures/corpus/chunks`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::chunks(data));
