//! Clocks of the calling thread. All are nanoseconds.

use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;

use rustix::time::{ClockId, Timespec, clock_gettime};

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// `CLOCK_MONOTONIC`, the same for all processes (`clock_gettime(2)`).
#[must_use]
pub fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CPU time of the calling thread up to this very moment (`CLOCK_THREAD_CPUTIME_ID`).
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU that this process and the children that it has reaped have used (`getrusage(2)`).
#[must_use]
pub fn process_cpu_ns() -> u64 {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN]
        .map(|whom| used_ns(&usage(whom)))
        .iter()
        .map(|(user, system)| user + system)
        .sum()
}

/// What a thread has used (`getrusage(2)`).
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// CPU in user mode, in whole microseconds. The kernel divides the exact sum by what its ticks saw: a proportion, not a
    /// measurement.
    pub user_ns: u64,
    /// CPU in the system, likewise.
    pub system_ns: u64,
    /// How often it has left its CPU, by its own will or not. Who has not left it has not waited for it.
    pub switches: u64,
}

/// Of the calling thread (`RUSAGE_THREAD`).
#[must_use]
pub fn thread_usage() -> Usage {
    let usage = usage(libc::RUSAGE_THREAD);
    let (user_ns, system_ns) = used_ns(&usage);
    let switches = usage.ru_nvcsw.unsigned_abs() + usage.ru_nivcsw.unsigned_abs();
    Usage { user_ns, system_ns, switches }
}

fn usage(whom: libc::c_int) -> libc::rusage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is valid for writes of one rusage, which getrusage fills.
    unsafe { libc::getrusage(whom, usage.as_mut_ptr()) };
    // SAFETY: all-zero bytes are a valid rusage, whether or not the call filled it.
    unsafe { usage.assume_init() }
}

/// User and system CPU.
fn used_ns(usage: &libc::rusage) -> (u64, u64) {
    let ns = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(time.tv_usec).unwrap_or(0) * 1_000
    };
    (ns(usage.ru_utime), ns(usage.ru_stime))
}

/// How long the calling thread has been runnable without a CPU: the second field of `schedstat`
/// (Documentation/scheduler/sched-stats.rst). `None` where `/proc` or the field is missing.
#[must_use]
pub fn thread_runqueue_ns() -> Option<u64> {
    let mut line = [0; 64];
    let length = File::open("/proc/thread-self/schedstat").ok()?.read(&mut line).ok()?;
    runqueue(line.get(..length)?)
}

fn runqueue(line: &[u8]) -> Option<u64> {
    str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_queue_is_the_second_field() {
        let cases: [(&[u8], _); 4] =
            [(b"12 345 6\n", Some(345)), (b"12\n", None), (b"12 x 6\n", None), (b"", None)];
        for (line, expected) in cases {
            assert_eq!(runqueue(line), expected);
        }
    }

    #[test]
    fn clocks_go_forward() {
        let (wall, cpu) = (monotonic_ns(), thread_cpu_ns());
        assert!(thread_runqueue_ns().is_some());
        let before = thread_usage();
        assert!(thread_cpu_ns() > cpu && monotonic_ns() > wall);
        assert!(before.user_ns + before.system_ns <= thread_cpu_ns() + 1_000);
        let meanwhile = std::time::Instant::now();
        while thread_usage().switches == before.switches {
            std::thread::yield_now();
            assert!(meanwhile.elapsed().as_secs() < 10, "nobody else ever had this CPU");
        }
    }
}
