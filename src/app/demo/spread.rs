//! A sample of durations, and what may be asked of it.

use std::time::Duration;

/// Durations in ascending order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread(Vec<Duration>);

impl Spread {
    /// Of these; `None` where there are none.
    #[must_use]
    pub fn of(mut durations: Vec<Duration>) -> Option<Self> {
        durations.sort_unstable();
        (!durations.is_empty()).then_some(Self(durations))
    }

    /// The smallest that at least `percent` in a hundred do not exceed (nearest rank).
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// The largest.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        self.percentile(100.0)
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let spread = Spread::of((1..=200).rev().map(Duration::from_millis).collect()).unwrap();
        for (percent, expected) in [(0.0, 1), (0.5, 1), (50.0, 100), (99.0, 198), (100.0, 200)] {
            assert_eq!(spread.percentile(percent), Duration::from_millis(expected), "{percent}");
        }
        assert_eq!((spread.slowest(), spread.count()), (Duration::from_millis(200), 200));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
