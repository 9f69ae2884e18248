//! The proxy.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request takes two buffers of 8 KiB and a dozen small ones: 6 % less CPU than with glibc's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cofferdam::app::main()
}
