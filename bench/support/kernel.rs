//! What the kernel says of a process, from `/proc` (`proc(5)`).

use std::fs;
use std::time::Duration;

/// CPU time of a process.
#[derive(Clone, Copy)]
pub struct Cpu {
    /// Its own, user and system.
    pub own: Duration,
    /// Of its children that were waited for.
    pub children: Duration,
}

/// CPU used so far, in steps of a clock tick.
pub fn cpu(pid: u32) -> Cpu {
    let fields = stat(pid).unwrap();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    // utime, stime, cutime, cstime are fields 14 to 17; the first two are cut off.
    Cpu { own: time(ticks(11) + ticks(12)), children: time(ticks(13) + ticks(14)) }
}

/// CPU used so far by a process and its children that were waited for, in steps of a clock tick. None where it has ended.
pub fn cpu_if_alive(pid: u32) -> Option<Duration> {
    let fields = stat(pid)?;
    Some(time(fields[11..15].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()))
}

/// CPU of the whole machine so far (`/proc/stat`), and of the measurement.
pub struct Machine {
    could: Duration,
    busy: Duration,
    ours: Duration,
}

impl Machine {
    /// Now; the measurement is this process, `pid` and the children of `pid`.
    pub fn now(pid: u32) -> Self {
        let (measured, us) = (cpu(pid), cpu(std::process::id()));
        Self::with(measured.own + measured.children + us.own)
    }

    /// Now; the measurement is this process and those of its children that were waited for.
    pub fn with_children() -> Self {
        let us = cpu(std::process::id());
        Self::with(us.own + us.children)
    }

    fn with(ours: Duration) -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap();
        let ticks = text.lines().next().unwrap().split_whitespace().skip(1);
        let ticks: Vec<u64> = ticks.map(|ticks| ticks.parse().unwrap()).take(8).collect();
        let all: u64 = ticks.iter().sum();
        // The fourth and the fifth are idle: with nothing to do, and with a disk to wait for.
        let (could, busy) = (time(all), time(all - ticks[3] - ticks[4]));
        Self { could, busy, ours }
    }

    /// Prints who had the machine since `before`: figures are only worth something where others had nearly none of it.
    pub fn report_since(&self, before: &Self) {
        let (ours, others) = self.shares_since(before);
        println!("machine: {ours:.0} % used by this, {others:.0} % by others");
    }

    /// Percent of the machine since `before`: of the measurement, and of all others.
    pub fn shares_since(&self, before: &Self) -> (f64, f64) {
        let could = (self.could - before.could).as_secs_f64();
        let share = |time: Duration| time.as_secs_f64() / could * 100.0;
        let (busy, ours) = (share(self.busy - before.busy), share(self.ours - before.ours));
        (ours, (busy - ours).max(0.0))
    }
}

/// Children, zombies among them.
pub fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|child| stat(*child).is_some_and(|fields| fields[1] == pid.to_string())).collect()
}

/// CPU that its living threads used so far, to the nanosecond: exact while they sleep, else a clock tick behind. None where
/// it has ended meanwhile.
pub fn scheduled(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// MiB of memory that are its share: a page that N processes have counts a N-th (`PSS`).
pub fn share(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn time(ticks: u64) -> Duration {
    Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// Open descriptors.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// MiB of memory that are resident: now, and at the most.
pub fn resident(pid: u32) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    };
    (mib("VmRSS:"), mib("VmHWM:"))
}

/// The fields from the third on: the name before them may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, tail) = text.rsplit_once(')')?;
    Some(tail.split_whitespace().map(str::to_owned).collect())
}
