//! A function's slots and its queue. One gate for all routes to the function: a slot passes from hand to hand, so that
//! nobody overtakes who waits.

mod meters;
mod slot;

use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;
use tracing::{info, warn};

use super::breaker::{Breaker, Change, Pass, Refusal};
use super::line::Line;
use super::pace::{Drain, Usual};
use crate::call::Ending;
use crate::config::function::Mode;
use crate::config::{Function, Priority};
use crate::handler::Error;
use crate::telemetry::Metrics;
use meters::Meters;
pub use slot::{Place, Slot};

/// The slots and the queue of one function.
pub struct Gate {
    function: Arc<Function>,
    slots: usize,
    hasher: RandomState,
    state: Mutex<State>,
    meters: Meters,
}

/// A call that wants a slot.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The place of its route, by [`Gate::place_of`].
    pub route: usize,
    /// Its route's.
    pub priority: Priority,
    /// Those with one key take turns with the others.
    pub key: u64,
    /// When its client gives up.
    pub deadline: Option<Instant>,
}

/// What [`Gate::begin`] gave.
pub enum Entered {
    /// A slot that was free.
    Slot(Slot),
    /// A place in the queue, and where the slot will come.
    Queue(Place, Turn),
}

/// Where the slot of somebody who waits will come, or why none will.
type Turn = oneshot::Receiver<Result<Slot, Error>>;

struct State {
    in_use: usize,
    line: Line<Waiting>,
    busy_since: Instant,
    drain: Drain,
    routes: Vec<(String, Usual)>,
    breaker: Option<Breaker>,
}

struct Waiting {
    since: Instant,
    arrival: Arrival,
    is_try: bool,
    turn: oneshot::Sender<Result<Slot, Error>>,
}

impl Gate {
    /// The gate of `function`, of which at most `at_once` calls may run at once.
    #[must_use]
    pub fn new(function: Arc<Function>, at_once: usize, metrics: &Metrics) -> Arc<Self> {
        let slots = function.max_concurrency.min(at_once);
        let now = Instant::now();
        let state = State {
            in_use: 0,
            line: Line::new(function.queue.order, now),
            busy_since: now,
            drain: Drain::default(),
            routes: Vec::new(),
            breaker: function.breaker.map(Breaker::new),
        };
        let meters = Meters::new(metrics, &function, slots);
        Arc::new(Self {
            function,
            slots,
            hasher: RandomState::new(),
            state: Mutex::new(state),
            meters,
        })
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> &Function {
        &self.function
    }

    pub(super) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// Where what is measured of a route's calls is kept; the same for all event loops.
    pub(super) fn place_of(&self, route: &str) -> usize {
        let routes = &mut self.lock().routes;
        routes.iter().position(|(name, _)| name == route).unwrap_or_else(|| {
            routes.push((route.to_owned(), Usual::default()));
            routes.len() - 1
        })
    }

    /// Takes a slot, waiting for it in the queue if there is room there.
    ///
    /// # Errors
    /// [`Error::Broken`] and [`Error::QueueFull`] at once, [`Error::QueueTimeout`] and [`Error::TooLate`] later.
    pub async fn enter(self: &Arc<Self>, arrival: Arrival) -> Result<Slot, Error> {
        let entered = self.begin(arrival)?;
        self.slot(entered).await
    }

    /// Takes a slot, or a place in the queue; never waits.
    ///
    /// # Errors
    /// [`Error::Broken`]; [`Error::QueueFull`].
    pub fn begin(self: &Arc<Self>, arrival: Arrival) -> Result<Entered, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let now = Instant::now();
        let is_try = match state.breaker.as_mut().map(|breaker| breaker.ask(now)) {
            Some(Pass::Refused(refusal)) => return Err(self.broken(refusal)),
            passed => passed == Some(Pass::Try),
        };
        if state.in_use < self.slots {
            self.change(state, now, 1);
            self.meters.wait_granted.observe(0.0);
            return Ok(Entered::Slot(Slot::new(self, (arrival, is_try), now)));
        }
        state.drain.is_full(now);
        self.make_room(state, arrival, now)?;
        let (sender, turn) = oneshot::channel();
        let waiting = Waiting { since: now, arrival, is_try, turn: sender };
        let ticket = state.line.join(arrival.priority, arrival.key, arrival.deadline, waiting);
        self.meters.depth.set(state.line.len() as i64);
        Ok(Entered::Queue(Place::new(self, ticket, now, arrival), turn))
    }

    /// In a full queue somebody may have to go instead.
    fn make_room(&self, state: &mut State, arrival: Arrival, now: Instant) -> Result<(), Error> {
        if state.line.len() < self.function.queue.length {
            return Ok(());
        }
        let refusal = Error::QueueFull {
            function: self.function.name.clone(),
            slots: self.slots,
            length: self.function.queue.length,
            again: state.drain.seconds_for(state.line.len() + 1, now),
        };
        let last = if self.has_promised() {
            None
        } else {
            state.line.make_room(arrival.priority, arrival.key)
        };
        match last {
            Some(last) => {
                let _left_in_this_moment = last.turn.send(Err(refusal));
                Ok(())
            }
            None => Err(refusal),
        }
    }

    /// The clients of who waits have their answer already: their calls are run.
    fn has_promised(&self) -> bool {
        self.function.mode == Mode::Detached
    }

    /// The slot, which may have to be waited for.
    ///
    /// # Errors
    /// [`Error::QueueTimeout`]; [`Error::TooLate`]; [`Error::Broken`]; [`Error::QueueFull`], where somebody took the place.
    pub async fn slot(&self, entered: Entered) -> Result<Slot, Error> {
        let (place, mut turn) = match entered {
            Entered::Slot(slot) => return Ok(slot),
            Entered::Queue(place, turn) => (place, turn),
        };
        let limit = self.function.queue.timeout.map(|limit| place.since() + limit);
        loop {
            let last = self.last_moment(place.arrival());
            let came = match limit.into_iter().chain(last).min() {
                Some(until) => timeout_at(until.into(), &mut turn).await.ok(),
                None => Some((&mut turn).await),
            };
            let now = Instant::now();
            match came {
                Some(Ok(Ok(slot))) => {
                    place.leave(&self.meters.wait_granted);
                    return Ok(slot);
                }
                Some(Ok(Err(refused))) => {
                    place.leave(self.meters.wait_of(&refused));
                    return Err(refused);
                }
                Some(Err(_)) => return Err(Error::Internal("a place in the queue was lost")),
                None if limit.is_some_and(|limit| limit <= now) => {
                    place.leave(&self.meters.wait_timeout);
                    return Err(self.timed_out(now));
                }
                None => {}
            }
            // What is usual may have changed meanwhile.
            let late = self.too_late(&self.lock(), place.arrival(), now);
            if let Some(late) = late {
                place.leave(&self.meters.wait_timeout);
                return Err(late);
            }
        }
    }

    fn timed_out(&self, now: Instant) -> Error {
        let state = self.lock();
        Error::QueueTimeout {
            function: self.function.name.clone(),
            limit: self.function.queue.timeout.unwrap_or_default(),
            again: state.drain.seconds_for(state.line.len(), now),
        }
    }

    /// When it is too late to begin.
    fn last_moment(&self, arrival: Arrival) -> Option<Instant> {
        let usual = self.lock().usual(arrival.route)?;
        let deadline = arrival.deadline?;
        Some(deadline.checked_sub(usual).unwrap_or(deadline))
    }

    fn too_late(&self, state: &State, arrival: Arrival, now: Instant) -> Option<Error> {
        let deadline = arrival.deadline?;
        let usual = state.usual(arrival.route)?;
        (deadline <= now + usual).then(|| Error::TooLate {
            function: self.function.name.clone(),
            usual: Duration::from_millis(usual.as_millis() as u64),
            again: state.drain.seconds_for(state.line.len(), now),
        })
    }

    /// Gives a slot that became free to who is next and can still end in time, else back.
    fn release(self: &Arc<Self>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let now = Instant::now();
        state.drain.released(now);
        while let Some(next) = state.line.next() {
            let turn = match self.too_late(state, next.arrival, now) {
                Some(late) => Err(late),
                None => Ok(Slot::new(self, (next.arrival, next.is_try), now)),
            };
            let was_given = turn.is_ok();
            match next.turn.send(turn) {
                Ok(()) if was_given => {
                    self.meters.depth.set(state.line.len() as i64);
                    return;
                }
                Ok(()) | Err(Err(_)) => {}
                // It left in this moment. Its slot must not be given back from inside the lock.
                Err(Ok(mut unwanted)) => unwanted.forget(),
            }
        }
        self.meters.depth.set(0);
        state.drain.is_open();
        self.change(state, now, -1);
    }

    /// A call of a route has ended, `after` so long with its slot.
    fn ended(&self, (route, is_try): (usize, bool), ending: Ending, after: Duration) {
        let mut state = self.lock();
        if let (Ending::Answered, Some((_, usual))) = (ending, state.routes.get_mut(route)) {
            usual.add(after);
        }
        let breaker = state.breaker.as_mut();
        match breaker.and_then(|breaker| breaker.ended(ending, is_try, Instant::now())) {
            None => {}
            Some(Change::Opened(refusal)) => {
                let waiting = (!self.has_promised()).then(|| state.line.dissolve());
                self.meters.depth.set(state.line.len() as i64);
                drop(state);
                self.opened(refusal, waiting.into_iter().flatten());
            }
            Some(Change::Closed) => {
                drop(state);
                self.meters.breaker_open.set(0);
                info!(function = self.function.name, "a call was answered: calls are run again");
            }
        }
    }

    /// Who waits is told at once; nobody holds the lock meanwhile.
    fn opened(&self, refusal: Refusal, waiting: impl Iterator<Item = Waiting>) {
        self.meters.breaker_opened(refusal.because);
        let error = self.broken(refusal);
        warn!(function = self.function.name, reason = %error.status_and_reason().1, "{error}");
        for waiting in waiting {
            let _left_in_this_moment = waiting.turn.send(Err(self.broken(refusal)));
        }
    }

    fn broken(&self, refusal: Refusal) -> Error {
        Error::Broken {
            function: self.function.name.clone(),
            because: refusal.because,
            again: refusal.again,
        }
    }

    /// Whether no slot is taken, but for those of workers that nothing can end.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lock().in_use as i64 <= self.meters.stuck.get()
    }

    /// Brings what grows with time up to now: before each scrape.
    pub fn refresh(&self) {
        let mut state = self.lock();
        self.change(&mut state, Instant::now(), 0);
        let oldest = state.line.oldest().map(|waiting| waiting.since.elapsed());
        self.meters.oldest_age.set(oldest.unwrap_or_default().as_secs_f64());
    }

    fn change(&self, state: &mut State, now: Instant, by: isize) {
        let passed = now.saturating_duration_since(state.busy_since).as_secs_f64();
        self.meters.busy.inc_by(passed * state.in_use as f64);
        state.busy_since = now;
        state.in_use = state.in_use.saturating_add_signed(by);
        self.meters.in_use.set(state.in_use as i64);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long calls of a route take.
    fn usual(&self, route: usize) -> Option<Duration> {
        self.routes.get(route)?.1.median()
    }
}
