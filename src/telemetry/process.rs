//! Metrics of the proxy's own process from `/proc/self` (`proc_pid_stat(5)`), read at each scrape, under the names that all
//! client libraries use. CPU time keeps its fractions, unlike that of the prometheus crate's own collector.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::telemetry::metrics::{Definition, Kind};

/// Collects the `process_*` families.
pub struct ProcessCollector {
    cpu: Counter,
    resident: Gauge,
    virtual_memory: Gauge,
    open_descriptors: Gauge,
    max_descriptors: Gauge,
    threads: Gauge,
    start_time: Gauge,
}

const CPU: Definition = single("process_cpu_seconds_total", Kind::Counter, "User and system CPU.");
const RESIDENT: Definition =
    single("process_resident_memory_bytes", Kind::Gauge, "Resident memory.");
const VIRTUAL: Definition = single("process_virtual_memory_bytes", Kind::Gauge, "Address space.");
const OPEN_FDS: Definition = single("process_open_fds", Kind::Gauge, "Open descriptors.");
const MAX_FDS: Definition = single("process_max_fds", Kind::Gauge, "Descriptors allowed.");
const THREADS: Definition = single("process_threads", Kind::Gauge, "Threads.");
const START: Definition = single(
    "process_start_time_seconds",
    Kind::Gauge,
    "When the process started, in seconds since the Unix epoch.",
);

/// All of them.
pub const DEFINITIONS: [Definition; 7] =
    [CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, THREADS, START];

const fn single(name: &'static str, kind: Kind, help: &'static str) -> Definition {
    Definition { name, kind, labels: &[], help }
}

impl ProcessCollector {
    /// Of this process.
    ///
    /// # Errors
    /// A name that is no metric name: a defect of this file.
    pub fn new() -> prometheus::Result<Self> {
        let gauge = |definition: Definition| Gauge::new(definition.name, definition.help);
        Ok(Self {
            cpu: Counter::new(CPU.name, CPU.help)?,
            resident: gauge(RESIDENT)?,
            virtual_memory: gauge(VIRTUAL)?,
            open_descriptors: gauge(OPEN_FDS)?,
            max_descriptors: gauge(MAX_FDS)?,
            threads: gauge(THREADS)?,
            start_time: gauge(START)?,
        })
    }

    fn read(&self) -> Option<()> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = clock_ticks_per_second() as f64;
        let cpu = (field(14)? + field(15)?) / ticks;
        self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        self.threads.set(field(20)?);
        self.start_time.set(boot_time()? + field(22)? / ticks);
        self.virtual_memory.set(field(23)?);
        self.resident.set(field(24)? * page_size() as f64);
        self.open_descriptors.set(fs::read_dir("/proc/self/fd").ok()?.count() as f64);
        let limit = getrlimit(Resource::Nofile).current;
        self.max_descriptors.set(limit.map_or(f64::INFINITY, |limit| limit as f64));
        Some(())
    }

    fn members(&self) -> [&dyn Collector; DEFINITIONS.len()] {
        [
            &self.cpu,
            &self.resident,
            &self.virtual_memory,
            &self.open_descriptors,
            &self.max_descriptors,
            &self.threads,
            &self.start_time,
        ]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.members().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _unreadable_keeps_the_last_values = self.read();
        self.members().into_iter().flat_map(Collector::collect).collect()
    }
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_numbers() {
        let collector = ProcessCollector::new().unwrap();
        collector.read().unwrap();
        assert!(collector.resident.get() > 100_000.0);
        assert!(collector.virtual_memory.get() >= collector.resident.get());
        assert!(collector.threads.get() >= 1.0);
        assert!(collector.open_descriptors.get() >= 3.0);
        assert!(collector.start_time.get() > 1.0e9);
    }
}
