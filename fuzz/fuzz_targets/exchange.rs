//! The exchange with a worker: bytes and descriptors in any cut, a body the other way. `cargo fuzz run exchange`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;
#[path = "../exchange.rs"]
mod exchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| exchange::exchange(data));
