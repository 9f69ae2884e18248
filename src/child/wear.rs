//! What a worker that serves one call after another has behind it, and when that is enough.

use std::time::{Duration, Instant};

use crate::config::function::Mode;
use crate::sys::procfs::{self, Sched};
use crate::sys::random;

/// To ask the kernel for a worker's memory takes as long as a short call: after those it is asked at most so often,
const LOOK: Duration = Duration::from_millis(100);
/// and after those that take so long always.
const LONG: Duration = Duration::from_millis(1);
/// Workers draw lots for a tenth of their limits, so that not all that began together are replaced together.
const JITTER: f64 = 0.1;

/// Since its start.
#[derive(Clone, Debug)]
pub struct Wear {
    calls: u64,
    born: Instant,
    idle_since: Instant,
    looked: Option<Instant>,
    resident: u64,
    /// The share of each limit that is its own.
    share: f64,
}

/// Why a worker is replaced: the label `reason` of `cofferdam_worker_retirements_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worn {
    /// It has served its number.
    Calls,
    /// It is too old.
    Age,
    /// It is too large.
    Memory,
    /// Nobody needs it.
    Idle,
    /// It spoke between two calls.
    Talking,
    /// It ended between two calls.
    Ended,
}

impl Wear {
    /// Of a worker that has just started.
    #[must_use]
    pub fn new() -> Self {
        let now = Instant::now();
        let lot = random::next_u64() as f64 / u64::MAX as f64;
        let share = 1.0 - JITTER * lot;
        Self { calls: 0, born: now, idle_since: now, looked: None, resident: 0, share }
    }

    /// Counts a call. `known`: what the main thread has used by what its calls said; back comes what the kernel says,
    /// where it is asked.
    pub fn after_call(&mut self, pid: u32, known: Sched, took: Duration) -> Sched {
        self.calls += 1;
        self.idle_since = Instant::now();
        let is_due =
            took >= LONG || self.looked.is_none_or(|looked| self.idle_since - looked >= LOOK);
        if !is_due {
            return known;
        }
        self.look(pid);
        procfs::sched(pid).unwrap_or(known)
    }

    /// Asks the kernel for its memory.
    pub fn look(&mut self, pid: u32) {
        self.looked = Some(Instant::now());
        self.resident = procfs::resident(pid).unwrap_or(self.resident);
    }

    /// Whether it is to be replaced before its next call.
    #[must_use]
    pub fn worn(&self, mode: Mode) -> Option<Worn> {
        let Mode::Pool(limits) = mode else { return None };
        let calls = limits.max_calls.map(|most| (most as f64 * self.share).ceil() as u64);
        let age = limits.max_age.map(|most| most.mul_f64(self.share));
        match () {
            () if calls.is_some_and(|most| self.calls >= most) => Some(Worn::Calls),
            () if age.is_some_and(|most| self.born.elapsed() >= most) => Some(Worn::Age),
            () if limits.max_memory.is_some_and(|most| self.resident > most) => Some(Worn::Memory),
            () => None,
        }
    }

    /// How long it has had no call.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        self.idle_since.elapsed()
    }
}

impl Default for Wear {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::function::Recycle;

    const OFF: Recycle =
        Recycle { max_calls: None, max_age: None, max_memory: None, idle_timeout: None };

    #[test]
    fn each_limit_is_kept() {
        let me = std::process::id();
        let mut wear = Wear::new();
        for _ in 0..10 {
            wear.after_call(me, Sched::default(), Duration::ZERO);
        }
        let cases = [
            (OFF, None),
            (Recycle { max_calls: Some(10), ..OFF }, Some(Worn::Calls)),
            (Recycle { max_calls: Some(12), ..OFF }, None),
            (Recycle { max_age: Some(Duration::from_nanos(1)), ..OFF }, Some(Worn::Age)),
            (Recycle { max_age: Some(Duration::from_secs(60)), ..OFF }, None),
            (Recycle { max_memory: Some(4096), ..OFF }, Some(Worn::Memory)),
            (Recycle { max_memory: Some(1 << 40), ..OFF }, None),
        ];
        for (limits, expected) in cases {
            assert_eq!(wear.worn(Mode::Pool(limits)), expected, "{limits:?}");
        }
        assert_eq!(wear.worn(Mode::Process), None);
    }

    #[test]
    fn workers_draw_lots() {
        let shares: Vec<f64> = (0..100).map(|_| Wear::new().share).collect();
        assert!(shares.iter().all(|share| (0.9..=1.0).contains(share)), "{shares:?}");
        assert!(shares.iter().any(|share| (share - shares[0]).abs() > 0.001));
    }

    #[test]
    fn one_call_is_one_call() {
        let limits = Recycle { max_calls: Some(1), ..OFF };
        let mut wear = Wear::new();
        assert_eq!(wear.worn(Mode::Pool(limits)), None);
        wear.after_call(std::process::id(), Sched::default(), Duration::ZERO);
        assert_eq!(wear.worn(Mode::Pool(limits)), Some(Worn::Calls));
    }
}
