//! What was measured of the calls so far: how long one usually takes, and how fast those who wait are served.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The durations of the last so many answers.
const SAMPLES: usize = 31;
/// Of fewer nothing is concluded.
const ENOUGH: usize = 5;
/// The last so many releases of slots.
const RELEASES: usize = 32;
/// Nobody is sent away for longer.
const LONGEST: u64 = 60;

/// How long calls take.
#[derive(Default)]
pub(super) struct Usual {
    last: VecDeque<Duration>,
}

impl Usual {
    pub(super) fn add(&mut self, duration: Duration) {
        if self.last.len() == SAMPLES {
            self.last.pop_front();
        }
        self.last.push_back(duration);
    }

    /// The median; `None` of too few.
    pub(super) fn median(&self) -> Option<Duration> {
        let mut sorted: Vec<_> = self.last.iter().copied().collect();
        let middle = sorted.len() / 2;
        (sorted.len() >= ENOUGH).then(|| *sorted.select_nth_unstable(middle).1)
    }
}

/// How fast slots become free while all are taken.
#[derive(Default)]
pub(super) struct Drain {
    /// When all became taken, then each release since: the last few.
    at: VecDeque<Instant>,
}

impl Drain {
    /// All slots are taken.
    pub(super) fn is_full(&mut self, now: Instant) {
        if self.at.is_empty() {
            self.at.push_back(now);
        }
    }

    /// One became free, and somebody has it already.
    pub(super) fn released(&mut self, now: Instant) {
        if self.at.len() > RELEASES {
            self.at.pop_front();
        }
        self.at.push_back(now);
    }

    /// Slots are free.
    pub(super) fn is_open(&mut self) {
        self.at.clear();
    }

    /// Whole seconds until `count` slots have become free, from 1. A silence since the last one counts as slowness.
    pub(super) fn seconds_for(&self, count: usize, now: Instant) -> u64 {
        let Some(first) = self.at.front() else { return 1 };
        let passed = now.saturating_duration_since(*first).as_secs_f64();
        let each = passed / self.at.len() as f64;
        ((each * count as f64).ceil() as u64).clamp(1, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_last_answers() {
        let mut usual = Usual::default();
        for (ms, expected) in
            [(9, None), (1, None), (5, None), (100, None), (7, Some(7)), (8, Some(8))]
        {
            usual.add(Duration::from_millis(ms));
            assert_eq!(usual.median(), expected.map(Duration::from_millis), "after {ms}");
        }
        (0..SAMPLES).for_each(|_| usual.add(Duration::from_secs(2)));
        assert_eq!(usual.median(), Some(Duration::from_secs(2)));
        (0..SAMPLES / 2).for_each(|_| usual.add(Duration::from_millis(1)));
        assert_eq!(usual.median(), Some(Duration::from_secs(2)));
        usual.add(Duration::from_millis(1));
        assert_eq!(usual.median(), Some(Duration::from_millis(1)));
        assert_eq!(usual.last.len(), SAMPLES);
    }

    #[test]
    fn who_is_refused_comes_again_when_those_before_it_were_served() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        // Releases in ms since all were taken, the moment, how many wait, seconds.
        let rows: [(&[u64], u64, usize, u64); 8] = [
            (&[], 0, 100, 1),
            // Nothing was released for 2 s: the next may be now, then one each 2 s.
            (&[], 2_000, 10, 20),
            (&[], 2_000, 1_000, LONGEST),
            (&[100, 200, 300, 400], 400, 1, 1),
            (&[100, 200, 300, 400], 400, 100, 8),
            (&[100, 200, 300, 400], 400, 101, 9),
            // A silence.
            (&[100, 200, 300, 400], 10_400, 10, 21),
            (&[1_000], 1_000, 3, 2),
        ];
        for (releases, now, count, seconds) in rows {
            let mut drain = Drain::default();
            drain.is_full(at(0));
            releases.iter().for_each(|ms| drain.released(at(*ms)));
            drain.is_full(at(now));
            assert_eq!(drain.seconds_for(count, at(now)), seconds, "{releases:?} {now} {count}");
            drain.is_open();
            assert_eq!(drain.seconds_for(count, at(now)), 1);
        }
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let begun = Instant::now();
        let mut drain = Drain::default();
        drain.is_full(begun);
        let mut now = begun;
        for ms in std::iter::repeat_n(1_000, 50).chain(std::iter::repeat_n(10, RELEASES + 1)) {
            now += Duration::from_millis(ms);
            drain.released(now);
        }
        assert_eq!(drain.at.len(), RELEASES + 1);
        assert_eq!(drain.seconds_for(200, now), 2);
    }
}
