//! What a gate gives: a slot, or a place in the queue. Dropping either gives it back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use prometheus::Histogram;

use super::{Arrival, Gate};
use crate::call::{Ending, Held};

/// A slot taken. Dropping it gives it to who waits, or back.
pub struct Slot {
    gate: Option<Arc<Gate>>,
    arrival: Arrival,
    is_try: bool,
    since: Instant,
    has_ended: AtomicBool,
}

impl Slot {
    pub(super) fn new(gate: &Arc<Gate>, (arrival, is_try): (Arrival, bool), now: Instant) -> Self {
        let gate = Some(Arc::clone(gate));
        Self { gate, arrival, is_try, since: now, has_ended: AtomicBool::new(false) }
    }

    /// Not given back when it is dropped.
    pub(super) fn forget(&mut self) {
        self.gate = None;
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("arrival", &self.arrival).finish_non_exhaustive()
    }
}

impl Held for Slot {
    fn ended(&self, ending: Ending) {
        let is_first = !self.has_ended.swap(true, Ordering::Relaxed);
        if let (Some(gate), true) = (&self.gate, is_first) {
            gate.ended((self.arrival.route, self.is_try), ending, self.since.elapsed());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.release();
        }
    }
}

/// A place in the queue. Dropping it leaves: the client went, or the route's time is over.
pub struct Place {
    gate: Arc<Gate>,
    ticket: u64,
    since: Instant,
    arrival: Arrival,
    is_counted: bool,
}

impl Place {
    pub(super) fn new(gate: &Arc<Gate>, ticket: u64, since: Instant, arrival: Arrival) -> Self {
        Self { gate: Arc::clone(gate), ticket, since, arrival, is_counted: false }
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn arrival(&self) -> Arrival {
        self.arrival
    }

    pub(super) fn leave(mut self, wait: &Histogram) {
        wait.observe(self.since.elapsed().as_secs_f64());
        self.is_counted = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        // Its sender must not be dropped under the lock: nothing that it wakes may come back here.
        let left = state.line.leave(self.ticket);
        self.gate.meters.depth.set(state.line.len() as i64);
        drop(state);
        drop(left);
        if !self.is_counted {
            let is_late = self.arrival.deadline.is_some_and(|deadline| deadline <= Instant::now());
            let meters = &self.gate.meters;
            let wait = if is_late { &meters.wait_timeout } else { &meters.wait_left };
            wait.observe(self.since.elapsed().as_secs_f64());
        }
    }
}
