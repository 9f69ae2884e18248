//! How many spares are needed: as many as calls arrive while one starts, and room for chance.

use std::time::{Duration, Instant};

/// Arrivals are counted for at least so long.
const WINDOW: f64 = 0.1;
/// How long a rate is remembered when fewer calls arrive.
const MEMORY: f64 = 10.0;

/// What arrives, and what a start takes.
pub(super) struct Demand {
    since: Instant,
    arrivals: u32,
    /// Calls a second: it follows a rise at once, a fall slowly.
    rate: f64,
    /// Seconds.
    start: f64,
}

impl Demand {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, arrivals: 0, rate: 0.0, start: 0.0 }
    }

    /// A call took a spare, or would have.
    pub(super) fn arrived(&mut self) {
        self.arrivals = self.arrivals.saturating_add(1);
    }

    /// A start has taken so long, from the moment when it was needed.
    pub(super) fn started(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        let is_first = self.start == 0.0;
        self.start = if is_first { took } else { self.start + (took - self.start) / 8.0 };
    }

    /// Calls that arrive while one worker starts.
    pub(super) fn meanwhile(&mut self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        if passed >= WINDOW {
            let rate = f64::from(self.arrivals) / passed;
            let kept = (self.rate - rate).max(0.0) * (-passed / MEMORY).exp();
            self.rate = rate + kept;
            self.arrivals = 0;
            self.since = now;
        }
        self.rate * self.start
    }
}

/// Spares for so many calls: arrivals that know nothing of each other spread by the square root of their number.
pub(super) fn spares_for(calls: f64) -> usize {
    // Beyond a few calls an hour.
    if calls < 1e-4 { 0 } else { (calls + 2.0 * calls.sqrt()).ceil() as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls a second for so many seconds, with starts of so many milliseconds.
    fn runs(demand: &mut Demand, now: &mut Instant, (rate, seconds, start): (u32, u32, u64)) {
        for _ in 0..seconds * 2 {
            (0..rate / 2).for_each(|_| demand.arrived());
            demand.started(Duration::from_millis(start));
            *now += Duration::from_millis(500);
            demand.meanwhile(*now);
        }
    }

    #[test]
    fn it_is_the_rate_times_the_start() {
        for (rate, start, expected) in
            [(0, 5, 0), (10, 1, 1), (100, 5, 2), (500, 2, 3), (20, 200, 8), (1000, 4, 8)]
        {
            let mut now = Instant::now();
            let mut demand = Demand::new(now);
            runs(&mut demand, &mut now, (rate, 30, start));
            assert_eq!(spares_for(demand.meanwhile(now)), expected, "{rate}/s × {start} ms");
        }
    }

    #[test]
    fn it_rises_at_once_and_falls_when_it_is_quiet() {
        let mut now = Instant::now();
        let mut demand = Demand::new(now);
        runs(&mut demand, &mut now, (2, 60, 100));
        let before = spares_for(demand.meanwhile(now));
        runs(&mut demand, &mut now, (100, 1, 100));
        let after = spares_for(demand.meanwhile(now));
        assert!(before <= 2 && after >= 15, "{before} {after}");
        runs(&mut demand, &mut now, (0, 5, 100));
        let soon = spares_for(demand.meanwhile(now));
        assert!(soon > after / 2, "{soon}");
        runs(&mut demand, &mut now, (0, 120, 100));
        assert_eq!(spares_for(demand.meanwhile(now)), 0);
    }
}
