//! The acceptor: hands each connection to the event loop with the fewest. At the end nobody is turned away whom the
//! kernel has let in.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

use crate::listen::{Bound, Stream};
use crate::server::connection::Accepted;
use crate::server::opening::Opening;
use crate::server::{BACK_OFF, Loops};
use crate::telemetry::Metrics;

/// Accepts until `drain` changes, and then who is in already. A connection beyond `max_connections` waits in the kernel's backlog.
pub fn accept(
    bound: Arc<Bound>,
    opening: Opening,
    loops: Arc<Loops>,
    room: Arc<Semaphore>,
    metrics: &Metrics,
    drain: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + 'static {
    // Now, not when the future first runs: the metrics stand at 0 from the start.
    let meters = Meters {
        accepted: metrics.connections.with_label_values(&[bound.name()]),
        open: metrics.connections_open.with_label_values(&[bound.name()]),
        failed: metrics.connection_errors.with_label_values(&["accept"]),
    };
    accept_all(bound, Arc::new(opening), loops, room, meters, drain)
}

struct Meters {
    accepted: IntCounter,
    open: IntGauge,
    failed: IntCounter,
}

/// Between two lines about connections that cannot be accepted.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// How long a handshake that has begun when the door closes may take.
const HANDSHAKE: Duration = Duration::from_millis(100);

async fn accept_all(
    bound: Arc<Bound>,
    opening: Arc<Opening>,
    loops: Arc<Loops>,
    room: Arc<Semaphore>,
    meters: Meters,
    mut drain: watch::Receiver<bool>,
) {
    let mut acceptor = Acceptor { bound, opening, loops, room, meters, told: None };
    tokio::select! {
        () = acceptor.accept_until(None) => return,
        _ = drain.changed() => {}
    }
    acceptor.bound.close_door();
    // A successor has the same queue: what waits there is its.
    if !acceptor.bound.is_shared() {
        acceptor.accept_until(Some(Instant::now() + HANDSHAKE)).await;
    }
}

struct Acceptor {
    bound: Arc<Bound>,
    opening: Arc<Opening>,
    loops: Arc<Loops>,
    room: Arc<Semaphore>,
    meters: Meters,
    /// When a failure was told of last.
    told: Option<Instant>,
}

impl Acceptor {
    /// Until `end` has passed and nobody waits any more; `None`: for ever.
    async fn accept_until(&mut self, end: Option<Instant>) {
        loop {
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { return };
            let next = self.bound.accept();
            let accepted = match end {
                None => next.await,
                Some(end) => match timeout_at(end, next).await {
                    Ok(accepted) => accepted,
                    Err(_) => return,
                },
            };
            match accepted {
                Ok(stream) => self.take(stream, place),
                Err(problem) => self.bear(&problem).await,
            }
        }
    }

    fn take(&mut self, stream: Stream, place: OwnedSemaphorePermit) {
        self.meters.accepted.inc();
        let opening = Arc::clone(&self.opening);
        self.loops.hand_over(Accepted::new(stream, opening, place, &self.meters.open));
    }

    /// A shortage is met again and again: it is told of now and then.
    async fn bear(&mut self, problem: &io::Error) {
        self.meters.failed.inc();
        if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            self.told = Some(Instant::now());
            warn!(listener = self.bound.name(), "a connection could not be accepted: {problem}");
        }
        if is_shortage(problem) {
            sleep(BACK_OFF).await;
        }
    }
}

/// Want of descriptors or memory lasts; any other error is that of one connection (`accept(2)`).
fn is_shortage(problem: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(problem).is_some_and(|errno| shortages.contains(&errno))
}
