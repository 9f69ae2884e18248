//! A look at processes through /proc (proc(5)): who is alive, whose child, with how many descriptors and how much memory.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name as of the look, at most 15 bytes.
    pub name: String,
    started: u64,
}

struct Stat {
    name: String,
    state: char,
    parent: u32,
    group: u32,
    started: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5). The name may hold spaces and parentheses: it ends at the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    Some(Stat {
        name,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

impl Process {
    /// A live process with this id.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = stat(pid)?;
        (!matches!(stat.state, 'Z' | 'X')).then_some(Self {
            pid,
            name: stat.name,
            started: stat.started,
        })
    }

    /// Runs, sleeps or is stopped; a zombie is not alive.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Its state letter, `Z` for a zombie; `None` when it is gone.
    pub fn state(&self) -> Option<char> {
        stat(self.pid).filter(|s| s.started == self.started).map(|s| s.state)
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) {
        if self.is_alive() {
            signal_pid(self.pid, signal);
        }
    }
}

fn every_stat() -> impl Iterator<Item = (u32, Stat)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?)))
}

/// The children of `pid`, zombies among them.
pub fn children(pid: u32) -> Vec<Process> {
    every_stat()
        .filter(|(_, stat)| stat.parent == pid)
        .map(|(pid, stat)| Process { pid, name: stat.name, started: stat.started })
        .collect()
}

/// Children, their children, and so on.
pub fn descendants(pid: u32) -> Vec<Process> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let below = children(process.pid);
        found.extend(below);
        next += 1;
    }
    found
}

/// Children that have ended and were not waited for.
pub fn zombies(pid: u32) -> usize {
    children(pid).iter().filter(|child| child.state() == Some('Z')).count()
}

/// What each open descriptor of `pid` points to.
pub fn descriptors(pid: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

/// CPU that it has used, as ticks of 10 ms (proc_pid_stat(5)).
pub fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, tail) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Bytes of address space that it has taken; 0 when it is gone.
pub fn address_space(pid: u32) -> u64 {
    status_kib(pid, "VmSize:") * 1024
}

/// Bytes of memory that are resident; 0 when it is gone.
pub fn resident(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:") * 1024
}

/// The most bytes that ever were.
pub fn peak_resident(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:") * 1024
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Sends a signal to a process by id; one that is gone is left alone.
pub fn signal_pid(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(i32::try_from(pid).unwrap()) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Waits until all of these are gone.
///
/// # Panics
/// Where one is still alive after `bound`.
#[track_caller]
pub fn no_process_left(processes: &[Process], bound: Duration) {
    let mut left = Vec::new();
    let gone = super::wait::until(bound, || {
        left = processes.iter().filter(|p| p.is_alive()).collect();
        left.is_empty().then_some(())
    });
    assert!(gone.is_some(), "alive after {bound:?}: {left:?}");
}

#[test]
fn a_name_may_hold_anything() {
    let tail = "S 7 42 ".to_owned() + &"0 ".repeat(16) + "99 1";
    let stat = parse_stat(&format!("12 (a) (b c) {tail}")).unwrap();
    assert_eq!(stat.name, "a) (b c");
    assert_eq!((stat.state, stat.parent, stat.group, stat.started), ('S', 7, 42, 99));
}

#[test]
fn a_child_is_seen_and_its_end_as_well() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let seen = Process::of(child.id()).unwrap();
    assert!(descendants(std::process::id()).iter().any(|p| p.pid == child.id()));
    assert!(resident(std::process::id()) > 0 && !descriptors(std::process::id()).is_empty());
    child.kill().unwrap();
    no_process_left(std::slice::from_ref(&seen), Duration::from_secs(5));
    child.wait().unwrap();
    assert_eq!(seen.state(), None);
}
