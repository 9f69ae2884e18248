//! What a call leaves behind ends with it, also what has left its process group: a thread kills what is in the worker's control
//! groups, and orphans, which come to this process. They are known by the mark in each worker's environment; one without it, by
//! having more system call filters than this process, which nothing takes off. Whoever has neither is a stranger.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;

use crate::child::groups::{Groups, Home};
use crate::sys::orphans::{self, Children};
use crate::sys::process::reap;
use crate::sys::procfs;
use crate::wire::MARK_DIGITS;

pub use crate::wire::MARK;
/// Between two looks at what does not end at once.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two looks of process 1: all orphans of its namespace come to it, and nobody else reaps them.
const ROUND: Duration = Duration::from_millis(500);

/// The sweeping thread, and what it must leave alone.
#[derive(Clone, Debug)]
pub struct Sweeper(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` where orphans cannot be seen: they go to init.
    children: Option<Children>,
    groups: Groups,
    gone: Sender<Gone>,
    known: Mutex<Known>,
    next_mark: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// Marks of workers that live.
    marks: HashSet<u64>,
    /// Children that are no worker's orphans.
    children: HashSet<u32>,
}

/// A worker that was reaped.
#[derive(Debug)]
struct Gone {
    pid: u32,
    homes: Arc<[Home]>,
    counter: IntCounter,
    /// What was killed already.
    killed: HashSet<u32>,
}

/// One worker's claim to be left alone; told of its end, or dropped, what it left is swept.
#[derive(Debug)]
pub struct Mark {
    sweeper: Sweeper,
    number: u64,
    homes: Arc<[Home]>,
    counter: IntCounter,
}

impl Sweeper {
    /// Starts the thread `sweeper`, and lets orphans come to this process.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub fn start(groups: Groups) -> io::Result<Self> {
        let children = orphans::adopt().and_then(|()| Children::open()).ok();
        let (gone, told) = channel();
        let (known, next_mark) = (Mutex::default(), AtomicU64::new(1));
        let sweeper = Self(Arc::new(Shared { children, groups, gone, known, next_mark }));
        let weak = Arc::downgrade(&sweeper.0);
        thread::Builder::new().name("sweeper".into()).spawn(move || {
            let mut left = Vec::new();
            while let Some(more) = next(&told, !left.is_empty()) {
                left.extend(more);
                let Some(shared) = weak.upgrade() else { return };
                shared.sweep(&mut left);
            }
        })?;
        Ok(sweeper)
    }

    /// The control groups of workers.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.0.groups
    }

    /// Whether orphans come to this process.
    #[must_use]
    pub fn sees_orphans(&self) -> bool {
        self.0.children.is_some()
    }

    /// The program ends: so does all that calls left, and the folders of its groups go.
    pub fn finish(&self) {
        let children = self.0.children.iter().flat_map(Children::now);
        let is_left = |pid: &u32| matches!(self.0.whose(*pid), Whose::Workers | Whose::Nobodys);
        children.filter(is_left).for_each(orphans::kill);
        self.0.groups.clear();
    }

    /// The mark of one more worker.
    #[must_use]
    pub fn mark(&self, homes: &Arc<[Home]>, counter: &IntCounter) -> Mark {
        let number = self.0.next_mark.fetch_add(1, Ordering::Relaxed);
        self.0.known().marks.insert(number);
        Mark { sweeper: self.clone(), number, homes: Arc::clone(homes), counter: counter.clone() }
    }

    /// Starts a process that is no worker, whose id `start` gives, and that shall be left alone.
    ///
    /// # Errors
    /// Those of `start`.
    pub fn leave_alone<T>(
        &self,
        start: impl FnOnce() -> io::Result<T>,
        pid: impl FnOnce(&T) -> u32,
    ) -> io::Result<T> {
        // Held while it starts: nobody is to find it before it is known.
        let mut known = self.0.known();
        let started = start()?;
        known.children.insert(pid(&started));
        Ok(started)
    }
}

impl Mark {
    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// As its environment holds it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:0width$}", self.number, width = MARK_DIGITS)
    }

    /// Whether the kernel killed the worker `pid`, or something that it started, for want of memory.
    #[must_use]
    pub fn was_out_of_memory(&self, pid: u32) -> bool {
        self.homes.iter().any(|home| home.was_out_of_memory(pid))
    }

    /// The worker was reaped: what it left goes now.
    pub fn is_gone(self, pid: u32) {
        let shared = Arc::clone(&self.sweeper.0);
        let (homes, counter) = (Arc::clone(&self.homes), self.counter.clone());
        drop(self);
        let has_orphans = shared.children.as_ref().is_some_and(|children| !children.is_empty());
        if has_orphans || !homes.is_empty() {
            let _ending_as_well =
                shared.gone.send(Gone { pid, homes, counter, killed: HashSet::new() });
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.sweeper.0.known().marks.remove(&self.number);
    }
}

/// What was told since; `None` when nobody is left to tell.
fn next(told: &Receiver<Gone>, is_busy: bool) -> Option<Vec<Gone>> {
    let first = match is_busy {
        true => within(told, PAUSE)?,
        false if std::process::id() == 1 => within(told, ROUND)?,
        false => Some(told.recv().ok()?),
    };
    Some(first.into_iter().chain(told.try_iter()).collect())
}

fn within(told: &Receiver<Gone>, bound: Duration) -> Option<Option<Gone>> {
    match told.recv_timeout(bound) {
        Err(RecvTimeoutError::Disconnected) => None,
        told => Some(told.ok()),
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One look: what is still there afterwards stays in `left`.
    fn sweep(&self, left: &mut Vec<Gone>) {
        for gone in left.iter_mut() {
            for home in gone.homes.iter() {
                home.empty(gone.pid)
                    .into_iter()
                    .for_each(|pid| count(&mut gone.killed, &gone.counter, pid));
            }
        }
        let orphans = self.end_orphans(left);
        left.retain(|gone| {
            let removed: Vec<bool> = gone.homes.iter().map(|home| home.remove(gone.pid)).collect();
            orphans > 0 || removed.contains(&false)
        });
    }

    /// Ends the orphans that no live worker may have left: how many there were. Those of one that was killed come in its
    /// place: seen at the next look.
    fn end_orphans(&self, left: &mut [Gone]) -> usize {
        let Some(children) = &self.children else { return 0 };
        let mut ended = 0;
        for pid in children.now() {
            let whose = self.whose(pid);
            if whose == Whose::Known {
                continue;
            }
            let is_running = matches!(reap(pid), Ok(None));
            if is_running && whose != Whose::Nobodys {
                continue;
            }
            ended += 1;
            if is_running {
                orphans::kill(pid);
                // Whose it was is not known for sure: the worker that was last to go.
                let is_new = left.iter().all(|gone| !gone.killed.contains(&pid));
                if let Some(gone) = left.last_mut().filter(|_| is_new) {
                    count(&mut gone.killed, &gone.counter, pid);
                }
            }
        }
        ended
    }

    fn whose(&self, pid: u32) -> Whose {
        let known = self.known();
        match mark_of(pid) {
            _ if known.children.contains(&pid) => Whose::Known,
            Some(mark) if known.marks.contains(&mark) => Whose::Workers,
            Some(_) => Whose::Nobodys,
            None if procfs::filters(pid) > procfs::filters(std::process::id()) => Whose::Nobodys,
            None => Whose::Strangers,
        }
    }
}

/// Who a child of this process belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// It was started here and is waited for elsewhere.
    Known,
    /// A worker that lives left it.
    Workers,
    /// Its worker is gone.
    Nobodys,
    /// No worker ever had it.
    Strangers,
}

fn count(killed: &mut HashSet<u32>, counter: &IntCounter, pid: u32) {
    if killed.insert(pid) {
        counter.inc();
    }
}

/// The mark that a process began with.
fn mark_of(pid: u32) -> Option<u64> {
    let environment = procfs::environment(pid)?;
    let variables = environment.split(|byte| *byte == 0);
    let mut marks =
        variables.filter_map(|one| one.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
    let text = marks.next()?;
    std::str::from_utf8(text).ok()?.parse().ok()
}
