//! A client connection's bytes, in any cut. `cargo fuzz run gate fuzz/corpus/gate tests/fixtures/corpus/gate`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::gate(data));
