//! A function's metric handles on the workers' floor, resolved once; all fixed labels exist at 0 from then on.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

use crate::call::Ending;
use crate::child::life::Cause;
use crate::child::wear::Worn;
use crate::sys::syscalls;
use crate::telemetry::Metrics;
use crate::telemetry::exemplars::Traced;
use crate::wire::Phase;

/// Handles of one function.
#[derive(Clone)]
#[allow(missing_docs, reason = "each is the metric of its name")]
pub struct Meters {
    pub workers_starting: IntGauge,
    pub workers_spare: IntGauge,
    pub workers_idle: IntGauge,
    pub workers_template: IntGauge,
    pub workers_busy: IntGauge,
    pub workers_draining: IntGauge,
    pub workers_stuck: IntGauge,
    pub starts_demand: IntCounter,
    pub starts_spare: IntCounter,
    pub starts_template: IntCounter,
    pub start_failures: [IntCounter; 4],
    pub start_spawn: Histogram,
    pub start_load: Histogram,
    pub start_init: Histogram,
    pub exits_done: IntCounter,
    pub exits_crash: IntCounter,
    pub exits_exit: IntCounter,
    pub exits_killed: IntCounter,
    pub spare_hits: IntCounter,
    pub spare_misses: IntCounter,
    pub spares_wanted: IntGauge,
    pub spares_limit: IntGauge,
    pub max_resident: Gauge,
    pub call_retries: IntCounter,
    pub call_duration: Traced,
    pub slow_calls: IntCounter,
    pub slow_calls_unlogged: IntCounter,
    pub cpu_user: Counter,
    pub cpu_system: Counter,
    pub runqueue: Counter,
    pub blocked: Counter,
    pub blocked_in: Vec<Counter>,
    terminated: [IntCounter; 5],
    killed: [IntCounter; 5],
    calls: [IntCounter; OUTCOMES.len()],
    retirements: [IntCounter; 6],
}

/// The label `outcome` of `cofferdam_calls_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the word of its name")]
pub enum CallOutcome {
    Ok,
    Failed,
    Timeout,
    Crash,
    Exit,
    Oom,
    SandboxViolation,
    Protocol,
    ReplyTooLarge,
    StartFailed,
    LoadFailed,
    Cancelled,
}

impl CallOutcome {
    /// What it says of the function.
    #[must_use]
    pub fn ending(self) -> Ending {
        match self {
            CallOutcome::Ok | CallOutcome::Failed | CallOutcome::ReplyTooLarge => Ending::Answered,
            CallOutcome::Crash
            | CallOutcome::Exit
            | CallOutcome::Oom
            | CallOutcome::SandboxViolation
            | CallOutcome::Protocol => Ending::Crashed,
            CallOutcome::StartFailed => Ending::Unstarted,
            CallOutcome::LoadFailed => Ending::Unloaded,
            CallOutcome::Timeout | CallOutcome::Cancelled => Ending::Cut,
        }
    }
}

const OUTCOMES: [&str; 12] = [
    "ok",
    "failed",
    "timeout",
    "crash",
    "exit",
    "oom",
    "sandbox_violation",
    "protocol",
    "reply_too_large",
    "start_failed",
    "load_failed",
    "cancelled",
];
/// In the order of [`Worn`].
const WORN: [&str; 6] = ["calls", "age", "memory", "idle", "protocol", "ended"];
const CAUSES: [&str; 5] = ["timeout", "cancel", "protocol", "grace", "drain"];
const PHASES: [&str; 4] = ["spawn", "confine", "load", "init"];

impl CallOutcome {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

impl Meters {
    /// The handles of the function `name`.
    #[must_use]
    pub fn new(metrics: &Metrics, name: &str) -> Self {
        let workers = |state| metrics.workers.with_label_values(&[name, state]);
        let starts = |kind| metrics.worker_starts.with_label_values(&[name, kind]);
        let start = |phase| metrics.worker_start.with_label_values(&[name, phase]);
        let exits = |reason| metrics.worker_exits.with_label_values(&[name, reason]);
        let lookups = |result| metrics.spare_lookups.with_label_values(&[name, result]);
        let time = |state| metrics.call_time.with_label_values(&[name, state]);
        let blocked =
            |index| metrics.call_blocked.with_label_values(&[name, syscalls::name(index)]);
        let kills = |signal| {
            CAUSES.map(|cause| metrics.worker_kills.with_label_values(&[name, cause, signal]))
        };
        let failures = |phase| metrics.worker_start_failures.with_label_values(&[name, phase]);
        Self {
            workers_starting: workers("starting"),
            workers_spare: workers("spare"),
            workers_idle: workers("idle"),
            workers_template: workers("template"),
            workers_busy: workers("busy"),
            workers_draining: workers("draining"),
            workers_stuck: workers("stuck"),
            starts_demand: starts("demand"),
            starts_spare: starts("spare"),
            starts_template: starts("template"),
            start_failures: PHASES.map(failures),
            start_spawn: start("spawn"),
            start_load: start("load"),
            start_init: start("init"),
            exits_done: exits("done"),
            exits_crash: exits("crash"),
            exits_exit: exits("exit"),
            exits_killed: exits("killed"),
            spare_hits: lookups("hit"),
            spare_misses: lookups("miss"),
            spares_wanted: metrics.spares_wanted.with_label_values(&[name]),
            spares_limit: metrics.spares_limit.with_label_values(&[name]),
            max_resident: metrics.worker_max_resident.with_label_values(&[name]),
            call_retries: metrics.call_retries.with_label_values(&[name]),
            slow_calls: metrics.slow_calls.with_label_values(&[name]),
            slow_calls_unlogged: metrics.slow_calls_unlogged.with_label_values(&[name]),
            call_duration: metrics.call_duration.with_label_values(&[name]),
            cpu_user: time("cpu_user"),
            cpu_system: time("cpu_system"),
            runqueue: time("runqueue"),
            blocked: time("blocked"),
            blocked_in: (0..syscalls::COUNT).map(blocked).collect(),
            terminated: kills("SIGTERM"),
            killed: kills("SIGKILL"),
            calls: OUTCOMES.map(|word| metrics.calls.with_label_values(&[name, word])),
            retirements: WORN.map(|word| metrics.retirements.with_label_values(&[name, word])),
        }
    }

    /// Counts a SIGTERM.
    pub fn count_terminate(&self, cause: Cause) {
        self.terminated[cause as usize].inc();
    }

    /// Counts a SIGKILL.
    pub fn count_kill(&self, cause: Cause) {
        self.killed[cause as usize].inc();
    }

    /// Counts a start that failed.
    pub fn count_start_failure(&self, phase: Phase) {
        self.start_failures[phase as usize].inc();
    }

    /// Counts a worker of a pool that is replaced.
    pub fn count_retirement(&self, why: Worn) {
        self.retirements[why as usize].inc();
    }

    /// Counts the end of a call.
    pub fn count_call(&self, outcome: CallOutcome) {
        self.calls[outcome as usize].inc();
    }
}

/// Counts something in `gauge` for as long as it lives.
pub struct Counted(IntGauge);

impl Counted {
    /// One more.
    #[must_use]
    pub fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
