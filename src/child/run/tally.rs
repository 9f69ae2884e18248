//! What a call took, and the counters that are told: while it runs, and once when it is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::{Accounting, Call};
use crate::child::Spec;
use crate::child::account::{Seen, settle};
use crate::child::meters::{CallOutcome, Meters};
use crate::child::run::slow::Slow;
use crate::child::sample::{Subject, Watch, count_whole};
use crate::ffi::phases::Phases;
use crate::sys::clock::monotonic_ns;
use crate::sys::procfs::{self, Sched};
use crate::wire::Spent;

/// The account of one call in the worker `pid`.
pub(super) struct Tally {
    pid: u32,
    before: Sched,
    seen: Seen,
    trace: Option<u128>,
    look_at: Option<Instant>,
    watch: Option<Watch>,
    slow: Slow,
    waits: Vec<(Arc<str>, Duration)>,
    is_closed: bool,
    /// What the runs before this one took.
    earlier: Accounting,
    /// What this one took.
    own: Accounting,
}

impl Tally {
    /// Of a call that is sent now. `before` is what the worker's main thread had used.
    pub(super) fn open(pid: u32, before: Sched, call: &Call, spec: &Spec) -> Self {
        let sent_ns = monotonic_ns();
        let earlier = call.kept.as_ref().and_then(|kept| kept.earlier);
        // A run after another waits for nothing but its worker.
        let (arrived_ns, granted_ns) = match earlier {
            Some(earlier) => (earlier.ended_ns, earlier.ended_ns),
            None => (call.arrived_ns, call.granted_ns),
        };
        Self {
            pid,
            before,
            seen: Seen { arrived_ns, granted_ns, sent_ns, ended_ns: sent_ns },
            trace: call.trace,
            look_at: Some(Instant::now() + spec.sampler.interval()),
            watch: None,
            slow: Slow::open(spec),
            waits: Vec::new(),
            is_closed: false,
            earlier: earlier.map(|earlier| earlier.accounting).unwrap_or_default(),
            own: Accounting::default(),
        }
    }

    /// When the call is next worth a look.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at.into_iter().chain(self.slow.at()).min()
    }

    pub(super) fn sent_ns(&self) -> u64 {
        self.seen.sent_ns
    }

    /// It is worth a look now: from now on the sampler looks at it. Where it is slow that is told.
    pub(super) fn look(&mut self, spec: &Arc<Spec>, call: &Call, phases: &Phases) {
        if self.look_at.take().is_some() {
            self.watch = Some(spec.sampler.watch(self.subject(spec, call)));
        }
        self.slow.look(spec, self.watch.as_ref(), phases);
    }

    fn subject(&self, spec: &Arc<Spec>, call: &Call) -> Subject {
        let is_isolated = spec.function.mode.is_isolated();
        Subject {
            spec: Arc::clone(spec),
            id: call.id,
            route: Arc::clone(&call.route),
            thread: self.pid,
            process: if is_isolated { self.pid } else { std::process::id() },
            before: self.before,
            sent_ns: self.seen.sent_ns,
        }
    }

    /// The call is counted; where it was slow that is told.
    pub(super) fn log_slow(
        &mut self,
        spec: &Spec,
        call: &Call,
        outcome: CallOutcome,
        used: (&Accounting, &Phases),
    ) {
        self.slow.ended(spec, (call, self.pid), outcome, used, &self.waits);
    }

    /// The worker is about to be reaped: its number may be another's afterwards.
    pub(super) fn stop_watching(&self) {
        self.watch.iter().for_each(Watch::stop);
    }

    /// Whether the call was counted.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What the kernel says of a worker that will not say it any more.
    pub(super) fn spent_so_far(&self) -> Spent {
        let now = procfs::sched(self.pid).unwrap_or(self.before);
        let cpu_ns = now.cpu_ns.saturating_sub(self.before.cpu_ns);
        let user_share = procfs::user_share(self.pid).unwrap_or(1.0);
        let cpu_user_ns = (cpu_ns as f64 * user_share) as u64;
        Spent {
            started_ns: self.seen.sent_ns,
            ended_ns: u64::MAX,
            cpu_user_ns,
            cpu_system_ns: cpu_ns - cpu_user_ns,
            runqueue_ns: now.runqueue_ns.saturating_sub(self.before.runqueue_ns),
        }
    }

    /// The queue and the start of a call that goes on.
    pub(super) fn until_now(&self) -> Accounting {
        let Seen { arrived_ns, granted_ns, sent_ns, .. } = self.seen;
        self.earlier.and(Accounting {
            queue_ns: granted_ns - arrived_ns,
            start_ns: sent_ns - granted_ns,
            wall_ns: monotonic_ns() - arrived_ns,
            ..Accounting::default()
        })
    }

    /// The accounting of a call that ends now, all its runs together.
    pub(super) fn settle(&mut self, spent: Spent) -> Accounting {
        self.seen.ended_ns = monotonic_ns();
        self.own = settle(self.seen, spent);
        self.earlier.and(self.own)
    }

    /// When it was settled.
    pub(super) fn ended_ns(&self) -> u64 {
        self.seen.ended_ns
    }

    /// Counts where the time of this run went.
    pub(super) fn count_time(&mut self, meters: &Meters) {
        match self.watch.take() {
            Some(watch) => self.waits = watch.finish(&self.own),
            None => count_whole(meters, &self.own),
        }
    }

    /// Counts the call, once.
    pub(super) fn close(&mut self, meters: &Meters, outcome: CallOutcome, accounting: &Accounting) {
        self.is_closed = true;
        meters.count_call(outcome);
        let since_slot = accounting.wall_ns - accounting.queue_ns;
        meters.call_duration.observe(since_slot as f64 / 1e9, self.trace);
        self.count_time(meters);
    }
}
