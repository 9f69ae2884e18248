//! How late each event loop is: whatever holds it shows here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::{Histogram, IntCounter};
use tokio::time::sleep_until;
use tracing::warn;

use crate::sys::clock::monotonic_ns;
use crate::telemetry::Metrics;

/// How often each loop looks how late it is.
pub const PROBE: Duration = Duration::from_millis(100);
/// Of a loop that does not run: it is never late.
const AT_REST: u64 = u64::MAX;

/// How often each loop has turned.
pub struct Pulse(Vec<Arc<Turn>>);

impl Pulse {
    /// Of loops that have these probes.
    #[must_use]
    pub fn of<'a>(probes: impl Iterator<Item = &'a Probe>) -> Self {
        Self(probes.map(|probe| Arc::clone(&probe.turn)).collect())
    }

    /// One number a loop; while a loop turns it grows each 100 ms.
    #[must_use]
    pub fn beats(&self) -> Vec<u64> {
        self.0.iter().map(|turn| turn.beat.load(Ordering::Relaxed)).collect()
    }
}

/// What others may know of a loop while it cannot tell them itself.
pub struct Turn {
    /// Its number.
    pub number: usize,
    thread: AtomicU32,
    beat: AtomicU64,
    due_ns: AtomicU64,
    counted_ns: AtomicU64,
    stall_after: Duration,
    stalls: IntCounter,
}

impl Turn {
    /// For how long the loop is held, where that is longer than it may be, and nobody has counted it yet.
    #[must_use]
    pub fn new_stall(&self) -> Option<Duration> {
        // The clock first: a loop that turns meanwhile is not late.
        let now = monotonic_ns();
        let due_ns = self.due_ns.load(Ordering::Acquire);
        let held = Duration::from_nanos(now.saturating_sub(due_ns));
        (held > self.stall_after && self.count(due_ns)).then_some(held)
    }

    /// The number of its thread.
    #[must_use]
    pub fn thread(&self) -> u32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// Whoever sees a stall first counts it: the one after which the loop was due then.
    fn count(&self, due_ns: u64) -> bool {
        let is_first = self.counted_ns.fetch_max(due_ns, Ordering::Relaxed) < due_ns;
        if is_first {
            self.stalls.inc();
        }
        is_first
    }
}

/// Measures how late timers fire.
#[derive(Clone)]
pub struct Probe {
    turn: Arc<Turn>,
    lag: Histogram,
}

impl Probe {
    /// Of the loop with this number; its metrics stand at 0 from now on.
    #[must_use]
    pub fn new(metrics: &Metrics, stall_after: Duration, number: usize) -> Self {
        let label = &[&number.to_string()];
        let turn = Turn {
            number,
            thread: AtomicU32::default(),
            beat: AtomicU64::default(),
            due_ns: AtomicU64::new(AT_REST),
            counted_ns: AtomicU64::default(),
            stall_after,
            stalls: metrics.event_loop_stalls.with_label_values(label),
        };
        Self { turn: Arc::new(turn), lag: metrics.event_loop_lag.with_label_values(label) }
    }

    /// For who looks from outside.
    #[must_use]
    pub fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }

    /// Measures for ever.
    pub async fn watch(self) {
        let turn = Running::here(&self.turn).0;
        loop {
            let due = Instant::now() + PROBE;
            let due_ns = monotonic_ns() + PROBE.as_nanos() as u64;
            turn.due_ns.store(due_ns, Ordering::Release);
            sleep_until(due.into()).await;
            let lag = due.elapsed();
            turn.beat.fetch_add(1, Ordering::Relaxed);
            self.lag.observe(lag.as_secs_f64());
            if lag > turn.stall_after {
                turn.count(due_ns);
                warn!(
                    "event loop {} was held for {lag:?}: every request on it waited",
                    turn.number
                );
            }
        }
    }
}

/// A loop that runs on this thread, until this is dropped.
struct Running<'a>(&'a Turn);

impl<'a> Running<'a> {
    fn here(turn: &'a Turn) -> Self {
        turn.thread
            .store(rustix::thread::gettid().as_raw_nonzero().get() as u32, Ordering::Relaxed);
        Self(turn)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.due_ns.store(AT_REST, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_counted_once_whoever_sees_it() {
        let metrics = Metrics::new().unwrap();
        let probe = Probe::new(&metrics, Duration::from_millis(10), 0);
        let turn = probe.turn();
        assert_eq!(turn.new_stall(), None, "at rest");
        let running = Running::here(turn);
        let past = monotonic_ns() - 20_000_000;
        turn.due_ns.store(past, Ordering::Release);
        assert!(turn.new_stall().is_some_and(|held| held >= Duration::from_millis(20)));
        assert_eq!((turn.new_stall(), turn.count(past)), (None, false), "the same one");
        assert!(turn.count(past + 1), "the next one");
        assert_eq!(turn.stalls.get(), 2);
        turn.due_ns.store(past + 2, Ordering::Release);
        drop(running);
        assert_eq!(turn.new_stall(), None, "a loop that has ended is not late");
    }
}
