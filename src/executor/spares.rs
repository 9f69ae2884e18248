//! Workers started ahead of their calls. Replacements start after the answer that made them necessary, at idle priority.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::child::meters::Counted;
use crate::child::start::{StartFailure, start};
use crate::child::{Priority, Ready, Spec};

/// Between a spare's use and the start of its replacement: short calls have answered by then.
const SETTLE: Duration = Duration::from_millis(2);
/// How often spares that died by themselves are looked for.
const ROUND: Duration = Duration::from_secs(1);
/// The longest pause after starts that failed: a broken constructor must not become a fork bomb.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The spares of one function.
pub struct Spares {
    spec: Arc<Spec>,
    waiting: Mutex<Waiting>,
    taken: Notify,
}

#[derive(Default)]
struct Waiting {
    spares: VecDeque<(Ready, Counted)>,
    is_draining: bool,
}

impl Spares {
    /// Keeps `function.spares` of them, by a task on the caller's runtime.
    #[must_use]
    pub fn keep(spec: Arc<Spec>) -> Arc<Self> {
        let spares = Arc::new(Self { spec, waiting: Mutex::default(), taken: Notify::new() });
        tokio::spawn(Arc::clone(&spares).refill_until_drained());
        spares
    }

    /// A spare that is still alive, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Ready> {
        self.taken.notify_one();
        let mut waiting = self.lock();
        while let Some((spare, _)) = waiting.spares.pop_front() {
            if !spare.has_ended() {
                return Some(spare);
            }
        }
        None
    }

    /// Ends all spares and starts no more.
    pub fn drain(&self) {
        let mut waiting = self.lock();
        waiting.is_draining = true;
        waiting.spares.drain(..).for_each(|(spare, _)| spare.retire());
        self.taken.notify_one();
    }

    async fn refill_until_drained(self: Arc<Self>) {
        let mut pause = Duration::ZERO;
        while let Some(missing) = self.missing() {
            if missing == 0 {
                let _a_round_is_over = timeout(ROUND, self.taken.notified()).await;
                sleep(SETTLE).await;
                continue;
            }
            match self.add_one().await {
                Ok(()) => pause = Duration::ZERO,
                Err(failure) => {
                    pause = (pause * 2).clamp(Duration::from_millis(100), LONGEST_PAUSE);
                    self.tell(&failure, pause);
                    sleep(pause).await;
                }
            }
        }
    }

    /// How many spares are missing; `None` when there shall be none any more.
    fn missing(&self) -> Option<usize> {
        let mut waiting = self.lock();
        waiting.spares.retain(|(spare, _)| !spare.has_ended());
        let missing = self.spec.function.spares.saturating_sub(waiting.spares.len());
        (!waiting.is_draining).then_some(missing)
    }

    async fn add_one(&self) -> Result<(), StartFailure> {
        self.spec.meters.starts_spare.inc();
        let spare = start(&self.spec, self.priority(), None).await?;
        let counted = Counted::new(&self.spec.meters.workers_spare);
        let mut waiting = self.lock();
        match waiting.is_draining {
            true => spare.retire(),
            false => waiting.spares.push_back((spare, counted)),
        }
        Ok(())
    }

    /// Idle priority starves on a busy machine: only while half of the spares are left.
    fn priority(&self) -> Priority {
        let is_low = self.lock().spares.len() * 2 < self.spec.function.spares;
        if is_low { Priority::Normal } else { Priority::Idle }
    }

    fn tell(&self, failure: &StartFailure, pause: Duration) {
        let function = &self.spec.function.name;
        let message = &failure.message;
        warn!(function, "a spare could not be started, the next try is in {pause:?}: {message}");
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
