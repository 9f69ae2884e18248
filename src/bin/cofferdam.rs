//! The proxy.

use std::process::ExitCode;

fn main() -> ExitCode {
    cofferdam::app::main()
}
