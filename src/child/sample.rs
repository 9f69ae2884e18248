//! Looks at calls while they run: one thread reads what the kernel says of each watched worker, so that the counters
//! of a stuck call grow in its first seconds. Off the event loops: reading `/proc` of a hostile process may block.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus::Counter;

use crate::call::Accounting;
use crate::child::Meters;
use crate::sys::clock::monotonic_ns;
use crate::sys::procfs::{self, Doing, Sched};
use crate::sys::syscalls;

/// A round of samples may take this part of one core: with many workers the rounds come less often.
const PART_OF_A_CORE: u32 = 33;

/// The sampling thread.
#[derive(Clone)]
pub struct Sampler(Arc<Shared>);

struct Shared {
    interval: Duration,
    watched: Mutex<Vec<Arc<Watched>>>,
    more: Condvar,
}

/// A call to look at. Times are `CLOCK_MONOTONIC` nanoseconds.
pub struct Watched {
    pid: u32,
    started_ns: u64,
    before: Sched,
    meters: Meters,
    is_over: AtomicBool,
    counted: Mutex<Counted>,
}

/// What the counters hold of this call already, nanoseconds.
#[derive(Default)]
struct Counted {
    cpu_user_ns: u64,
    cpu_system_ns: u64,
    runqueue_ns: u64,
    blocked_ns: u64,
    syscall: Option<usize>,
}

/// Keeps a call watched. Stop it before the worker is reaped: its number may be another's afterwards.
pub struct Watch {
    shared: Arc<Shared>,
    watched: Arc<Watched>,
}

impl Sampler {
    /// Starts the thread `sampler`, which looks at each watched call once in `interval`, or less often under load.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub fn start(interval: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared { interval, watched: Mutex::default(), more: Condvar::new() });
        let sampler = Self(Arc::clone(&shared));
        thread::Builder::new().name("sampler".into()).spawn(move || shared.serve())?;
        Ok(sampler)
    }

    /// The time after which a call is worth a look.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.0.interval
    }

    /// Looks at `pid` from now on. `before` is what its main thread had used when the call began.
    #[must_use]
    pub fn watch(&self, pid: u32, started_ns: u64, before: Sched, meters: &Meters) -> Watch {
        let watched = Arc::new(Watched {
            pid,
            started_ns,
            before,
            meters: meters.clone(),
            is_over: AtomicBool::new(false),
            counted: Mutex::default(),
        });
        lock(&self.0.watched).push(Arc::clone(&watched));
        self.0.more.notify_one();
        Watch { shared: Arc::clone(&self.0), watched }
    }
}

impl Shared {
    fn serve(&self) {
        let mut pause = self.interval;
        loop {
            let round = self.wait_for_round(pause);
            let begun = Instant::now();
            for watched in &round {
                watched.sample();
            }
            pause = self.interval.max(begun.elapsed() * PART_OF_A_CORE);
        }
    }

    fn wait_for_round(&self, pause: Duration) -> Vec<Arc<Watched>> {
        let watched = lock(&self.watched);
        let watched = self.more.wait_while(watched, |watched| watched.is_empty());
        drop(watched);
        thread::park_timeout(pause);
        lock(&self.watched).clone()
    }
}

impl Watched {
    fn sample(&self) {
        let doing = procfs::doing(self.pid);
        let Some(sched) = procfs::sched(self.pid) else { return };
        let user_share = procfs::user_share(self.pid).unwrap_or(1.0);
        let now = monotonic_ns();
        let mut counted = lock(&self.counted);
        // Set before the worker is reaped: what was read above is of this worker only if it is not set now.
        if !self.is_over.load(Ordering::Acquire) {
            counted.sampled(&self.meters, &self.used(sched, user_share, now), doing);
        }
    }

    fn used(&self, sched: Sched, user_share: f64, now: u64) -> Accounting {
        let cpu = sched.cpu_ns.saturating_sub(self.before.cpu_ns);
        let runqueue_ns = sched.runqueue_ns.saturating_sub(self.before.runqueue_ns);
        let wall_ns = now.saturating_sub(self.started_ns);
        let cpu_user_ns = (cpu as f64 * user_share) as u64;
        Accounting {
            cpu_user_ns,
            cpu_system_ns: cpu.saturating_sub(cpu_user_ns),
            runqueue_ns,
            blocked_ns: wall_ns.saturating_sub(cpu + runqueue_ns),
            wall_ns,
            ..Accounting::default()
        }
    }
}

impl Counted {
    fn sampled(&mut self, meters: &Meters, used: &Accounting, doing: Option<Doing>) {
        self.cpu(meters, used);
        raise(&mut self.runqueue_ns, used.runqueue_ns, &meters.runqueue);
        match doing {
            // The CPU time of a running thread lags by up to a tick; the gap is not blocked time.
            Some(Doing::Running) => {}
            Some(Doing::Syscall { number, .. }) => {
                self.syscall = Some(syscalls::index(number));
                self.blocked(meters, used.blocked_ns);
            }
            None => self.blocked(meters, used.blocked_ns),
        }
    }

    /// The share of user time moves between samples: what was counted of it stands, the sum is kept.
    fn cpu(&mut self, meters: &Meters, used: &Accounting) {
        let cpu_ns = used.cpu_user_ns + used.cpu_system_ns;
        let most_user_ns = cpu_ns.saturating_sub(self.cpu_system_ns);
        raise(&mut self.cpu_user_ns, used.cpu_user_ns.min(most_user_ns), &meters.cpu_user);
        let system_ns = cpu_ns.saturating_sub(self.cpu_user_ns);
        raise(&mut self.cpu_system_ns, system_ns, &meters.cpu_system);
    }

    fn blocked(&mut self, meters: &Meters, blocked_ns: u64) {
        let place = &meters.blocked_in[self.syscall.unwrap_or(syscalls::UNSAMPLED)];
        let mut in_place = self.blocked_ns;
        raise(&mut in_place, blocked_ns, place);
        raise(&mut self.blocked_ns, blocked_ns, &meters.blocked);
    }

    fn finish(&mut self, meters: &Meters, used: &Accounting) {
        self.cpu(meters, used);
        raise(&mut self.runqueue_ns, used.runqueue_ns, &meters.runqueue);
        self.blocked(meters, used.blocked_ns);
    }
}

/// Counts what `counter` does not hold yet: it never goes back.
fn raise(counted_ns: &mut u64, total_ns: u64, counter: &Counter) {
    if total_ns > *counted_ns {
        counter.inc_by((total_ns - *counted_ns) as f64 / 1e9);
        *counted_ns = total_ns;
    }
}

impl Watch {
    /// From now on nothing that is read of this process number counts.
    pub fn stop(&self) {
        self.watched.is_over.store(true, Ordering::Release);
    }

    /// The call is over: counts what the samples have not.
    pub fn finish(self, used: &Accounting) {
        lock(&self.watched.counted).finish(&self.watched.meters, used);
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
