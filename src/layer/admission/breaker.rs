//! Refuses calls of a function whose processes do nothing but crash: closed, until so many did so in a row; then open, and
//! one call at a time tries whether it is over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::call::Ending;
use crate::config::function;

/// The breaker of one function.
pub(super) struct Breaker {
    limits: function::Breaker,
    /// The ends in a row that were crashes, and those that were starts that failed.
    crashes: VecDeque<Instant>,
    starts: VecDeque<Instant>,
    open: Option<Open>,
}

struct Open {
    because: Ending,
    next_try: Instant,
}

/// What becomes of a call that comes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// It runs like any other.
    Free,
    /// It runs, to see whether it is over.
    Try,
    /// It is refused.
    Refused(Refusal),
}

/// Why, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) because: Ending,
    pub(super) again: Duration,
}

/// What the end of a call changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened(Refusal),
    Closed,
}

impl Breaker {
    pub(super) fn new(limits: function::Breaker) -> Self {
        Self { limits, crashes: VecDeque::new(), starts: VecDeque::new(), open: None }
    }

    /// A call comes.
    pub(super) fn ask(&mut self, now: Instant) -> Pass {
        let Some(open) = &mut self.open else { return Pass::Free };
        if now < open.next_try {
            return Pass::Refused(Refusal { because: open.because, again: open.next_try - now });
        }
        // Should this one take long, or be cut off, another one tries.
        open.next_try = now + self.limits.lasts;
        Pass::Try
    }

    /// A call that had passed ends.
    pub(super) fn ended(&mut self, ending: Ending, is_try: bool, now: Instant) -> Option<Change> {
        match ending {
            Ending::Cut => None,
            // Open, only a try counts: others began before.
            _ if self.open.is_some() && !is_try => None,
            Ending::Answered => {
                self.crashes.clear();
                self.starts.clear();
                self.open.take().map(|_| Change::Closed)
            }
            Ending::Crashed | Ending::Unstarted | Ending::Unloaded => self.failed(ending, now),
        }
    }

    fn failed(&mut self, because: Ending, now: Instant) -> Option<Change> {
        let lasts = self.limits.lasts;
        let (row, limit) = match because {
            Ending::Crashed => (&mut self.crashes, self.limits.crashes),
            _ => (&mut self.starts, self.limits.starts),
        };
        row.push_back(now);
        while row.front().is_some_and(|first| now.duration_since(*first) > self.limits.within) {
            row.pop_front();
        }
        let was_closed = self.open.is_none();
        if was_closed && row.len() < limit {
            return None;
        }
        row.clear();
        self.open = Some(Open { because, next_try: now + lasts });
        was_closed.then_some(Change::Opened(Refusal { because, again: lasts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ending::{Answered, Crashed, Cut, Unloaded, Unstarted};

    fn breaker() -> Breaker {
        Breaker::new(function::Breaker {
            crashes: 3,
            starts: 2,
            within: Duration::from_secs(10),
            lasts: Duration::from_secs(2),
        })
    }

    fn refused(because: Ending, ms: u64) -> Refusal {
        Refusal { because, again: Duration::from_millis(ms) }
    }

    #[test]
    fn it_opens_when_so_many_in_a_row_fail_within_the_time() {
        // Seconds, an ending; whether the last of them opens it.
        type Row<'a> = (&'a [(u64, Ending)], Option<Ending>);
        let rows: [Row<'_>; 9] = [
            (&[(0, Crashed), (1, Crashed), (2, Crashed)], Some(Crashed)),
            (&[(0, Crashed), (1, Crashed), (11, Crashed)], None),
            (&[(0, Crashed), (1, Crashed), (10, Crashed)], Some(Crashed)),
            (&[(0, Crashed), (0, Crashed), (0, Answered), (0, Crashed)], None),
            (&[(0, Crashed), (0, Crashed), (0, Cut), (0, Crashed)], Some(Crashed)),
            (&[(0, Unloaded), (1, Unloaded)], Some(Unloaded)),
            (&[(0, Unloaded), (1, Unstarted)], Some(Unstarted)),
            (&[(0, Crashed), (1, Crashed), (2, Unstarted)], None),
            (&[(0, Unstarted), (1, Answered), (2, Unstarted)], None),
        ];
        let begun = Instant::now();
        for (endings, because) in rows {
            let mut breaker = breaker();
            let mut last = None;
            for (second, ending) in endings {
                assert_eq!(last, None);
                let now = begun + Duration::from_secs(*second);
                assert_eq!(breaker.ask(now), Pass::Free);
                last = breaker.ended(*ending, false, now);
            }
            let expected = because.map(|because| Change::Opened(refused(because, 2_000)));
            assert_eq!(last, expected, "{endings:?}");
        }
    }

    #[test]
    fn open_it_lets_one_try_and_closes_by_itself() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut breaker = breaker();
        for _ in 0..3 {
            breaker.ended(Crashed, false, at(0));
        }
        assert_eq!(breaker.ask(at(500)), Pass::Refused(refused(Crashed, 1_500)));
        // What began before says nothing any more.
        assert_eq!(breaker.ended(Answered, false, at(600)), None);
        assert_eq!(breaker.ended(Crashed, false, at(700)), None);
        assert_eq!(breaker.ask(at(1_999)), Pass::Refused(refused(Crashed, 1)));
        assert_eq!(breaker.ask(at(2_000)), Pass::Try);
        assert_eq!(breaker.ask(at(2_001)), Pass::Refused(refused(Crashed, 1_999)));
        // It fails: as long again.
        assert_eq!(breaker.ended(Unloaded, true, at(2_500)), None);
        assert_eq!(breaker.ask(at(4_499)), Pass::Refused(refused(Unloaded, 1)));
        // One that is cut off, or lasts, leaves the next to another.
        assert_eq!(breaker.ask(at(4_500)), Pass::Try);
        assert_eq!(breaker.ended(Cut, true, at(4_600)), None);
        assert_eq!(breaker.ask(at(6_500)), Pass::Try);
        assert_eq!(breaker.ended(Answered, true, at(6_600)), Some(Change::Closed));
        assert_eq!(breaker.ask(at(6_600)), Pass::Free);
        // Closed, it counts from the beginning.
        assert_eq!(breaker.ended(Crashed, false, at(6_700)), None);
        assert_eq!(breaker.ended(Crashed, true, at(6_800)), None);
        assert!(breaker.ended(Crashed, false, at(6_900)).is_some());
    }
}
