//! A call that runs, as whoever looks at the proxy sees it. Making one reads `/proc`: not on an event loop.

use std::sync::Arc;
use std::time::Duration;

use super::Watched;
use crate::call::RequestId;
use crate::child::sight::{self, Doing};
use crate::sys::clock::monotonic_ns;
use crate::sys::procfs;

/// A call that has run for longer than one sampling interval.
#[derive(Clone, Debug)]
pub struct Live {
    /// Of its request.
    pub id: RequestId,
    /// The route that it came by.
    pub route: Arc<str>,
    /// What is called.
    pub function: String,
    /// The process that runs it; the proxy itself with `mode = "thread"`.
    pub process: u32,
    /// The thread of it that has the call.
    pub thread: u32,
    /// Since it was sent to its worker.
    pub age: Duration,
    /// What it does, and for how long it has been seen doing that.
    pub doing: Doing,
    /// Of `doing`.
    pub since: Duration,
    /// What it used so far: on a CPU.
    pub cpu: Duration,
    /// Runnable, without one.
    pub runqueue: Duration,
    /// Waiting.
    pub blocked: Duration,
    /// What it waited for, and how long, the longest first; "others" for more than are told apart.
    pub waits: Vec<(Arc<str>, Duration)>,
    /// Threads of its process, and what some of them do beside the call's own. None with `mode = "thread"`.
    pub threads: u64,
    /// Of `threads`.
    pub others: Vec<(u32, Doing)>,
    /// Resident memory of its process, bytes.
    pub resident: Option<u64>,
}

impl Live {
    /// What is known of a call; `None` once it is over.
    pub(super) fn of(watched: &Watched) -> Option<Self> {
        let subject = &watched.subject;
        let (process, thread) = (subject.process, subject.thread);
        let is_isolated = process == thread;
        let threads = if is_isolated { procfs::thread_count(process) } else { None };
        let others = if threads > Some(1) { sight::others(process, thread) } else { Vec::new() };
        let resident = procfs::resident(process);
        let (raw, sched) = (procfs::doing(thread), procfs::sched(thread)?);
        let doing = sight::told(process, thread, raw);
        let now_ns = monotonic_ns();
        let age_ns = now_ns.saturating_sub(subject.sent_ns);
        let cpu_ns = sched.cpu_ns.saturating_sub(subject.before.cpu_ns).min(age_ns);
        let runqueue_ns = sched.runqueue_ns.saturating_sub(subject.before.runqueue_ns);
        let runqueue_ns = runqueue_ns.min(age_ns - cpu_ns);
        let state = watched.state();
        let is_as_seen = state.last == Some((raw, sched));
        let since_ns = if is_as_seen { now_ns.saturating_sub(state.since_ns) } else { 0 };
        // What was read above is of this call only if it is not over now.
        (!watched.is_over()).then(|| Self {
            id: subject.id,
            route: Arc::clone(&subject.route),
            function: subject.spec.function.name.clone(),
            process,
            thread,
            age: Duration::from_nanos(age_ns),
            doing,
            since: Duration::from_nanos(since_ns),
            cpu: Duration::from_nanos(cpu_ns),
            runqueue: Duration::from_nanos(runqueue_ns),
            blocked: Duration::from_nanos(age_ns - cpu_ns - runqueue_ns),
            waits: durations(state.counted.waits()),
            threads: threads.unwrap_or(1),
            others,
            resident,
        })
    }
}

pub(super) fn durations(waits: Vec<(Arc<str>, u64)>) -> Vec<(Arc<str>, Duration)> {
    waits.into_iter().map(|(what, ns)| (what, Duration::from_nanos(ns))).collect()
}
