//! The acceptor of one listener on one event loop. At the end nobody is turned away whom the kernel has let in.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

use crate::listen::{Bound, Door, Stream};
use crate::server::accepted::{Accepted, Held};
use crate::server::event_loop::Local;
use crate::server::opening::Opening;
use crate::server::{BACK_OFF, Loops};
use crate::telemetry::Metrics;

/// Accepts for a loop.
#[derive(Clone)]
pub struct Acceptor {
    bound: Arc<Bound>,
    opening: Arc<Opening>,
    loops: Arc<Loops>,
    room: Arc<Semaphore>,
    meters: Meters,
    drain: watch::Receiver<bool>,
    /// When a failure was told of last, on any loop.
    told: Arc<Mutex<Option<Instant>>>,
}

/// The metric handles of a listener.
#[derive(Clone)]
pub struct Meters {
    accepted: IntCounter,
    open: IntGauge,
    failed: IntCounter,
}

impl Meters {
    /// Of the listener of this name.
    #[must_use]
    pub fn new(metrics: &Metrics, listener: &str) -> Self {
        Self {
            accepted: metrics.connections.with_label_values(&[listener]),
            open: metrics.connections_open.with_label_values(&[listener]),
            failed: metrics.connection_errors.with_label_values(&["accept"]),
        }
    }
}

/// Between two lines about connections that cannot be accepted.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// How long a handshake that has begun when the door closes may take.
const HANDSHAKE: Duration = Duration::from_millis(100);

impl Acceptor {
    /// Of what comes to `bound`, each under one of the places in `room`; until `drain` changes.
    #[must_use]
    pub fn new(
        bound: Arc<Bound>,
        opening: Opening,
        loops: Arc<Loops>,
        room: Arc<Semaphore>,
        metrics: &Metrics,
        drain: watch::Receiver<bool>,
    ) -> Self {
        let meters = Meters::new(metrics, bound.name());
        Self { bound, opening: Arc::new(opening), loops, room, meters, drain, told: Arc::default() }
    }

    /// Accepts on the loop `here` until the drain begins, and then who is in already. A connection beyond `max_connections`
    /// waits in the kernel's backlog.
    pub async fn accept(self, here: Local) {
        let door = match self.bound.door() {
            Ok(door) => door,
            Err(problem) => {
                warn!(listener = self.bound.name(), "an event loop cannot accept: {problem}");
                return;
            }
        };
        let mut drain = self.drain.clone();
        tokio::select! {
            () = self.accept_until(None, &door, &here) => return,
            _ = drain.wait_for(|is_draining| *is_draining) => {}
        }
        self.bound.close_door();
        // A successor has the same queue: what waits there is its.
        if !self.bound.is_shared() {
            self.accept_until(Some(Instant::now() + HANDSHAKE), &door, &here).await;
        }
    }

    /// Until `end` has passed and nobody waits any more; `None`: for ever.
    async fn accept_until(&self, end: Option<Instant>, door: &Door, here: &Local) {
        loop {
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { return };
            let next = door.accept();
            let accepted = match end {
                None => next.await,
                Some(end) => match timeout_at(end, next).await {
                    Ok(accepted) => accepted,
                    Err(_) => return,
                },
            };
            if let Err(problem) = accepted.and_then(|stream| self.take(stream, place, here)) {
                self.bear(&problem).await;
            }
        }
    }

    fn take(&self, stream: Stream, place: OwnedSemaphorePermit, here: &Local) -> io::Result<()> {
        self.meters.accepted.inc();
        let held = Held::new(place, &self.meters.open, &here.load);
        let opening = Arc::clone(&self.opening);
        self.loops.place(Accepted { stream, opening, held }, here)
    }

    /// A shortage is met again and again: it is told of now and then.
    async fn bear(&self, problem: &io::Error) {
        self.meters.failed.inc();
        if self.is_time_to_tell() {
            warn!(listener = self.bound.name(), "a connection could not be accepted: {problem}");
        }
        if is_shortage(problem) {
            sleep(BACK_OFF).await;
        }
    }

    fn is_time_to_tell(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = told.is_none_or(|told| told.elapsed() >= TELL_AGAIN);
        if is_time {
            *told = Some(Instant::now());
        }
        is_time
    }
}

/// Want of descriptors or memory lasts; any other error is that of one connection (`accept(2)`).
fn is_shortage(problem: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(problem).is_some_and(|errno| shortages.contains(&errno))
}
