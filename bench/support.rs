//! What measurements share: the real program, a client that keeps its connections, the
//! system's own programs, and what the kernel says of a process.

pub mod client;
pub mod kernel;
pub mod nginx;
pub mod program;
pub mod report;
pub mod system;
