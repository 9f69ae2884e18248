//! A Host. `cargo fuzz run host fuzz/corpus/host tests/fixtures/corpus/host`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::host(data));
