//! Safe names for kernel calls. The lowest floor: it knows nothing of the house.

pub mod clock;
pub mod pidfd;
pub mod priority;
pub mod process;
pub mod procfs;
pub mod syscalls;
