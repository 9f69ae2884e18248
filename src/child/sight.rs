//! What a thread of a worker is doing, in words: the system call, what that waits for, and where in the kernel. Looking
//! stops nobody. All that is read was written by whom it is about: it is bounded, and escaped.

mod arguments;
mod descriptor;
pub mod stack;

use std::borrow::Cow;
use std::fmt;

use crate::sys::procfs;
use crate::sys::syscalls;
use crate::telemetry::log::escape;

/// Characters of what a call waits for.
const LONGEST: usize = 200;
/// Threads of one worker that are looked at, beside the one that has the call.
const MOST_THREADS: usize = 8;

/// What a thread was found doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// The kernel does not tell: it has ended, or this process may not trace it.
    #[default]
    Unknown,
    /// On a CPU, or waiting for one.
    Running,
    /// Waiting.
    Waiting(Waiting),
}

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The system call; `page_fault` outside any.
    pub call: Cow<'static, str>,
    /// A peer, a path, an address; as much as is known.
    pub on: Option<String>,
    /// The function of the kernel that it sleeps in.
    pub channel: Option<String>,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doing::Unknown => f.write_str("unknown"),
            Doing::Running => f.write_str("running"),
            Doing::Waiting(waiting) => waiting.fmt(f),
        }
    }
}

/// `recvfrom on tcp 10.0.0.7:5432`.
impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            Some(on) => write!(f, "{} on {on}", self.call),
            None => f.write_str(&self.call),
        }
    }
}

/// Puts into words what the kernel says of a thread of a process.
#[must_use]
pub fn told(process: u32, thread: u32, doing: Option<procfs::Doing>) -> Doing {
    match doing {
        None => Doing::Unknown,
        Some(procfs::Doing::Running) => Doing::Running,
        Some(procfs::Doing::Syscall { number, arguments, .. }) => {
            let call = match number {
                -1 => Cow::Borrowed("page_fault"),
                _ => syscalls::called(number)
                    .map_or_else(|| Cow::Owned(format!("syscall {number}")), Cow::Borrowed),
            };
            let on = arguments::meaning(process, &call, &arguments);
            let channel = procfs::wait_channel(thread);
            Doing::Waiting(Waiting { call, on: on.map(|on| bounded(&on)), channel })
        }
    }
}

/// What the other threads of a process do, some of them.
#[must_use]
pub fn others(process: u32, thread: u32) -> Vec<(u32, Doing)> {
    let threads = procfs::some_threads(process, MOST_THREADS + 1);
    let others = threads.into_iter().filter(|other| *other != thread).take(MOST_THREADS);
    others.map(|other| (other, told(process, other, procfs::doing(other)))).collect()
}

fn bounded(text: &[u8]) -> String {
    let escaped = escape(text);
    match escaped.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &escaped[..end]),
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_bounded_and_escaped() {
        assert_eq!(bounded(b"/tmp/a\nb"), "/tmp/a\\nb");
        assert_eq!(bounded(&[b'x'; 500]).chars().count(), LONGEST + 1);
        assert_eq!(bounded("ü".repeat(500).as_bytes()).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_sentence_for_each_state() {
        let waits = |on: Option<&str>| {
            let call = Cow::Borrowed("recvfrom");
            Doing::Waiting(Waiting { call, on: on.map(str::to_owned), channel: None })
        };
        assert_eq!(waits(Some("tcp 10.0.0.7:5432")).to_string(), "recvfrom on tcp 10.0.0.7:5432");
        assert_eq!(waits(None).to_string(), "recvfrom");
        assert_eq!(told(1, 1, Some(procfs::Doing::Running)), Doing::Running);
        assert_eq!(told(1, 1, None).to_string(), "unknown");
        let place = procfs::Place::default();
        let odd = procfs::Doing::Syscall { number: 99_999, arguments: [0; 6], place };
        assert_eq!(told(u32::MAX / 2, u32::MAX / 2, Some(odd)).to_string(), "syscall 99999");
    }
}
