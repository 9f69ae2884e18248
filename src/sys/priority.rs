//! Scheduling policy: spares start at idle priority so that they never delay a call (`sched(7)`).

use std::io;

/// Gives the thread `tid` (0: the calling one) the policy SCHED_IDLE.
///
/// # Errors
/// As `sched_setscheduler(2)`.
pub fn make_idle(tid: u32) -> io::Result<()> {
    set_policy(tid, libc::SCHED_IDLE)
}

/// Gives the thread `tid` (0: the calling one) the policy SCHED_OTHER.
///
/// # Errors
/// `EPERM` when it is idle and this process lacks CAP_SYS_NICE: SCHED_IDLE is then a one-way street.
pub fn make_normal(tid: u32) -> io::Result<()> {
    set_policy(tid, libc::SCHED_OTHER)
}

/// Gives the calling thread the nice value `nice` (`setpriority(2)`; on Linux it is a thread's own).
///
/// # Errors
/// `EACCES` when it is below what RLIMIT_NICE allows and this process lacks CAP_SYS_NICE.
pub fn set_nice(nice: i32) -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, nice)?)
}

fn set_policy(tid: u32, policy: i32) -> io::Result<()> {
    // SAFETY: sched_param is a plain struct of integers; zero is a valid value and the priority that
    // both policies ask for.
    let param: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live local; the call changes a scheduling attribute only.
    let result = unsafe { libc::sched_setscheduler(tid.cast_signed(), policy, &raw const param) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_step_back() {
        std::thread::spawn(|| set_nice(5).unwrap()).join().unwrap();
    }

    #[test]
    fn a_thread_can_become_idle() {
        std::thread::spawn(|| make_idle(0).unwrap()).join().unwrap();
    }
}
