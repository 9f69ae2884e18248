//! How late each event loop is: whatever holds it shows here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::{Histogram, IntCounter};
use tokio::time::sleep_until;
use tracing::warn;

use crate::server::Shared;

/// How often each loop looks how late it is.
const PROBE: Duration = Duration::from_millis(100);

/// How often each loop has turned.
pub struct Pulse(Vec<Arc<AtomicU64>>);

impl Pulse {
    /// Of loops that have these probes.
    #[must_use]
    pub fn of<'a>(probes: impl Iterator<Item = &'a Probe>) -> Self {
        Self(probes.map(|probe| Arc::clone(&probe.beat)).collect())
    }

    /// One number a loop; while a loop turns it grows each 100 ms.
    #[must_use]
    pub fn beats(&self) -> Vec<u64> {
        self.0.iter().map(|beat| beat.load(Ordering::Relaxed)).collect()
    }
}

/// Measures how late timers fire.
#[derive(Clone)]
pub struct Probe {
    number: usize,
    beat: Arc<AtomicU64>,
    stall_after: Duration,
    lag: Histogram,
    stalls: IntCounter,
}

impl Probe {
    /// Of the loop with this number; its metrics stand at 0 from now on.
    #[must_use]
    pub fn new(shared: &Shared, number: usize) -> Self {
        let label = &[&number.to_string()];
        Self {
            number,
            beat: Arc::default(),
            stall_after: shared.config.accounting.stall_after,
            lag: shared.metrics.event_loop_lag.with_label_values(label),
            stalls: shared.metrics.event_loop_stalls.with_label_values(label),
        }
    }

    /// Measures for ever.
    pub async fn watch(self) {
        loop {
            let due = Instant::now() + PROBE;
            sleep_until(due.into()).await;
            let lag = due.elapsed();
            self.beat.fetch_add(1, Ordering::Relaxed);
            self.lag.observe(lag.as_secs_f64());
            if lag > self.stall_after {
                self.stalls.inc();
                warn!(
                    "event loop {} was held for {lag:?}: every request on it waited",
                    self.number
                );
            }
        }
    }
}
