//! What measurements share: the real program, a client that keeps its connections, and what the kernel says of a process.

pub mod client;
pub mod kernel;
pub mod program;
pub mod report;
