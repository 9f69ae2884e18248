//! Resource limits of this process (`setrlimit(2)`).

use std::io;

use rustix::process::{Rlimit, getrlimit, setrlimit};

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Bytes of a core file.
    Core,
    /// Seconds of CPU time; then SIGXCPU, and SIGKILL a second later.
    Cpu,
    /// Bytes of a file that it writes; then SIGXFSZ.
    FileSize,
    /// Open descriptors.
    OpenFiles,
    /// Bytes of address space, threads' stacks among them.
    AddressSpace,
    /// Processes and threads of its user; does nothing for root.
    Processes,
}

impl Resource {
    /// All, in the order of [`Resource::index`].
    pub const ALL: [Resource; 6] = [
        Resource::Core,
        Resource::Cpu,
        Resource::FileSize,
        Resource::OpenFiles,
        Resource::AddressSpace,
        Resource::Processes,
    ];

    /// Its place in [`Resource::ALL`].
    #[must_use]
    pub fn index(self) -> u8 {
        self as u8
    }
}

/// Limits a resource, for good: hard and soft. A limit that is lower already stays.
///
/// # Errors
/// Those of `setrlimit(2)`; lowering a limit needs no privilege.
pub fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let name = match resource {
        Resource::Core => rustix::process::Resource::Core,
        Resource::Cpu => rustix::process::Resource::Cpu,
        Resource::FileSize => rustix::process::Resource::Fsize,
        Resource::OpenFiles => rustix::process::Resource::Nofile,
        Resource::AddressSpace => rustix::process::Resource::As,
        Resource::Processes => rustix::process::Resource::Nproc,
    };
    let most = getrlimit(name).maximum.unwrap_or(u64::MAX).min(most);
    // A second between the two lets SIGXCPU be felt before SIGKILL.
    let current = if resource == Resource::Cpu { most.saturating_sub(1).max(1) } else { most };
    Ok(setrlimit(name, Rlimit { current: Some(current), maximum: Some(most) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_finds_the_resource() {
        for (index, resource) in Resource::ALL.iter().enumerate() {
            assert_eq!(usize::from(resource.index()), index);
        }
    }
}
