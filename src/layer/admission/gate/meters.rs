//! A gate's metric handles.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

use crate::call::Ending;
use crate::config::Function;
use crate::handler::Error;
use crate::telemetry::Metrics;

pub(super) struct Meters {
    pub(super) depth: IntGauge,
    pub(super) oldest_age: Gauge,
    pub(super) in_use: IntGauge,
    pub(super) stuck: IntGauge,
    pub(super) busy: Counter,
    pub(super) wait_granted: Histogram,
    pub(super) wait_timeout: Histogram,
    pub(super) wait_left: Histogram,
    pub(super) wait_refused: Histogram,
    pub(super) breaker_open: IntGauge,
    opened: [IntCounter; 2],
}

impl Meters {
    pub(super) fn new(metrics: &Metrics, function: &Function, slots: usize) -> Self {
        let name = &[function.name.as_str()];
        let wait = |outcome| metrics.queue_wait.with_label_values(&[name[0], outcome]);
        let opened = |cause| metrics.breaker_opened.with_label_values(&[name[0], cause]);
        metrics.slots.with_label_values(name).set(slots as i64);
        metrics.queue_limit.with_label_values(name).set(function.queue.length as i64);
        Self {
            depth: metrics.queue_depth.with_label_values(name),
            oldest_age: metrics.queue_oldest_age.with_label_values(name),
            in_use: metrics.slots_in_use.with_label_values(name),
            stuck: metrics.workers.with_label_values(&[name[0], "stuck"]),
            busy: metrics.slot_busy.with_label_values(name),
            wait_granted: wait("granted"),
            wait_timeout: wait("timeout"),
            wait_left: wait("left"),
            wait_refused: wait("refused"),
            breaker_open: metrics.breaker_open.with_label_values(name),
            opened: ["crash", "start"].map(opened),
        }
    }

    pub(super) fn breaker_opened(&self, because: Ending) {
        self.breaker_open.set(1);
        self.opened[usize::from(because != Ending::Crashed)].inc();
    }

    /// Where a wait that ended so is counted.
    pub(super) fn wait_of(&self, refused: &Error) -> &Histogram {
        match refused {
            Error::TooLate { .. } | Error::QueueTimeout { .. } => &self.wait_timeout,
            _ => &self.wait_refused,
        }
    }
}
