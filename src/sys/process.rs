//! Ending and reaping children, and this process's own limits.

use std::io;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process_group, setrlimit,
    waitid,
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// `exit(CODE)`.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// A reaped process: how it ended and what it used (`getrusage(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// How it ended.
    pub exit: Exit,
    /// User CPU of all its threads, nanoseconds.
    pub cpu_user_ns: u64,
    /// System CPU of all its threads, nanoseconds.
    pub cpu_system_ns: u64,
    /// Its largest resident set, bytes.
    pub max_resident_bytes: u64,
}

/// Reaps the child `pid` if it has ended; `None` while it runs. Never waits, never touches another child.
///
/// # Errors
/// `ECHILD` when `pid` is no child of this process, or was reaped already.
pub fn reap(pid: u32) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals of the types that wait4(2) writes.
    let found =
        unsafe { libc::wait4(pid.cast_signed(), &raw mut status, libc::WNOHANG, &raw mut usage) };
    match found {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => Ok(Some(Reaped {
            exit: exit_of(status),
            cpu_user_ns: timeval_ns(usage.ru_utime),
            cpu_system_ns: timeval_ns(usage.ru_stime),
            max_resident_bytes: usage.ru_maxrss.unsigned_abs() * 1024,
        })),
    }
}

/// Reaps all children in the group of `leader` that have ended; whether there are any that have not. The leader itself must
/// have been reaped. Never waits.
#[must_use]
pub fn reap_group(leader: u32) -> bool {
    loop {
        // SAFETY: neither status nor usage is asked for.
        let found = unsafe {
            libc::wait4(
                -leader.cast_signed(),
                std::ptr::null_mut(),
                libc::WNOHANG,
                std::ptr::null_mut(),
            )
        };
        match found {
            -1 => return false,
            0 => return true,
            _ => {}
        }
    }
}

/// Whether this process has children, zombies among them.
#[must_use]
pub fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, options).is_ok()
}

fn exit_of(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }
}

fn timeval_ns(time: libc::timeval) -> u64 {
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1_000
}

/// Makes the child `pid` the leader of a group of its own (`setpgid(2)`).
///
/// # Errors
/// `ESRCH` where it is no child of this process, `EACCES` where it has called exec.
pub fn lead_group(pid: u32) -> io::Result<()> {
    // The kernel would take this process's own number too.
    let is_other = |pid: &i32| *pid > 0 && pid.unsigned_abs() != std::process::id();
    let pid = i32::try_from(pid).ok().filter(is_other).and_then(Pid::from_raw);
    let pid = pid.ok_or(io::Error::from_raw_os_error(libc::ESRCH))?;
    Ok(rustix::process::setpgid(Some(pid), Some(pid))?)
}

/// SIGTERM to a process group whose leader was not reaped yet. A group that is gone is no error.
pub fn terminate_group(leader: u32) {
    signal_group(leader, Signal::TERM);
}

/// SIGKILL to a process group whose leader was not reaped yet. A group that is gone is no error.
pub fn kill_group(leader: u32) {
    signal_group(leader, Signal::KILL);
}

fn signal_group(leader: u32, signal: Signal) {
    if let Some(group) = Pid::from_raw(leader.cast_signed()) {
        let _gone_is_fine = kill_process_group(group, signal);
    }
}

/// The name of a signal as `signal(7)` has it: `SIGSEGV`; `SIG34` where it has none.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    let known = [
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGALRM, "SIGALRM"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGXCPU, "SIGXCPU"),
        (libc::SIGXFSZ, "SIGXFSZ"),
        (libc::SIGVTALRM, "SIGVTALRM"),
        (libc::SIGPROF, "SIGPROF"),
        (libc::SIGSYS, "SIGSYS"),
    ];
    let name = known.iter().find(|(number, _)| *number == signal).map(|(_, name)| *name);
    name.map_or_else(|| format!("SIG{signal}"), str::to_owned)
}

/// When memory ends the kernel kills this process before others, the sooner the higher `score` is, to 1000
/// (`proc_pid_oom_score_adj(5)`). Going back needs CAP_SYS_RESOURCE.
///
/// # Errors
/// Those of writing to `/proc`.
pub fn die_sooner(score: u16) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open("/proc/self/oom_score_adj")?;
    match io::Write::write_all(&mut file, score.to_string().as_bytes()) {
        // It is higher already.
        Err(problem) if problem.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        written => written,
    }
}

/// Raises the soft limit of open descriptors to the hard one and returns it; each busy worker costs six.
#[must_use]
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_child_that_never_called_exec_is_moved() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
        let strangers = [child.id(), std::process::id(), parent as u32, 0, 1, u32::MAX, 1 << 31];
        for pid in strangers {
            assert!(lead_group(pid).is_err(), "{pid}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_child_is_reaped_once_with_how_it_ended() {
        for (script, exit) in [("exit 3", Exit::Code(3)), ("kill -9 $$", Exit::Signal(9))] {
            let mut child = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
            let reaped = loop {
                if let Some(reaped) = reap(child.id()).unwrap() {
                    break reaped;
                }
                std::thread::yield_now();
            };
            assert_eq!(reaped.exit, exit, "{script}");
            assert!(reaped.max_resident_bytes > 0);
            assert!(reap(child.id()).is_err(), "reaped twice");
            assert!(child.wait().is_err(), "nothing is left for std");
        }
    }

    #[test]
    fn signals_have_their_names() {
        assert_eq!(signal_name(libc::SIGSEGV), "SIGSEGV");
        assert_eq!(signal_name(34), "SIG34");
    }
}
