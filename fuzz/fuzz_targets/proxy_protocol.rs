//! Any first bytes of a connection. `cargo fuzz run proxy_protocol fuzz/corpus/proxy_protocol tests/fixtures/corpus/proxy_protocol`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::proxy_protocol(data));
