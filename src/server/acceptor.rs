//! The acceptor: hands each connection to the event loop with the fewest.

use std::future::Future;
use std::io;
use std::sync::Arc;

use prometheus::{IntCounter, IntGauge};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tracing::warn;

use crate::listen::Bound;
use crate::server::connection::Accepted;
use crate::server::opening::Opening;
use crate::server::{BACK_OFF, Loops};
use crate::telemetry::Metrics;

/// Accepts until `drain` changes. A connection beyond `max_connections` waits in the kernel's backlog.
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

async fn accept_all(
    bound: Arc<Bound>,
    opening: Arc<Opening>,
    loops: Arc<Loops>,
    room: Arc<Semaphore>,
    meters: Meters,
    mut drain: watch::Receiver<bool>,
) {
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (bound.accept().await, place)
        };
        let (stream, place) = tokio::select! {
            next = next => next,
            _ = drain.changed() => return,
        };
        match (stream, place) {
            (Ok(stream), Ok(place)) => {
                meters.accepted.inc();
                loops.hand_over(Accepted::new(stream, Arc::clone(&opening), place, &meters.open));
            }
            (Err(problem), _) => {
                meters.failed.inc();
                warn!(listener = bound.name(), "a connection could not be accepted: {problem}");
                if is_shortage(&problem) {
                    sleep(BACK_OFF).await;
                }
            }
            (_, Err(_)) => return,
        }
    }
}

/// Want of descriptors or memory lasts; any other error is that of one connection (`accept(2)`).
fn is_shortage(problem: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(problem).is_some_and(|errno| shortages.contains(&errno))
}
