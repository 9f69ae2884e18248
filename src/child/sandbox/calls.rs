//! Which system calls are refused, and which ones computing needs: data, each group with its reason.
//! A name that a machine does not have is passed over there.

/// System calls of one kind.
pub struct Group {
    /// What is refused, or what it is needed for.
    pub why: &'static str,
    /// Their names, with spaces between.
    names: &'static str,
}

impl Group {
    /// Their names.
    pub fn calls(&self) -> impl Iterator<Item = &'static str> {
        self.names.split_ascii_whitespace()
    }
}

const fn group(why: &'static str, names: &'static str) -> Group {
    Group { why, names }
}

/// Fail with EPERM from `basic` on.
pub const DENIED: &[Group] = &[
    group(
        "read, write or steer another process",
        "kcmp pidfd_getfd process_madvise process_mrelease process_vm_readv \
         process_vm_writev ptrace",
    ),
    group("make another world: namespaces hold most roads to more rights", "setns unshare"),
    group(
        "change what is mounted, or where the root is",
        "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree \
         pivot_root umount2",
    ),
    group(
        "become another user, or take rights",
        "capset setfsgid setfsuid setgid setgroups setregid setresgid setresuid setreuid \
         setuid",
    ),
    group(
        "change the kernel itself",
        "delete_module finit_module init_module kexec_file_load kexec_load",
    ),
    group(
        "change the machine: its clock, names, swap, power, quotas",
        "acct adjtimex clock_adjtime clock_settime quotactl quotactl_fd reboot \
         setdomainname sethostname settimeofday swapoff swapon syslog vhangup",
    ),
    group("touch the hardware past the kernel", "ioperm iopl modify_ldt"),
    group(
        "large parts of the kernel that few libraries need and many attacks do",
        "add_key bpf fanotify_init keyctl lookup_dcookie nfsservctl open_by_handle_at \
         perf_event_open request_key userfaultfd",
    ),
    group(
        "do other system calls where no filter sees them",
        "io_uring_enter io_uring_register io_uring_setup",
    ),
];

/// Done under `strict`; all others end the process.
pub const ALLOWED: &[Group] = &[
    group(
        "memory",
        "brk madvise membarrier memfd_create mincore mlock mlock2 mmap mprotect mremap \
         msync munlock munmap pkey_alloc pkey_free pkey_mprotect",
    ),
    group(
        "threads of this process and what they wait for each other with",
        "futex futex_waitv get_robust_list gettid rseq set_robust_list set_tid_address \
         sched_getaffinity sched_getattr sched_getparam sched_get_priority_max \
         sched_get_priority_min sched_getscheduler sched_setaffinity sched_yield getcpu",
    ),
    group(
        "its own end and its own signals",
        "exit exit_group restart_syscall rt_sigaction rt_sigpending rt_sigprocmask \
         rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack tgkill",
    ),
    group(
        "time, and waiting for it",
        "alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday \
         nanosleep pause setitimer time timer_create timer_delete timer_getoverrun \
         timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times",
    ),
    group(
        "what is open already, the way to the proxy among it",
        "close close_range copy_file_range dup dup2 dup3 fadvise64 fallocate fcntl \
         fdatasync flock fstat fstatfs fsync ftruncate lseek pread64 preadv preadv2 \
         pwrite64 pwritev pwritev2 read readahead readv recvfrom recvmmsg recvmsg \
         sendfile sendmmsg sendmsg sendto shutdown splice sync_file_range tee vmsplice \
         write writev",
    ),
    group(
        "many at once",
        "epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd \
         eventfd2 pipe pipe2 poll ppoll pselect6 select signalfd4",
    ),
    group(
        "files, as far as Landlock leaves them",
        "access chdir creat faccessat faccessat2 fchdir getcwd getdents getdents64 link \
         linkat lstat mkdir mkdirat newfstatat open openat openat2 readlink readlinkat \
         rename renameat renameat2 rmdir stat statfs statx symlink symlinkat truncate \
         umask unlink unlinkat utimensat utimes",
    ),
    group(
        "who and what this process is",
        "arch_prctl capget getegid geteuid getgid getgroups getpgid getpgrp getpid \
         getppid getpriority getresgid getresuid getrlimit getrusage getsid getuid prctl \
         prlimit64 sysinfo uname",
    ),
    group("chance", "getrandom"),
];

/// Done under `strict` as well, where the sandbox leaves ports in reach.
pub const NETWORK: &[Group] = &[group(
    "connections",
    "accept accept4 bind connect getpeername getsockname getsockopt listen setsockopt \
         socket socketpair",
)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::syscalls;

    #[test]
    fn every_name_is_one_and_stands_once() {
        for (list, most_absent) in [(DENIED, 3), (ALLOWED, 30), (NETWORK, 0)] {
            let mut names: Vec<_> = list.iter().flat_map(Group::calls).collect();
            assert!(list.iter().all(|group| !group.why.is_empty()));
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
            let absent: Vec<_> =
                names.iter().filter(|name| syscalls::number(name).is_none()).collect();
            let most = if cfg!(target_arch = "x86_64") { 0 } else { most_absent };
            assert!(absent.len() <= most, "{absent:?}");
        }
    }

    #[test]
    fn what_is_denied_is_not_allowed() {
        let denied: Vec<_> = DENIED.iter().flat_map(Group::calls).collect();
        let both = ALLOWED.iter().chain(NETWORK).flat_map(Group::calls);
        assert_eq!(both.filter(|name| denied.contains(name)).collect::<Vec<_>>(), [""; 0]);
    }
}
