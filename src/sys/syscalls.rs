//! The system calls a call may block in, by name: a closed list, since the name is a metric label.

mod table;

pub use table::{called, names, number};

/// Name and number on this machine. What is not listed is [`OTHER`].
const BLOCKING: &[(&str, i64)] = &[
    ("accept", libc::SYS_accept),
    ("accept4", libc::SYS_accept4),
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("connect", libc::SYS_connect),
    ("epoll_pwait", libc::SYS_epoll_pwait),
    #[cfg(target_arch = "x86_64")]
    ("epoll_wait", libc::SYS_epoll_wait),
    ("fcntl", libc::SYS_fcntl),
    ("fdatasync", libc::SYS_fdatasync),
    ("flock", libc::SYS_flock),
    ("fsync", libc::SYS_fsync),
    ("futex", libc::SYS_futex),
    ("ioctl", libc::SYS_ioctl),
    ("nanosleep", libc::SYS_nanosleep),
    #[cfg(target_arch = "x86_64")]
    ("open", libc::SYS_open),
    ("openat", libc::SYS_openat),
    // No system call: what `/proc/PID/syscall` says of a thread that waits outside any.
    ("page_fault", -1),
    #[cfg(target_arch = "x86_64")]
    ("pause", libc::SYS_pause),
    #[cfg(target_arch = "x86_64")]
    ("poll", libc::SYS_poll),
    ("ppoll", libc::SYS_ppoll),
    ("pread64", libc::SYS_pread64),
    ("pselect6", libc::SYS_pselect6),
    ("pwrite64", libc::SYS_pwrite64),
    ("read", libc::SYS_read),
    ("readv", libc::SYS_readv),
    ("recvfrom", libc::SYS_recvfrom),
    ("recvmsg", libc::SYS_recvmsg),
    ("rt_sigsuspend", libc::SYS_rt_sigsuspend),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait),
    #[cfg(target_arch = "x86_64")]
    ("select", libc::SYS_select),
    ("semop", libc::SYS_semop),
    ("semtimedop", libc::SYS_semtimedop),
    ("sendmsg", libc::SYS_sendmsg),
    ("sendto", libc::SYS_sendto),
    ("wait4", libc::SYS_wait4),
    ("waitid", libc::SYS_waitid),
    ("write", libc::SYS_write),
    ("writev", libc::SYS_writev),
];

/// Index of a system call that [`name`] does not list.
pub const OTHER: usize = BLOCKING.len();
/// Index of blocked time that nobody looked at: a call shorter than one sampling interval.
pub const UNSAMPLED: usize = OTHER + 1;
/// How many indices there are.
pub const COUNT: usize = UNSAMPLED + 1;

/// The index of a system call number.
#[must_use]
pub fn index(number: i64) -> usize {
    BLOCKING.iter().position(|(_, known)| *known == number).unwrap_or(OTHER)
}

/// The name at an index: the label `syscall`.
#[must_use]
pub fn name(index: usize) -> &'static str {
    match index {
        UNSAMPLED => "unsampled",
        _ => BLOCKING.get(index).map_or("other", |(name, _)| name),
    }
}

/// The system calls whose first argument is a descriptor.
#[must_use]
pub fn takes_descriptor(index: usize) -> bool {
    const WITHOUT: &[&str] = &[
        "clock_nanosleep",
        "futex",
        "nanosleep",
        "open",
        "openat",
        "page_fault",
        "pause",
        "poll",
        "ppoll",
        "pselect6",
        "rt_sigsuspend",
        "rt_sigtimedwait",
        "select",
        "semop",
        "semtimedop",
        "wait4",
        "waitid",
    ];
    index < OTHER && !WITHOUT.contains(&name(index))
}

/// As [`takes_descriptor`], by name.
#[must_use]
pub fn takes_descriptor_by_name(name: &str) -> bool {
    let index = BLOCKING.iter().position(|(known, _)| *known == name);
    index.is_some_and(takes_descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_meet() {
        assert_eq!(name(index(libc::SYS_recvfrom)), "recvfrom");
        assert_eq!(name(index(-1)), "page_fault");
        assert_eq!(name(index(libc::SYS_getpid)), "other");
        assert_eq!(name(OTHER), "other");
        assert_eq!(name(UNSAMPLED), "unsampled");
        assert!(takes_descriptor(index(libc::SYS_read)));
        assert!(!takes_descriptor(index(libc::SYS_futex)));
        assert!(!takes_descriptor(OTHER));
    }
}
