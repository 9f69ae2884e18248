//! A shared library. Its seeds are those that tests have built: `cargo fuzz run elf fuzz/corpus/elf target/tmp`

#![no_main]

#[allow(dead_code)]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::elf(data));
