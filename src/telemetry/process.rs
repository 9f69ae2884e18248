//! Metrics of the proxy's own process from `/proc/self` (`proc_pid_stat(5)`), read at each scrape.
//! CPU time keeps its fractions, unlike that of the prometheus crate's own collector.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Opts};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Collects the `cofferdam_process_*` families.
pub struct ProcessCollector {
    cpu: Counter,
    resident: Gauge,
    open_descriptors: Gauge,
    max_descriptors: Gauge,
    threads: Gauge,
    start_time: Gauge,
}

macro_rules! single {
    ($kind:ty, $name:literal, $help:literal) => {
        <$kind>::with_opts(Opts::new($name, $help))
    };
}

impl ProcessCollector {
    /// Of this process.
    ///
    /// # Errors
    /// A name that is no metric name: a defect of this file.
    pub fn new() -> prometheus::Result<Self> {
        Ok(Self {
            cpu: single!(Counter, "cofferdam_process_cpu_seconds_total", "User and system CPU.")?,
            resident: single!(Gauge, "cofferdam_process_resident_memory_bytes", "Resident set.")?,
            open_descriptors: single!(Gauge, "cofferdam_process_open_fds", "Open descriptors.")?,
            max_descriptors: single!(Gauge, "cofferdam_process_max_fds", "Descriptors allowed.")?,
            threads: single!(Gauge, "cofferdam_process_threads", "Threads.")?,
            start_time: single!(
                Gauge,
                "cofferdam_process_start_time_seconds",
                "When the process started, Unix time."
            )?,
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
        self.resident.set(field(24)? * page_size() as f64);
        self.open_descriptors.set(fs::read_dir("/proc/self/fd").ok()?.count() as f64);
        let limit = getrlimit(Resource::Nofile).current;
        self.max_descriptors.set(limit.map_or(f64::INFINITY, |limit| limit as f64));
        Some(())
    }

    fn members(&self) -> [&dyn Collector; 6] {
        [
            &self.cpu,
            &self.resident,
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
        assert!(collector.threads.get() >= 1.0);
        assert!(collector.open_descriptors.get() >= 3.0);
        assert!(collector.start_time.get() > 1.0e9);
    }
}
