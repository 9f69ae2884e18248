//! A worker that died in its call: the call runs again where it may, and the death is told.

use std::sync::Arc;

use tracing::info;

use super::{Run, verdict};
use crate::call::{Earlier, Failure, Kept};
use crate::child::coroner::Death;
use crate::child::partner::Partner;
use crate::sys::clock::monotonic_ns;
use crate::sys::process::{Exit, Reaped};
use crate::wire::Spent;

impl<P: Partner> Run<P> {
    /// There was no answer.
    pub(super) fn died(&mut self, failure: Failure, spent: Spent) {
        let outcome = verdict::of_failure(&failure);
        self.outcome = outcome.word();
        let kills = matches!(
            failure,
            Failure::Crash { .. } | Failure::OutOfMemory(_) | Failure::Violation(_)
        );
        if let (Some(suspect), true) = (&self.call.suspect, kills) {
            suspect.killed();
        }
        if self.may_run_again(&failure) {
            self.run_again(&failure, spent);
        } else {
            self.cut_having(failure, spent);
        }
    }

    /// Only a crash is by chance, and only what nobody has seen may be undone.
    fn may_run_again(&self, failure: &Failure) -> bool {
        let is_left = self.call.kept.as_ref().is_some_and(|kept| kept.retries > 0);
        let is_killer = || self.call.suspect.as_ref().is_some_and(|suspect| suspect.is_killer());
        is_left
            && matches!(failure, Failure::Crash { .. })
            && self.client.waits_for_head()
            && !self.limit.is_over()
            && !is_killer()
    }

    fn run_again(&mut self, failure: &Failure, spent: Spent) {
        let accounting = self.tally.settle(spent);
        self.tally.count_time(&self.spec.meters);
        self.log_failure(failure, &accounting);
        let Some(kept) = &mut self.call.kept else { return };
        let runs = kept.earlier.map_or(0, |earlier| earlier.runs) + 1;
        kept.retries -= 1;
        kept.earlier = Some(Earlier {
            runs,
            accounting,
            ended_ns: self.tally.ended_ns(),
            limit: self.limit.whole,
            until: self.limit.at.map(|at| at.into_std()),
        });
        self.call.input = kept.input.clone();
        self.spec.meters.call_retries.inc();
        let (function, most) = (&self.spec.function.name, self.spec.function.retry);
        info!(request_id = %self.call.id, function, "the call runs again: retry {runs} of {most}");
        self.accounting = accounting;
        self.runs_again = true;
    }

    /// Tells of a death by a signal that nobody here sent, where somebody writes it down.
    pub(super) fn report(&mut self, reaped: Reaped) {
        let (Some(coroner), Exit::Signal(signal)) = (&self.spec.coroner, reaped.exit) else {
            return;
        };
        if self.is_killed {
            return;
        }
        let earlier = self.call.kept.as_ref().and_then(|kept| kept.earlier);
        let runs = earlier.map_or(0, |earlier| earlier.runs) + usize::from(!self.runs_again);
        let kept = match self.runs_again {
            true => self.call.kept.clone(),
            false => self.call.kept.take(),
        };
        let [_, stderr] = self.partner.printed();
        coroner.tell(Box::new(Death {
            id: self.call.id,
            route: Arc::clone(&self.call.route),
            function: Arc::clone(&self.spec.function),
            run: runs,
            signal,
            outcome: self.outcome,
            fault: self.fault.take(),
            kept: kept.map(|kept| Box::new(Kept { earlier: None, ..*kept })),
            is_cut: false,
            accounting: self.accounting,
            reaped,
            phases: self.handled.phases.until(monotonic_ns()).text(),
            stderr,
        }));
    }
}
