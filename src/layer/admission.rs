//! A function's slots and its queue. One gate for all routes to the function: a slot passes from hand to hand, so
//! that nobody overtakes who waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{Counter, Gauge, Histogram, IntGauge};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower::Service;

use crate::config::Function;
use crate::config::function::Order;
use crate::handler::always_ready;
use crate::handler::{Answering, Error, Granted, Request, Response};
use crate::sys::clock::monotonic_ns;
use crate::telemetry::Metrics;

/// Lets a request in when its function has a slot.
#[derive(Clone)]
pub struct Admission<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Admission<S> {
    /// Through `gate`.
    #[must_use]
    pub fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<S> Service<Request> for Admission<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        let Self { mut inner, gate } = self.clone();
        Box::pin(async move {
            let arrived_ns = monotonic_ns();
            let slot = gate.enter(request.context.deadline).await?;
            let granted_ns = monotonic_ns();
            request.context.slot = Some(Granted { arrived_ns, granted_ns, hold: Arc::new(slot) });
            inner.call(request).await
        })
    }
}

/// The slots and the queue of one function.
pub struct Gate {
    function: Arc<Function>,
    state: Mutex<State>,
    meters: Meters,
}

struct State {
    in_use: usize,
    next_ticket: u64,
    waiting: BTreeMap<u64, Waiting>,
    busy_since: Instant,
}

struct Waiting {
    since: Instant,
    slot: oneshot::Sender<Slot>,
}

struct Meters {
    depth: IntGauge,
    oldest_age: Gauge,
    in_use: IntGauge,
    stuck: IntGauge,
    busy: Counter,
    wait_granted: Histogram,
    wait_timeout: Histogram,
    wait_left: Histogram,
}

/// A slot taken. Dropping it gives it to who waits, or back.
pub struct Slot {
    gate: Option<Arc<Gate>>,
}

impl Gate {
    /// The gate of `function`.
    #[must_use]
    pub fn new(function: Arc<Function>, metrics: &Metrics) -> Arc<Self> {
        let name = &[function.name.as_str()];
        let wait = |outcome| metrics.queue_wait.with_label_values(&[name[0], outcome]);
        metrics.slots.with_label_values(name).set(function.max_concurrency as i64);
        metrics.queue_limit.with_label_values(name).set(function.queue.length as i64);
        let meters = Meters {
            depth: metrics.queue_depth.with_label_values(name),
            oldest_age: metrics.queue_oldest_age.with_label_values(name),
            in_use: metrics.slots_in_use.with_label_values(name),
            stuck: metrics.workers.with_label_values(&[name[0], "stuck"]),
            busy: metrics.slot_busy.with_label_values(name),
            wait_granted: wait("granted"),
            wait_timeout: wait("timeout"),
            wait_left: wait("left"),
        };
        let state = State {
            in_use: 0,
            next_ticket: 0,
            waiting: BTreeMap::new(),
            busy_since: Instant::now(),
        };
        Arc::new(Self { function, state: Mutex::new(state), meters })
    }

    /// Takes a slot, waiting for it in the queue if there is room there.
    ///
    /// # Errors
    /// [`Error::QueueFull`] at once, [`Error::QueueTimeout`] later.
    pub async fn enter(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Slot, Error> {
        let entered = self.begin(deadline)?;
        self.slot(entered).await
    }

    /// Takes a slot, or a place in the queue; never waits.
    ///
    /// # Errors
    /// [`Error::QueueFull`].
    pub fn begin(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Entered, Error> {
        self.take_or_wait(deadline)
    }

    /// The slot, which may have to be waited for.
    ///
    /// # Errors
    /// [`Error::QueueTimeout`].
    pub async fn slot(&self, entered: Entered) -> Result<Slot, Error> {
        let (place, slot) = match entered {
            Entered::Slot(slot) => {
                self.meters.wait_granted.observe(0.0);
                return Ok(slot);
            }
            Entered::Queue(place, slot) => (place, slot),
        };
        let limit = self.function.queue.timeout;
        let granted = timeout(limit.unwrap_or(Duration::MAX), slot).await;
        match granted {
            Ok(Ok(slot)) => {
                place.leave(&self.meters.wait_granted);
                Ok(slot)
            }
            Ok(Err(_)) => Err(Error::Internal("a place in the queue was lost")),
            Err(_) => {
                place.leave(&self.meters.wait_timeout);
                let function = self.function.name.clone();
                Err(Error::QueueTimeout { function, limit: limit.unwrap_or_default() })
            }
        }
    }

    fn take_or_wait(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Entered, Error> {
        let mut state = self.lock();
        if state.in_use < self.function.max_concurrency {
            self.change(&mut state, 1);
            return Ok(Entered::Slot(Slot { gate: Some(Arc::clone(self)) }));
        }
        if state.waiting.len() >= self.function.queue.length {
            return Err(self.full());
        }
        let (sender, slot) = oneshot::channel();
        let since = Instant::now();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.insert(ticket, Waiting { since, slot: sender });
        self.meters.depth.set(state.waiting.len() as i64);
        let place = Place { gate: Arc::clone(self), ticket, since, deadline, is_counted: false };
        Ok(Entered::Queue(place, slot))
    }

    fn full(&self) -> Error {
        Error::QueueFull {
            function: self.function.name.clone(),
            slots: self.function.max_concurrency,
            length: self.function.queue.length,
        }
    }

    /// Gives a slot that became free to who is next, else back.
    fn release(self: &Arc<Self>) {
        let mut state = self.lock();
        while let Some(next) = self.next(&mut state) {
            self.meters.depth.set(state.waiting.len() as i64);
            match next.slot.send(Slot { gate: Some(Arc::clone(self)) }) {
                Ok(()) => return,
                // It left in this moment. Its slot must not be given back from inside the lock.
                Err(mut unwanted) => unwanted.gate = None,
            }
        }
        self.change(&mut state, -1);
    }

    fn next(&self, state: &mut State) -> Option<Waiting> {
        let next = match self.function.queue.order {
            Order::Fifo => state.waiting.pop_first(),
            Order::Lifo => state.waiting.pop_last(),
        };
        next.map(|(_, waiting)| waiting)
    }

    /// Whether no slot is taken, but for those of workers that nothing can end.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lock().in_use as i64 <= self.meters.stuck.get()
    }

    /// Brings what grows with time up to now: before each scrape.
    pub fn refresh(&self) {
        let mut state = self.lock();
        self.change(&mut state, 0);
        let oldest = state.waiting.first_key_value().map(|(_, waiting)| waiting.since.elapsed());
        self.meters.oldest_age.set(oldest.unwrap_or_default().as_secs_f64());
    }

    fn change(&self, state: &mut State, by: isize) {
        let now = Instant::now();
        let passed = now.duration_since(state.busy_since).as_secs_f64();
        self.meters.busy.inc_by(passed * state.in_use as f64);
        state.busy_since = now;
        state.in_use = state.in_use.saturating_add_signed(by);
        self.meters.in_use.set(state.in_use as i64);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.release();
        }
    }
}

/// What [`Gate::begin`] gave.
pub enum Entered {
    /// A slot that was free.
    Slot(Slot),
    /// A place in the queue, and where the slot will come.
    Queue(Place, oneshot::Receiver<Slot>),
}

/// A place in the queue. Dropping it leaves: the client went, or the route's time is over.
pub struct Place {
    gate: Arc<Gate>,
    ticket: u64,
    since: Instant,
    deadline: Option<Instant>,
    is_counted: bool,
}

impl Place {
    fn leave(mut self, wait: &Histogram) {
        wait.observe(self.since.elapsed().as_secs_f64());
        self.is_counted = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.waiting.remove(&self.ticket);
        self.gate.meters.depth.set(state.waiting.len() as i64);
        drop(state);
        if !self.is_counted {
            let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
            let meters = &self.gate.meters;
            let wait = if is_late { &meters.wait_timeout } else { &meters.wait_left };
            wait.observe(self.since.elapsed().as_secs_f64());
        }
    }
}
