//! What the kernel says about another process while it runs (`proc_pid_*(5)`), read-only and best effort:
//! `None` when the process is gone, is not ours to read, or the kernel lacks the file.

pub mod maps;
pub mod sockets;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// CPU and run-queue time of a process's main thread, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sched {
    /// On a CPU.
    pub cpu_ns: u64,
    /// Runnable, waiting for one.
    pub runqueue_ns: u64,
}

/// Where a thread that waits stands in its own code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its stack pointer.
    pub stack: u64,
    /// Its program counter.
    pub program: u64,
}

/// What a thread is doing right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// On a CPU, or about to be.
    Running,
    /// Waiting.
    Syscall {
        /// Inside this system call; -1 outside any, for a page that is read from a disk as a rule.
        number: i64,
        /// Its arguments; 0 outside any.
        arguments: [u64; 6],
        /// Where it called.
        place: Place,
    },
}

/// The files of a thread that is looked at again and again: to read one takes a quarter of what opening it takes.
#[derive(Debug)]
pub struct Kept {
    schedstat: File,
    syscall: File,
}

impl Kept {
    /// Of this thread; they stay its own when its number is another's.
    #[must_use]
    pub fn open(pid: u32) -> Option<Self> {
        let open = |file| File::open(format!("/proc/{pid}/{file}")).ok();
        Some(Self { schedstat: open("schedstat")?, syscall: open("syscall")? })
    }

    /// As [`sched`].
    #[must_use]
    pub fn sched(&self) -> Option<Sched> {
        let mut buffer = [0; 96];
        parse_sched(again(&self.schedstat, &mut buffer)?)
    }

    /// As [`doing`].
    #[must_use]
    pub fn doing(&self) -> Option<Doing> {
        let mut buffer = [0; 256];
        parse_syscall(again(&self.syscall, &mut buffer)?)
    }
}

fn again<'a>(file: &File, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = file.read_at(buffer, 0).ok()?;
    std::str::from_utf8(&buffer[..length]).ok()
}

/// `/proc/PID/schedstat`.
#[must_use]
pub fn sched(pid: u32) -> Option<Sched> {
    let mut buffer = [0; 96];
    parse_sched(read(pid, "schedstat", &mut buffer)?)
}

fn parse_sched(text: &str) -> Option<Sched> {
    let mut fields = text.split_ascii_whitespace();
    Some(Sched { cpu_ns: fields.next()?.parse().ok()?, runqueue_ns: fields.next()?.parse().ok()? })
}

/// `/proc/PID/syscall`: needs the same user and a dumpable process.
#[must_use]
pub fn doing(pid: u32) -> Option<Doing> {
    let mut buffer = [0; 256];
    parse_syscall(read(pid, "syscall", &mut buffer)?)
}

fn parse_syscall(text: &str) -> Option<Doing> {
    let mut fields = text.split_ascii_whitespace();
    let first = fields.next()?;
    if first == "running" {
        return Some(Doing::Running);
    }
    let number: i64 = first.parse().ok()?;
    let hex = |field: &str| u64::from_str_radix(field.strip_prefix("0x")?, 16).ok();
    let mut hex = fields.map_while(hex).fuse();
    let mut arguments = [0; 6];
    if number != -1 {
        arguments.iter_mut().zip(&mut hex).for_each(|(argument, given)| *argument = given);
    }
    let place = Place { stack: hex.next()?, program: hex.next()? };
    Some(Doing::Syscall { number, arguments, place })
}

/// The share of user time in a process's main thread's CPU time, 0 to 1, from `/proc/PID/stat`.
#[must_use]
pub fn user_share(pid: u32) -> Option<f64> {
    let mut buffer = [0; 1024];
    let stat = read(pid, "stat", &mut buffer)?;
    let (user, system) = (stat_field(stat, 14)?, stat_field(stat, 15)?);
    let total = user.checked_add(system)?;
    Some(if total == 0 { 1.0 } else { user as f64 / total as f64 })
}

/// Resident memory in bytes, from `/proc/PID/statm`.
#[must_use]
pub fn resident(pid: u32) -> Option<u64> {
    let mut buffer = [0; 128];
    let pages: u64 =
        read(pid, "statm", &mut buffer)?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// How many threads a process has, from `/proc/PID/stat`.
#[must_use]
pub fn thread_count(pid: u32) -> Option<u64> {
    let mut buffer = [0; 1024];
    stat_field(read(pid, "stat", &mut buffer)?, 20)
}

/// The function of the kernel that a thread waits in (`/proc/PID/wchan`); `None` where it does not, or the kernel does
/// not tell.
#[must_use]
pub fn wait_channel(pid: u32) -> Option<String> {
    let mut buffer = [0; 128];
    let name = read(pid, "wchan", &mut buffer)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
    (name != "0" && !name.is_empty() && name.bytes().all(is_name)).then(|| name.to_owned())
}

/// The descriptors that an epoll instance waits for, `most` at most (`/proc/PID/fdinfo/FD`).
#[must_use]
pub fn epoll_targets(pid: u32, fd: u64, most: usize) -> Vec<u64> {
    let mut buffer = [0; 4096];
    let text = read(pid, &format!("fdinfo/{fd}"), &mut buffer).unwrap_or_default();
    let targets = text.lines().filter_map(|line| line.strip_prefix("tfd:"));
    targets
        .filter_map(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .take(most)
        .collect()
}

/// Whether a process is on its way out (PF_EXITING in `/proc/PID/stat`), or gone.
#[must_use]
pub fn is_exiting(pid: u32) -> bool {
    const PF_EXITING: u64 = 0x4;
    let mut buffer = [0; 1024];
    let flags = read(pid, "stat", &mut buffer).and_then(|stat| stat_field(stat, 9));
    flags.is_none_or(|flags| flags & PF_EXITING != 0)
}

/// Field `number` (from 1, as the man page counts) of a `stat` line. The name may hold spaces and
/// parentheses, so fields are counted from its last `)`.
fn stat_field(stat: &str, number: usize) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// What a descriptor of a process is: a path, `socket:[INODE]`, `pipe:[INODE]`.
#[must_use]
pub fn descriptor_target(pid: u32, fd: u64) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()
}

/// The variables that a process began with, each with a NUL after it; cut after 128 KiB. It may have written over them.
#[must_use]
pub fn environment(pid: u32) -> Option<Vec<u8>> {
    const MOST: u64 = 128 * 1024;
    let mut text = Vec::new();
    File::open(format!("/proc/{pid}/environ")).ok()?.take(MOST).read_to_end(&mut text).ok()?;
    Some(text)
}

/// How many filters of system calls a process has (Linux 5.9); it never has fewer than those who started it.
#[must_use]
pub fn filters(pid: u32) -> Option<u32> {
    let mut buffer = [0; 4096];
    let status = read(pid, "status", &mut buffer)?;
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"))?;
    line.trim().parse().ok()
}

/// The thread ids of a process.
#[must_use]
pub fn threads(pid: u32) -> Vec<u32> {
    some_threads(pid, usize::MAX)
}

/// Thread ids of a process, `most` at most.
#[must_use]
pub fn some_threads(pid: u32, most: usize) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.take(most).collect()
}

fn read<'a>(pid: u32, file: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = File::open(format!("/proc/{pid}/{file}")).ok()?.read(buffer).ok()?;
    std::str::from_utf8(&buffer[..length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_pid_syscall() {
        let waits = |number, arguments, stack, program| {
            Some(Doing::Syscall { number, arguments, place: Place { stack, program } })
        };
        let rows = [
            ("running\n", Some(Doing::Running)),
            (
                "0 0x5 0x7f 0x10 0x0 0x0 0x0 0x7ffe 0x7f1\n",
                waits(0, [5, 0x7f, 16, 0, 0, 0], 0x7ffe, 0x7f1),
            ),
            ("-1 0x7ffe 0x7f\n", waits(-1, [0; 6], 0x7ffe, 0x7f)),
            ("230 0x0 0x0 0x7ffd 0x0", None),
            ("0 0x5 0x7f 0x10 0x0 0x0 zero 0x7ffe 0x7f1", None),
            ("", None),
            ("garbage", None),
        ];
        for (line, expected) in rows {
            assert_eq!(parse_syscall(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_name_cannot_shift_the_fields_of_stat() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 2 0 0 0 31 9 0";
        assert_eq!(stat_field(stat, 9), Some(4_194_560));
        assert_eq!(stat_field(stat, 14), Some(31));
        assert_eq!(stat_field(stat, 15), Some(9));
        assert_eq!(stat_field(stat, 20), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let me = std::process::id();
        assert!(sched(me).unwrap().cpu_ns > 0);
        let kept = Kept::open(me).unwrap();
        assert!(kept.sched().unwrap().cpu_ns > 0 && kept.doing().is_some());
        assert!(Kept::open(u32::MAX / 2).is_none());
        assert!(user_share(me).is_some() && resident(me).unwrap() > 1 << 20);
        assert!(thread_count(me).unwrap() >= 1);
        assert!(some_threads(me, 1).len() == 1 && !threads(me).is_empty());
        assert!(!is_exiting(me));
        assert!(is_exiting(u32::MAX / 2), "a process that is not there");
    }
}
