//! The acceptor: hands each connection to the event loop with the fewest.

use std::io;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tracing::warn;

use crate::listen::Bound;
use crate::server::connection::Accepted;
use crate::server::{BACK_OFF, Loops};
use crate::telemetry::Metrics;

/// Accepts until `drain` changes. A connection beyond `max_connections` waits in the kernel's backlog.
pub async fn accept(
    bound: Arc<Bound>,
    loops: Arc<Loops>,
    room: Arc<Semaphore>,
    metrics: Metrics,
    mut drain: watch::Receiver<bool>,
) {
    let accepted = metrics.connections.with_label_values(&[bound.name()]);
    let open = metrics.connections_open.with_label_values(&[bound.name()]);
    let failed = metrics.connection_errors.with_label_values(&["accept"]);
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
                accepted.inc();
                loops.hand_over(Accepted::new(stream, place, &open));
            }
            (Err(problem), _) => {
                failed.inc();
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
