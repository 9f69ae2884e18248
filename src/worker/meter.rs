//! What a call takes on this thread: wall time, CPU, and the wait for a CPU. What is left was blocked.

use crate::sys::clock::{self, Usage};
use crate::wire::Spent;

/// The clocks before a call.
pub struct Meter {
    runqueue_ns: u64,
    usage: Usage,
    started_ns: u64,
    cpu_ns: u64,
}

impl Meter {
    /// Reads the slow clocks first, so that the wall time holds little but the call.
    #[must_use]
    pub fn start() -> Self {
        let runqueue_ns = clock::thread_runqueue_ns().unwrap_or(0);
        let usage = clock::thread_usage();
        let started_ns = clock::monotonic_ns();
        Self { runqueue_ns, usage, started_ns, cpu_ns: clock::thread_cpu_ns() }
    }

    /// Reads them again, the other way round; the parts never exceed the wall time.
    #[must_use]
    pub fn stop(self) -> Spent {
        let cpu = clock::thread_cpu_ns().saturating_sub(self.cpu_ns);
        let ended_ns = clock::monotonic_ns();
        let usage = clock::thread_usage();
        let wall = ended_ns.saturating_sub(self.started_ns);
        let cpu = cpu.min(wall);
        let cpu_system_ns = share(
            cpu,
            usage.user_ns.saturating_sub(self.usage.user_ns),
            usage.system_ns.saturating_sub(self.usage.system_ns),
        );
        Spent {
            started_ns: self.started_ns,
            ended_ns,
            cpu_user_ns: cpu - cpu_system_ns,
            cpu_system_ns,
            runqueue_ns: self.runqueue_until(usage).min(wall - cpu),
        }
    }

    /// The slowest of the clocks is read only where it can have moved.
    fn runqueue_until(&self, usage: Usage) -> u64 {
        let has_waited = usage.switches != self.usage.switches;
        let now = if has_waited { clock::thread_runqueue_ns() } else { None };
        now.unwrap_or(0).saturating_sub(self.runqueue_ns)
    }
}

/// The part of `total` that was spent in the system; without any proportion, none.
fn share(total: u64, user: u64, system: u64) -> u64 {
    let both = u128::from(user) + u128::from(system);
    let share = (u128::from(total) * u128::from(system)).checked_div(both).unwrap_or(0);
    u64::try_from(share).unwrap_or(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_divided_in_proportion() {
        let cases = [
            (100, 0, 0, 0),
            (100, 7, 0, 0),
            (100, 0, 7, 100),
            (100, 1, 1, 50),
            (99, 1, 2, 66),
            (u64::MAX, u64::MAX, u64::MAX, u64::MAX / 2),
        ];
        for (total, user, system, expected) in cases {
            assert_eq!(share(total, user, system), expected);
        }
    }

    #[test]
    fn the_parts_never_exceed_the_whole() {
        let meter = Meter::start();
        let sum = (0..1_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(sum);
        let spent = meter.stop();
        let parts = spent.cpu_user_ns + spent.cpu_system_ns + spent.runqueue_ns;
        assert!(parts <= spent.ended_ns - spent.started_ns, "{spent:?}");
        assert!(parts > 0);
    }
}
