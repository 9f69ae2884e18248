//! Every metric, defined once: name, kind, labels, help. `docs/metrics.md` is held against this file.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{
    CounterVec, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use crate::telemetry::exemplars::TracedVec;
use crate::telemetry::exposition::{self, Format};
use crate::telemetry::process;

/// Seconds, from 100 µs to a minute: fast routes and blocking calls share one scale.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];
/// What is the proxy's own is over before others begin.
const MOMENTS: &[f64] =
    &[0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1.0];
/// Waits and starts, of which a function has seven: each bound is paid for in every scrape.
const WAITS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

fn bounds(name: &str) -> &'static [f64] {
    match name {
        "cofferdam_http_overhead_seconds" => MOMENTS,
        "cofferdam_queue_wait_seconds" | "cofferdam_worker_start_seconds" => WAITS,
        _ => SECONDS,
    }
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// One metric, as it stands in the table.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: Labels,
    /// What it says, in a sentence.
    pub help: &'static str,
}

impl Definition {
    /// The base unit, which its name ends in.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        unit(self.name)
    }
}

/// The base unit of the metric `name`, where it has one: its name ends in it.
#[must_use]
pub fn unit(name: &str) -> Option<&'static str> {
    let bare = name.strip_suffix("_total").unwrap_or(name);
    ["seconds", "bytes"].into_iter().find(|unit| bare.ends_with(unit))
}

/// Names of labels.
type Labels = &'static [&'static str];

/// A kind of metric that the table below can define.
trait Define: Sized + Clone + Collector + 'static {
    const KIND: Kind;
    fn define(name: &'static str, labels: Labels, help: &str) -> prometheus::Result<Self>;
}

macro_rules! define_vec {
    ($($kind:ty: $word:ident)*) => {$(
        impl Define for $kind {
            const KIND: Kind = Kind::$word;
            fn define(name: &'static str, labels: Labels, help: &str) -> prometheus::Result<Self> {
                <$kind>::new(Opts::new(name, help), labels)
            }
        }
    )*};
}
define_vec!(CounterVec: Counter GaugeVec: Gauge IntCounterVec: Counter IntGaugeVec: Gauge);

macro_rules! define_single {
    ($($kind:ty: $word:ident)*) => {$(
        impl Define for $kind {
            const KIND: Kind = Kind::$word;
            fn define(name: &'static str, _labels: Labels, help: &str) -> prometheus::Result<Self> {
                <$kind>::new(name, help)
            }
        }
    )*};
}
define_single!(IntCounter: Counter IntGauge: Gauge);

impl Define for HistogramVec {
    const KIND: Kind = Kind::Histogram;
    fn define(name: &'static str, labels: Labels, help: &str) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(name, help).buckets(bounds(name).to_vec());
        HistogramVec::new(options, labels)
    }
}

impl Define for Gauge {
    const KIND: Kind = Kind::Gauge;
    fn define(name: &'static str, _labels: Labels, help: &str) -> prometheus::Result<Self> {
        Gauge::new(name, help)
    }
}

impl Define for TracedVec {
    const KIND: Kind = Kind::Histogram;
    fn define(name: &'static str, labels: Labels, help: &str) -> prometheus::Result<Self> {
        Ok(TracedVec::new(HistogramVec::define(name, labels, help)?, name, labels, bounds(name)))
    }
}

macro_rules! metrics {
    ($($field:ident: $kind:ty = $name:literal [$($label:literal),*] $help:literal;)*) => {
        const TABLE: &[Definition] = &[$(Definition {
            name: $name,
            kind: <$kind as Define>::KIND,
            labels: &[$($label),*],
            help: $help,
        }),*];

        /// All metric families of one proxy, registered.
        #[derive(Clone)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl Metrics {
            /// Fresh families in a registry of their own.
            ///
            /// # Errors
            /// Two definitions with one name: a defect of this table.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(
                    let $field = <$kind as Define>::define($name, &[$($label),*], $help)?;
                    registry.register(Box::new($field.clone()))?;
                )*
                registry.register(Box::new(process::ProcessCollector::new()?))?;
                Ok(Self { registry, $($field,)* })
            }
        }
    };
}

metrics! {
    http_requests: IntCounterVec = "cofferdam_http_requests_total" ["route", "method", "code"]
        "Requests answered, by status code.";
    http_request_duration: TracedVec = "cofferdam_http_request_duration_seconds" ["route", "code_class"]
        "From the request's head to the end of its answer.";
    http_requests_in_flight: IntGaugeVec = "cofferdam_http_requests_in_flight" ["route"]
        "Requests whose answer has not ended.";
    http_overhead: HistogramVec = "cofferdam_http_overhead_seconds" ["route"]
        "The proxy's own share of a proxied request: until its head was sent on, and after the upstream's head came.";
    http_requests_rejected: IntCounterVec = "cofferdam_http_requests_rejected_total" ["route", "reason"]
        "Requests that the proxy answered itself with an error.";
    http_requests_aborted: IntCounterVec = "cofferdam_http_requests_aborted_total" ["route", "stage"]
        "Requests that ended without a whole answer.";
    connections_open: IntGaugeVec = "cofferdam_connections_open" ["listener"]
        "Client connections.";
    connections: IntCounterVec = "cofferdam_connections_total" ["listener"]
        "Client connections accepted.";
    connection_errors: IntCounterVec = "cofferdam_connection_errors_total" ["reason"]
        "Client connections that failed.";
    tls_expiry: IntGaugeVec = "cofferdam_tls_certificate_expiry_timestamp_seconds" ["listener"]
        "When the listener's certificate ends, in seconds since the Unix epoch.";
    tls_reloads: IntCounterVec = "cofferdam_tls_certificate_reloads_total" ["listener", "result"]
        "Changed certificates taken, or refused because they were broken.";
    queue_depth: IntGaugeVec = "cofferdam_queue_depth" ["function"]
        "Calls waiting for a slot; running ones not counted.";
    queue_limit: IntGaugeVec = "cofferdam_queue_limit" ["function"]
        "Calls that may wait at once.";
    queue_wait: HistogramVec = "cofferdam_queue_wait_seconds" ["function", "outcome"]
        "Time in the queue.";
    queue_oldest_age: GaugeVec = "cofferdam_queue_oldest_age_seconds" ["function"]
        "Age of the call that waits longest; 0 when none waits.";
    slots: IntGaugeVec = "cofferdam_slots" ["function"]
        "Calls that may run at once.";
    slots_in_use: IntGaugeVec = "cofferdam_slots_in_use" ["function"]
        "Slots taken; a slot is free when its worker is reaped and its answer has ended.";
    slot_busy: CounterVec = "cofferdam_slot_busy_seconds_total" ["function"]
        "Time slots were taken, summed; grows while calls run.";
    breaker_open: IntGaugeVec = "cofferdam_breaker_open" ["function"]
        "1 while calls are refused because those before them crashed.";
    breaker_opened: IntCounterVec = "cofferdam_breaker_opened_total" ["function", "cause"]
        "Times calls began to be refused because those before them crashed, or could not be started.";
    workers: IntGaugeVec = "cofferdam_workers" ["function", "state"]
        "Worker processes by state.";
    worker_starts: IntCounterVec = "cofferdam_worker_starts_total" ["function", "kind"]
        "Workers started, on demand, ahead as spares, or as templates that fork others.";
    worker_start_failures: IntCounterVec = "cofferdam_worker_start_failures_total" ["function", "phase"]
        "Workers that never became ready, by the step that failed.";
    worker_start: HistogramVec = "cofferdam_worker_start_seconds" ["function", "phase"]
        "Time to start a worker, by step.";
    worker_exits: IntCounterVec = "cofferdam_worker_exits_total" ["function", "reason"]
        "Workers reaped, by why they ended.";
    worker_kills: IntCounterVec = "cofferdam_worker_kills_total" ["function", "cause", "signal"]
        "Signals sent to end workers, by cause.";
    worker_leftovers: IntCounterVec = "cofferdam_worker_leftovers_total" ["function"]
        "Processes that calls left behind, ended after them.";
    retirements: IntCounterVec = "cofferdam_worker_retirements_total" ["function", "reason"]
        "Workers of pools replaced between two calls, by why.";
    spare_lookups: IntCounterVec = "cofferdam_spare_lookups_total" ["function", "result"]
        "Calls that found a spare (hit) or had to start a worker (miss).";
    spares_wanted: IntGaugeVec = "cofferdam_spares_wanted" ["function"]
        "Workers that are to be started ahead now.";
    spares_limit: IntGaugeVec = "cofferdam_spares_limit" ["function"]
        "Workers that may be started ahead.";
    worker_max_resident: GaugeVec = "cofferdam_worker_max_resident_bytes" ["function"]
        "Largest resident set of any worker so far.";
    sandbox_info: IntGaugeVec = "cofferdam_sandbox_info" ["function", "level"]
        "1 for the level that the function's sandbox begins with.";
    sandbox_degraded: IntGaugeVec = "cofferdam_sandbox_degraded" ["function", "feature"]
        "1 where this machine lacks what the function's sandbox asks for.";
    library_info: IntGaugeVec = "cofferdam_function_library_info" ["function", "build_id"]
        "1 for the version of the function's library that new calls get.";
    library_reloads: IntCounterVec = "cofferdam_library_reloads_total" ["function", "result"]
        "New versions of the function's library put in service, or refused.";
    library_last_reload: IntGaugeVec = "cofferdam_library_last_reload_successful" ["function"]
        "0 while the library's file on disk is one that was refused.";
    calls: IntCounterVec = "cofferdam_calls_total" ["function", "outcome"]
        "Calls ended, by outcome.";
    call_retries: IntCounterVec = "cofferdam_call_retries_total" ["function"]
        "Runs of calls that crashed and were begun again in another worker.";
    poisoned: IntCounterVec = "cofferdam_poisoned_total" ["function"]
        "Requests refused because their like have killed workers.";
    dossiers: IntCounterVec = "cofferdam_dossiers_total" ["result"]
        "Deaths of workers by a signal, by what became of their dossier.";
    call_duration: TracedVec = "cofferdam_call_duration_seconds" ["function"]
        "From the grant of a slot to the end of the call.";
    call_time: CounterVec = "cofferdam_call_time_seconds_total" ["function", "state"]
        "Where the time of calls went; grows while they run.";
    call_blocked: CounterVec = "cofferdam_call_blocked_seconds_total" ["function", "syscall"]
        "Blocked time by system call: sampled shares of the blocked time of cofferdam_call_time_seconds_total.";
    slow_calls: IntCounterVec = "cofferdam_slow_calls_total" ["function"]
        "Calls that took longer than slow_log; counted as soon as they do.";
    slow_calls_unlogged: IntCounterVec = "cofferdam_slow_calls_unlogged_total" ["function"]
        "Slow calls without a line in the log, since there were too many at once.";
    sampled_calls: Gauge = "cofferdam_sampled_calls" []
        "Running calls that are looked at.";
    sample_interval: Gauge = "cofferdam_sample_interval_seconds" []
        "Time between two looks at each running call; longer than accounting.interval where there are many.";
    upstream_requests: IntCounterVec = "cofferdam_upstream_requests_total" ["upstream", "outcome"]
        "Requests passed to an upstream, by how its answers began or failed.";
    upstream_in_flight: IntGaugeVec = "cofferdam_upstream_in_flight" ["upstream"]
        "Requests at an upstream whose answer has not ended.";
    upstream_head: HistogramVec = "cofferdam_upstream_head_seconds" ["upstream"]
        "From a request sent to the head of its answer.";
    upstream_connect: HistogramVec = "cofferdam_upstream_connect_seconds" ["upstream"]
        "Time to connect, TLS included; connects that failed are not counted.";
    upstream_connections: IntGaugeVec = "cofferdam_upstream_connections" ["upstream"]
        "Open connections, idle ones and those of health checks among them.";
    upstream_errors: IntCounterVec = "cofferdam_upstream_errors_total" ["upstream", "reason"]
        "What went wrong between the proxy and an upstream, retried or not.";
    upstream_retries: IntCounterVec = "cofferdam_upstream_retries_total" ["upstream"]
        "Requests and connects that were tried once more.";
    upstream_up: IntGaugeVec = "cofferdam_upstream_up" ["upstream", "endpoint"]
        "1 while a configured URL has an address that health checks do not hold down.";
    upstream_ejections: IntCounterVec = "cofferdam_upstream_ejections_total" ["upstream"]
        "Times an address was left out after failures in a row.";
    upstream_limit: IntGaugeVec = "cofferdam_upstream_limit" ["upstream"]
        "Requests that may be in flight at once; 0 where there is no limit.";
    upstream_queue_depth: IntGaugeVec = "cofferdam_upstream_queue_depth" ["upstream"]
        "Requests that wait for others to end.";
    upstream_queue_limit: IntGaugeVec = "cofferdam_upstream_queue_limit" ["upstream"]
        "Requests that may wait at once.";
    event_loop_lag: HistogramVec = "cofferdam_event_loop_lag_seconds" ["worker"]
        "How late a timer of each event loop fired.";
    inline_stalls: IntCounterVec = "cofferdam_inline_stalls_total" ["function"]
        "Calls on an event loop that held it longer than accounting.stall_after.";
    event_loop_stalls: IntCounterVec = "cofferdam_event_loop_stalls_total" ["worker"]
        "Times an event loop was held longer than accounting.stall_after.";
    handovers: IntCounterVec = "cofferdam_handovers_total" ["result"]
        "New processes started by SIGUSR2, by whether they took over.";
    log_lines_dropped: IntCounter = "cofferdam_log_lines_dropped_total" []
        "Log lines lost because whoever reads the log is too slow.";
    last_reload_successful: IntGauge = "cofferdam_config_last_reload_successful" []
        "1 where the configuration that was read last is in use.";
    last_reload_success: IntGauge = "cofferdam_config_last_reload_success_timestamp_seconds" []
        "When the configuration in use was taken, in seconds since the Unix epoch.";
    build_info: IntGaugeVec = "cofferdam_build_info" ["version"]
        "1, with the version of the running program.";
}

impl Metrics {
    /// The configuration that was read last is in use from now on.
    pub fn configured(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_reload_success.set(now.as_secs() as i64);
        self.last_reload_successful.set(1);
    }

    /// All families. Encode off the event loops.
    #[must_use]
    pub fn encode(&self, format: Format) -> String {
        let traced = [&self.http_request_duration, &self.call_duration];
        exposition::write(&self.registry.gather(), format, &traced)
    }

    /// How many series there are now: the lines of a scrape that are no comments.
    #[must_use]
    pub fn series(&self) -> usize {
        let lines = |family: &MetricFamily| -> usize {
            // Its buckets, the last one without a bound, sum and count.
            let lines = |metric: &Metric| match family.get_field_type() {
                MetricType::HISTOGRAM => metric.get_histogram().get_bucket().len() + 3,
                _ => 1,
            };
            family.get_metric().iter().map(lines).sum()
        };
        self.registry.gather().iter().map(lines).sum()
    }
}

/// Every metric, by name.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    let mut all = [TABLE, &process::DEFINITIONS].concat();
    all.sort_by_key(|one| one.name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_registers_and_encodes() {
        let metrics = Metrics::new().unwrap();
        metrics.calls.with_label_values(&["f", "ok"]).inc();
        let text = metrics.encode(Format::Text);
        assert!(text.contains("cofferdam_calls_total{function=\"f\",outcome=\"ok\"} 1"), "{text}");
        assert!(text.contains("process_open_fds"), "{text}");
    }
}
