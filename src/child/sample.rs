//! Looks at calls while they run: one thread reads what the kernel says of each watched worker, so that the counters
//! of a stuck call grow in its first seconds. Off the event loops: reading `/proc` of a hostile process may block.

mod counted;
pub mod live;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus::Gauge;

use crate::call::{Accounting, RequestId};
use crate::child::sight::{self, Doing};
use crate::child::slow::SlowLog;
use crate::child::{Meters, Spec};
use crate::sys::clock::{monotonic_ns, thread_cpu_ns};
use crate::sys::priority;
use crate::sys::procfs::{self, Kept, Sched};
use crate::telemetry::Metrics;

use counted::{Counted, Look};
pub use live::Live;

/// Looking may take this part of one core: of many calls each is looked at less often.
const PART_OF_A_CORE: u32 = 45;

/// Looking on gives way to working.
const NICE: i32 = 10;

/// The sampling thread, and the one that writes of slow calls.
#[derive(Clone)]
pub struct Sampler(Arc<Shared>);

struct Shared {
    interval: Duration,
    watched: Mutex<Vec<Arc<Watched>>>,
    more: Condvar,
    slow: SlowLog,
    /// From one round to the next, seconds.
    effective: Gauge,
    looked_at: Gauge,
}

/// A call to look at.
pub struct Watched {
    subject: Subject,
    is_over: AtomicBool,
    looks: AtomicU32,
    files: OnceLock<Option<Kept>>,
    state: Mutex<State>,
}

/// Whose call it is, and who runs it.
pub struct Subject {
    /// The function's.
    pub spec: Arc<Spec>,
    /// Of the request.
    pub id: RequestId,
    /// The route that it came by.
    pub route: Arc<str>,
    /// The thread that runs the call, as the kernel numbers it.
    pub thread: u32,
    /// Its process.
    pub process: u32,
    /// What that thread had used before.
    pub before: Sched,
    /// When the call was sent to it, `CLOCK_MONOTONIC` nanoseconds.
    pub sent_ns: u64,
}

/// What was found so far.
#[derive(Default)]
struct State {
    counted: Counted,
    last: Option<(Option<procfs::Doing>, Sched)>,
    user_share: f64,
    /// In words, where it waits.
    what: Option<Arc<str>>,
    since_ns: u64,
}

/// Keeps a call watched. Stop it before the worker is reaped: its number may be another's afterwards.
pub struct Watch {
    shared: Arc<Shared>,
    watched: Arc<Watched>,
}

impl Sampler {
    /// Starts the thread `sampler`, which looks at each watched call once in `interval`, or less often under load; and the
    /// thread `slow-log`.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub fn start(interval: Duration, metrics: &Metrics) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            interval,
            watched: Mutex::default(),
            more: Condvar::new(),
            slow: SlowLog::start()?,
            effective: metrics.sample_interval.clone(),
            looked_at: metrics.sampled_calls.clone(),
        });
        shared.effective.set(interval.as_secs_f64());
        let sampler = Self(Arc::clone(&shared));
        thread::Builder::new().name("sampler".into()).spawn(move || shared.serve())?;
        Ok(sampler)
    }

    /// The time after which a call is worth a look.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.0.interval
    }

    /// Looks at a call from now on.
    #[must_use]
    pub fn watch(&self, subject: Subject) -> Watch {
        let watched = Arc::new(Watched {
            subject,
            is_over: AtomicBool::new(false),
            looks: AtomicU32::new(0),
            files: OnceLock::new(),
            state: Mutex::default(),
        });
        lock(&self.0.watched).push(Arc::clone(&watched));
        self.0.more.notify_one();
        Watch { shared: Arc::clone(&self.0), watched }
    }

    /// All calls that are watched now, those that began first in front. Reads `/proc`: not on an event loop.
    #[must_use]
    pub fn live(&self) -> Vec<Live> {
        let watched = lock(&self.0.watched).clone();
        let mut live: Vec<Live> = watched.iter().filter_map(|watched| Live::of(watched)).collect();
        live.sort_by_key(|live| std::cmp::Reverse(live.age));
        live
    }
}

impl Shared {
    fn serve(&self) {
        let _may_not = priority::set_nice(NICE);
        let mut sweep = Sweep::new();
        let mut pause = self.interval;
        loop {
            self.rest(pause);
            let begun_ns = thread_cpu_ns();
            self.round(&mut sweep, begun_ns);
            pause = self.interval.max(cpu_since(begun_ns) * PART_OF_A_CORE);
        }
    }

    /// Until somebody is watched, and then `pause`.
    fn rest(&self, pause: Duration) {
        let watched = lock(&self.watched);
        if watched.is_empty() {
            self.looked_at.set(0.0);
        }
        let watched = self.more.wait_while(watched, |watched| watched.is_empty());
        drop(watched);
        thread::park_timeout(pause);
    }

    /// Looks at the new calls, then at the others in turn, as many as there is time for.
    fn round(&self, sweep: &mut Sweep, begun_ns: u64) {
        let time = self.interval / PART_OF_A_CORE;
        for watched in self.newest() {
            watched.sample();
        }
        while let Some(watched) = self.next(sweep) {
            if !watched.is_new() {
                watched.sample();
            }
            if cpu_since(begun_ns) > time {
                return;
            }
        }
        self.effective.set(sweep.begin().max(self.interval).as_secs_f64());
    }

    /// The latest is the last.
    fn newest(&self) -> Vec<Arc<Watched>> {
        let watched = lock(&self.watched);
        self.looked_at.set(watched.len() as f64);
        watched.iter().rev().take_while(|watched| watched.is_new()).cloned().collect()
    }

    fn next(&self, sweep: &mut Sweep) -> Option<Arc<Watched>> {
        let next = lock(&self.watched).get(sweep.at).cloned();
        sweep.at += 1;
        next
    }
}

/// One look at each call, over as many rounds as it takes.
struct Sweep {
    at: usize,
    begun: Instant,
}

impl Sweep {
    fn new() -> Self {
        Self { at: 0, begun: Instant::now() }
    }

    /// The next one; how long the last one took.
    fn begin(&mut self) -> Duration {
        std::mem::replace(self, Self::new()).begun.elapsed()
    }
}

fn cpu_since(begun_ns: u64) -> Duration {
    Duration::from_nanos(thread_cpu_ns() - begun_ns)
}

impl Watched {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// The first look counts nothing, so the second one shall be soon.
    fn is_new(&self) -> bool {
        self.looks.load(Ordering::Relaxed) < 2
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What is known of it; `None` once it is over. Reads `/proc`: not on an event loop.
    #[must_use]
    pub fn live(&self) -> Option<Live> {
        Live::of(self)
    }

    /// One look. The lock is never held while `/proc` is read: the end of the call would wait for it.
    fn sample(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let (process, thread) = (self.subject.process, self.subject.thread);
        let Some(files) = self.files.get_or_init(|| Kept::open(thread)) else { return };
        let doing = files.doing();
        let Some(sched) = files.sched() else { return };
        let at_ns = monotonic_ns();
        let last = self.state().last;
        let is_same = last == Some((doing, sched));
        let found = (!is_same).then(|| sight::told(process, thread, doing));
        let has_run = last.is_none_or(|(_, last)| last.cpu_ns != sched.cpu_ns);
        let user_share = if has_run { procfs::user_share(thread) } else { None };
        let mut state = self.state();
        // Set before the worker is reaped: what was read above is of this worker only if it is not set now.
        if !self.is_over() {
            state.last = Some((doing, sched));
            state.user_share = user_share.unwrap_or(state.user_share);
            state.found(found, at_ns);
            state.count(&self.subject.spec.meters, Look { sched, at_ns }, doing);
        }
    }
}

impl State {
    fn found(&mut self, found: Option<Doing>, at_ns: u64) {
        let Some(found) = found else { return };
        let what = match &found {
            Doing::Waiting(waiting) => Some(waiting.to_string()),
            _ => None,
        };
        if what.as_deref() != self.what.as_deref() {
            self.what = what.map(Arc::from);
        }
        self.since_ns = at_ns;
    }

    fn count(&mut self, meters: &Meters, look: Look, doing: Option<procfs::Doing>) {
        self.counted.sampled(meters, look, self.user_share, (doing, self.what.as_ref()));
    }
}

impl Watch {
    /// From now on nothing that is read of this process number counts.
    pub fn stop(&self) {
        self.watched.is_over.store(true, Ordering::Release);
    }

    /// The call is over: counts what the samples have not. What it waited for, and how long, the longest first.
    pub fn finish(&self, used: &Accounting) -> Vec<(Arc<str>, Duration)> {
        self.stop();
        let mut state = self.watched.state();
        state.counted.finish(&self.watched.subject.spec.meters, used);
        live::durations(state.counted.waits())
    }

    /// Has a line written of a call that is slow and goes on; false where there are too many such lines to write.
    #[must_use]
    pub fn tell_slow(&self, phases: Option<String>, left_out: u64) -> bool {
        self.shared.slow.tell(Arc::clone(&self.watched), phases, left_out)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
        lock(&self.shared.watched).retain(|other| !Arc::ptr_eq(other, &self.watched));
    }
}

/// Counts a call that nobody watched.
pub fn count_whole(meters: &Meters, used: &Accounting) {
    Counted::default().finish(meters, used);
}

/// A thread that panicked inside left numbers behind, no broken state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
