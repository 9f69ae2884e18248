//! Workers started ahead of their calls. Replacements start after the answer that made them necessary, at idle priority.

mod demand;
mod patience;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::child::meters::Counted;
use crate::child::start::{StartFailure, start};
use crate::child::{Priority, Ready, Spec};
use demand::{Demand, spares_for};
use patience::Patience;

/// Between a spare's use and the start of its replacement: short calls have answered by then.
const SETTLE: Duration = Duration::from_millis(2);
/// How often spares that died by themselves are looked for.
const ROUND: Duration = Duration::from_secs(1);
/// Of one function, at most: one after the other is quickest where starts compute, not where they wait.
const STARTS_AT_ONCE: usize = 8;

/// The spares of one function.
pub struct Spares {
    spec: Arc<Spec>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    spares: VecDeque<(Ready, Counted)>,
    starting: usize,
    demand: Demand,
    patience: Patience,
    wanted: usize,
    is_draining: bool,
}

/// What is to be done next.
enum Step {
    Start,
    /// There are enough.
    Rest,
    /// As many are started as may be at once, or none may for now.
    Wait(Duration),
    End,
}

impl Spares {
    /// Keeps them, by a task on the caller's runtime.
    #[must_use]
    pub fn keep(spec: Arc<Spec>) -> Arc<Self> {
        let state = State {
            spares: VecDeque::new(),
            starting: 0,
            demand: Demand::new(Instant::now()),
            patience: Patience::default(),
            wanted: spec.function.spares,
            is_draining: false,
        };
        spec.meters.spares_limit.set(spec.function.most_spares as i64);
        spec.meters.spares_wanted.set(spec.function.spares as i64);
        let spares = Arc::new(Self { spec, state: Mutex::new(state), changed: Notify::new() });
        tokio::spawn(Arc::clone(&spares).refill_until_drained());
        spares
    }

    /// A spare that is still alive, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Ready> {
        self.changed.notify_one();
        let mut state = self.lock();
        state.demand.arrived();
        while let Some((spare, _)) = state.spares.pop_front() {
            if !spare.has_ended() {
                state.patience.worked();
                return Some(spare);
            }
            self.died(&mut state);
        }
        None
    }

    /// Whether as many wait as always should.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.lock().spares.len() >= self.spec.function.spares
    }

    /// Ends all spares and starts no more.
    pub fn drain(&self) {
        let mut state = self.lock();
        state.is_draining = true;
        state.spares.drain(..).for_each(|(spare, _)| spare.retire());
        self.changed.notify_one();
    }

    async fn refill_until_drained(self: Arc<Self>) {
        loop {
            match self.step() {
                Step::Start => drop(tokio::spawn(Arc::clone(&self).add_one())),
                Step::Rest => {
                    let _a_round_is_over = timeout(ROUND, self.changed.notified()).await;
                    sleep(SETTLE).await;
                }
                Step::Wait(at_most) => {
                    let _it_is_over = timeout(at_most, self.changed.notified()).await;
                }
                Step::End => return,
            }
        }
    }

    fn step(&self) -> Step {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_draining {
            return Step::End;
        }
        self.bury(state);
        let at_once = self.adapt(state);
        if state.spares.len() + state.starting >= state.wanted {
            return Step::Rest;
        }
        if let Some(left) = state.patience.left(Instant::now()) {
            return Step::Wait(left);
        }
        if state.starting >= at_once {
            return Step::Wait(ROUND);
        }
        state.starting += 1;
        Step::Start
    }

    fn bury(&self, state: &mut State) {
        let before = state.spares.len();
        state.spares.retain(|(spare, _)| !spare.has_ended());
        if state.spares.len() < before {
            self.died(state);
        }
    }

    fn died(&self, state: &mut State) {
        let function = &self.spec.function.name;
        let pause = state.patience.failed(Instant::now());
        warn!(function, "a spare died while it waited, the next start is in {pause:?}");
    }

    /// How many there should be; how many may be started at once.
    fn adapt(&self, state: &mut State) -> usize {
        let (least, most) = (self.spec.function.spares, self.spec.function.most_spares);
        if least == most {
            return 1;
        }
        let meanwhile = state.demand.meanwhile(Instant::now());
        state.wanted = spares_for(meanwhile).clamp(least, most);
        self.spec.meters.spares_wanted.set(state.wanted as i64);
        while state.spares.len() > state.wanted {
            state.spares.pop_back().into_iter().for_each(|(spare, _)| spare.retire());
        }
        (meanwhile.ceil() as usize).clamp(1, STARTS_AT_ONCE)
    }

    async fn add_one(self: Arc<Self>) {
        let begun = Instant::now();
        self.spec.meters.starts_spare.inc();
        let started = start(&self.spec, self.priority(), None).await;
        let mut state = self.lock();
        state.starting -= 1;
        match started {
            Ok(spare) if state.is_draining => spare.retire(),
            Ok(spare) => {
                state.demand.started(SETTLE + begun.elapsed());
                state.spares.push_back((spare, Counted::new(&self.spec.meters.workers_spare)));
            }
            Err(failure) => {
                let pause = state.patience.failed(Instant::now());
                self.tell(&failure, pause);
            }
        }
        self.changed.notify_one();
    }

    /// Idle priority starves on a busy machine: only while half of the spares are left.
    fn priority(&self) -> Priority {
        let state = self.lock();
        let is_low = state.spares.len() * 2 < state.wanted;
        if is_low { Priority::Normal } else { Priority::Idle }
    }

    fn tell(&self, failure: &StartFailure, pause: Duration) {
        let function = &self.spec.function.name;
        let message = &failure.message;
        warn!(function, "a spare could not be started, the next try is in {pause:?}: {message}");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
