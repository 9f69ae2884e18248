//! Pauses after starts that failed and spares that died: a broken library must not become a fork bomb.

use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// A failure after so long a peace is a first one.
const PEACE: Duration = Duration::from_secs(60);

/// When the next start may be.
#[derive(Default)]
pub(super) struct Patience {
    pause: Duration,
    failed_at: Option<Instant>,
}

impl Patience {
    /// A failure; how long the pause is now.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        let was_peace = self.failed_at.is_none_or(|at| now.duration_since(at) >= PEACE);
        let before = if was_peace { Duration::ZERO } else { self.pause };
        self.pause = (before * 2).clamp(SHORTEST, LONGEST);
        self.failed_at = Some(now);
        self.pause
    }

    /// A spare was alive when its call came.
    pub(super) fn worked(&mut self) {
        *self = Self::default();
    }

    /// How long no worker is to be started.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let until = self.failed_at? + self.pause;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_pause() {
        let mut now = Instant::now();
        let mut patience = Patience::default();
        assert_eq!(patience.left(now), None);
        for ms in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            let pause = Duration::from_millis(ms);
            assert_eq!(patience.failed(now), pause);
            assert_eq!(patience.left(now), Some(pause));
            now += pause;
            assert_eq!(patience.left(now), None);
        }
        patience.worked();
        assert_eq!(patience.failed(now), SHORTEST);
        assert_eq!(patience.failed(now + PEACE), SHORTEST);
    }
}
