//! Safe names for kernel calls. No policy: each function does what its man page says, and says so.

pub mod cgroup;
pub mod clock;
pub mod descriptors;
pub mod environment;
pub mod faults;
pub mod fork;
pub mod identity;
pub mod landlock;
pub mod limits;
pub mod memory;
pub mod modules;
pub mod mounts;
pub mod orphans;
pub mod peers;
pub mod pidfd;
pub mod priority;
pub mod privileges;
pub mod process;
pub mod procfs;
pub mod random;
pub mod seccomp;
pub mod signals;
pub mod sockets;
pub mod stdio;
pub mod syscalls;
pub mod threads;
