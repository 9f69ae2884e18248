//! What the counters hold of one call already: they grow while it runs, and never go back.

use std::sync::Arc;

use prometheus::Counter;

use crate::call::Accounting;
use crate::child::Meters;
use crate::sys::procfs::{Doing, Sched};
use crate::sys::syscalls;

/// Waits of one call that are told apart; the others are told together.
const MOST_WAITS: usize = 16;

/// Nanoseconds. What was before the first look, or the first at which it is known to have begun, counts at the end: only
/// then it is known how much of what a worker used belongs to its call.
#[derive(Default)]
pub(super) struct Counted {
    begun: Begun,
    cpu_user_ns: u64,
    cpu_system_ns: u64,
    runqueue_ns: u64,
    blocked_ns: u64,
    syscall: Option<usize>,
    /// By the last look.
    known: Accounting,
    /// What the call waits for, and how long it did, in words.
    waits: Vec<(Arc<str>, u64)>,
    current: Option<Arc<str>>,
}

/// What the kernel said of a worker, and when.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) sched: Sched,
    pub(super) at_ns: u64,
}

/// From which look on a call is counted.
#[derive(Default)]
enum Begun {
    #[default]
    Unseen,
    /// It was about to run. It may have waited for its CPU since it was sent: the kernel counts that when it gets one.
    Waking(Sched),
    Since(Look),
}

impl Begun {
    fn look(&mut self, look: Look, doing: Option<Doing>) -> Option<Look> {
        let is_running = doing == Some(Doing::Running);
        match *self {
            Begun::Since(first) => return Some(first),
            Begun::Unseen if is_running => *self = Begun::Waking(look.sched),
            Begun::Waking(sched) if is_running && sched.cpu_ns == look.sched.cpu_ns => {}
            _ => *self = Begun::Since(look),
        }
        None
    }
}

impl Look {
    fn since(self, first: Look, user_share: f64) -> Accounting {
        let cpu_ns = self.sched.cpu_ns.saturating_sub(first.sched.cpu_ns);
        let wall_ns = self.at_ns.saturating_sub(first.at_ns);
        let runqueue_ns = self.sched.runqueue_ns.saturating_sub(first.sched.runqueue_ns);
        let cpu_user_ns = (cpu_ns as f64 * user_share) as u64;
        Accounting {
            cpu_user_ns,
            cpu_system_ns: cpu_ns.saturating_sub(cpu_user_ns),
            runqueue_ns,
            blocked_ns: wall_ns.saturating_sub(cpu_ns + runqueue_ns),
            wall_ns,
            ..Accounting::default()
        }
    }
}

impl Counted {
    /// After one more look: `what` the thread does, in words, where it waits.
    pub(super) fn sampled(
        &mut self,
        meters: &Meters,
        look: Look,
        user_share: f64,
        (doing, what): (Option<Doing>, Option<&Arc<str>>),
    ) {
        if let (Some(Doing::Syscall { number, .. }), what) = (doing, what) {
            self.syscall = Some(syscalls::index(number));
            self.current = what.cloned();
        }
        let Some(first) = self.begun.look(look, doing) else { return };
        let used = look.since(first, user_share);
        // The function may have ended since, and what its worker used after it is not the call's; by the last look it had
        // not, or its answer would be here.
        let known = std::mem::replace(&mut self.known, used);
        self.cpu(meters, &known);
        raise(&mut self.runqueue_ns, known.runqueue_ns, &meters.runqueue);
        // The CPU time of a running thread lags by up to a tick; the gap is not blocked time.
        if doing != Some(Doing::Running) {
            self.blocked(meters, used.blocked_ns);
        }
    }

    /// What it waited for, the longest first.
    pub(super) fn waits(&self) -> Vec<(Arc<str>, u64)> {
        let mut waits = self.waits.clone();
        waits.sort_by_key(|(_, ns)| std::cmp::Reverse(*ns));
        waits
    }

    /// The share of user time moves between samples: what was counted of it stands, the sum is kept.
    fn cpu(&mut self, meters: &Meters, used: &Accounting) {
        let cpu_ns = used.cpu_user_ns + used.cpu_system_ns;
        let most_user_ns = cpu_ns.saturating_sub(self.cpu_system_ns);
        raise(&mut self.cpu_user_ns, used.cpu_user_ns.min(most_user_ns), &meters.cpu_user);
        let system_ns = cpu_ns.saturating_sub(self.cpu_user_ns);
        raise(&mut self.cpu_system_ns, system_ns, &meters.cpu_system);
    }

    fn blocked(&mut self, meters: &Meters, blocked_ns: u64) {
        let place = &meters.blocked_in[self.syscall.unwrap_or(syscalls::UNSAMPLED)];
        let mut in_place = self.blocked_ns;
        raise(&mut in_place, blocked_ns, place);
        self.add_wait(blocked_ns.saturating_sub(self.blocked_ns));
        raise(&mut self.blocked_ns, blocked_ns, &meters.blocked);
    }

    fn add_wait(&mut self, ns: u64) {
        let Some(current) = self.current.as_ref().filter(|_| ns > 0) else { return };
        let known = self.waits.iter().position(|(what, _)| what == current);
        match known.or_else(|| self.waits.len().checked_sub(MOST_WAITS)) {
            Some(place) => {
                let (what, spent) = &mut self.waits[place];
                *spent += ns;
                if known.is_none() {
                    *what = Arc::from("others");
                }
            }
            None => self.waits.push((Arc::clone(current), ns)),
        }
    }

    pub(super) fn finish(&mut self, meters: &Meters, used: &Accounting) {
        self.cpu(meters, used);
        raise(&mut self.runqueue_ns, used.runqueue_ns, &meters.runqueue);
        self.blocked(meters, used.blocked_ns);
    }
}

/// Counts what `counter` does not hold yet: it never goes back.
fn raise(counted_ns: &mut u64, total_ns: u64, counter: &Counter) {
    if total_ns > *counted_ns {
        counter.inc_by((total_ns - *counted_ns) as f64 / 1e9);
        *counted_ns = total_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::procfs::Place;
    use crate::telemetry::Metrics;

    fn meters() -> Meters {
        Meters::new(&Metrics::new().unwrap(), "f")
    }

    #[test]
    fn waits_are_counted_by_what_is_waited_for() {
        let (meters, mut counted) = (meters(), Counted::default());
        let [a, b]: [Arc<str>; 2] = ["recvfrom on a".into(), "recvfrom on b".into()];
        let waits =
            |number| Some(Doing::Syscall { number, arguments: [0; 6], place: Place::default() });
        let look = |at_ns| Look { sched: Sched::default(), at_ns };
        for (at_ns, what) in [(0, &a), (10, &a), (30, &b), (35, &a)] {
            let doing = waits(libc::SYS_recvfrom);
            counted.sampled(&meters, look(at_ns), 1.0, (doing, Some(what)));
        }
        assert_eq!(counted.waits(), [(b, 20), (a, 15)]);
        assert_eq!(counted.blocked_ns, 35);
    }

    #[test]
    fn waiting_to_begin_is_not_the_call() {
        let (meters, mut counted) = (meters(), Counted::default());
        let look =
            |at_ns, cpu_ns, runqueue_ns| Look { sched: Sched { cpu_ns, runqueue_ns }, at_ns };
        // It waits for its first CPU until 35; the kernel counts that at once. Then it is taken off for 10.
        let looks =
            [look(20, 5, 0), look(30, 5, 0), look(40, 10, 35), look(60, 20, 45), look(80, 40, 45)];
        for look in looks {
            counted.sampled(&meters, look, 1.0, (Some(Doing::Running), None));
        }
        assert_eq!((counted.runqueue_ns, counted.cpu_user_ns, counted.blocked_ns), (10, 10, 0));
    }

    #[test]
    fn more_waits_than_are_told_apart_are_told_together() {
        let mut counted = Counted::default();
        for number in 0..100 {
            counted.current = Some(format!("wait {number}").into());
            counted.add_wait(1);
        }
        assert_eq!(counted.waits.len(), MOST_WAITS);
        assert_eq!(counted.waits.iter().map(|(_, ns)| ns).sum::<u64>(), 100);
        assert_eq!(&*counted.waits()[0].0, "others");
    }
}
