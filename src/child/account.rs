//! From what a worker says to an accounting that adds up. The worker may lie: its times are cut to what the proxy saw.

use crate::call::Accounting;
use crate::wire::Spent;

/// What the proxy itself saw of a call. `CLOCK_MONOTONIC` nanoseconds, in this order.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// It began to wait for a slot.
    pub arrived_ns: u64,
    /// It got one.
    pub granted_ns: u64,
    /// It was sent to its worker.
    pub sent_ns: u64,
    /// The answer came, or the call was cut.
    pub ended_ns: u64,
}

/// The accounting of a call: its parts add up to its wall time exactly, whatever `spent` says.
#[must_use]
pub fn settle(seen: Seen, spent: Spent) -> Accounting {
    let started = spent.started_ns.clamp(seen.sent_ns, seen.ended_ns);
    let ended = spent.ended_ns.clamp(started, seen.ended_ns);
    let mut left = ended - started;
    let mut take = |claimed: u64| {
        let taken = claimed.min(left);
        left -= taken;
        taken
    };
    let cpu_user_ns = take(spent.cpu_user_ns);
    let cpu_system_ns = take(spent.cpu_system_ns);
    let runqueue_ns = take(spent.runqueue_ns);
    Accounting {
        queue_ns: seen.granted_ns - seen.arrived_ns,
        start_ns: started - seen.granted_ns,
        cpu_user_ns,
        cpu_system_ns,
        runqueue_ns,
        blocked_ns: left,
        wall_ns: ended - seen.arrived_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen = Seen { arrived_ns: 100, granted_ns: 200, sent_ns: 250, ended_ns: 1000 };

    fn sum(a: Accounting) -> u64 {
        a.queue_ns + a.start_ns + a.cpu_user_ns + a.cpu_system_ns + a.runqueue_ns + a.blocked_ns
    }

    #[test]
    fn an_honest_worker_is_believed() {
        let spent = Spent {
            started_ns: 300,
            ended_ns: 900,
            cpu_user_ns: 50,
            cpu_system_ns: 20,
            runqueue_ns: 30,
        };
        let accounting = settle(SEEN, spent);
        assert_eq!(accounting.start_ns, 100);
        assert_eq!(accounting.blocked_ns, 500);
        assert_eq!(accounting.wall_ns, 800);
        assert_eq!(sum(accounting), accounting.wall_ns);
    }

    #[test]
    fn a_liar_cannot_break_the_sum() {
        let extremes = [0, 1, 260, 999, u64::MAX];
        for started_ns in extremes {
            for ended_ns in extremes {
                for cpu in extremes {
                    let spent = Spent {
                        started_ns,
                        ended_ns,
                        cpu_user_ns: cpu,
                        cpu_system_ns: cpu,
                        runqueue_ns: cpu,
                    };
                    let accounting = settle(SEEN, spent);
                    assert_eq!(sum(accounting), accounting.wall_ns, "{spent:?}");
                    assert!(accounting.wall_ns <= 900, "{spent:?}");
                }
            }
        }
    }
}
