//! When a call is slow, and what was written of that.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::{Accounting, Call};
use crate::child::Spec;
use crate::child::meters::CallOutcome;
use crate::child::sample::Watch;
use crate::child::slow;
use crate::ffi::phases::Phases;
use crate::sys::clock::monotonic_ns;

/// Of one call.
pub(super) struct Slow {
    /// From then on it is; `None`: nobody wants to know, or it is known.
    at: Option<Instant>,
    is_told: bool,
}

impl Slow {
    /// Of a call that is sent now.
    pub(super) fn open(spec: &Spec) -> Self {
        let at = spec.function.slow_log.map(|limit| Instant::now() + limit);
        Self { at, is_told: false }
    }

    /// When it will be slow.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// It goes on. Tells of it, once it is slow.
    pub(super) fn look(&mut self, spec: &Spec, watch: Option<&Watch>, phases: &Phases) {
        if let Some(left_out) = self.begins(spec) {
            let phases = phases.until(monotonic_ns()).text();
            self.is_told = watch.is_some_and(|watch| watch.tell_slow(phases, left_out));
            if !self.is_told {
                spec.meters.slow_calls_unlogged.inc();
            }
        }
    }

    /// It has ended. One that was slow and is not told of yet ended before anybody looked.
    pub(super) fn ended(
        &mut self,
        spec: &Spec,
        call: (&Call, u32),
        outcome: CallOutcome,
        used: (&Accounting, &Phases),
        waits: &[(Arc<str>, Duration)],
    ) {
        if self.is_told || self.begins(spec).is_some() {
            slow::log_end(spec, call, outcome, used, waits);
        }
    }

    /// Counts it at the moment it is slow; how many were left out before, if it is to be written of.
    fn begins(&mut self, spec: &Spec) -> Option<u64> {
        self.at.take_if(|at| *at <= Instant::now())?;
        spec.meters.slow_calls.inc();
        let admitted = spec.slow.admit();
        if admitted.is_none() {
            spec.meters.slow_calls_unlogged.inc();
        }
        admitted
    }
}
