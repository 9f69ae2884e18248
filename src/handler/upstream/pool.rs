//! Idle connections to one upstream on one event loop: the one that rested last is used first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::handler::upstream::Endpoint;
use crate::handler::upstream::http1::Connection;

/// A pool. Nobody looks at a connection while it rests.
pub struct Pool {
    limit: Option<Duration>,
    resting: Mutex<Resting>,
}

#[derive(Default)]
struct Resting {
    /// In the order in which they came to rest, each with the id of its endpoint.
    connections: Vec<(Instant, u64, Box<Connection>)>,
    is_swept: bool,
}

impl Pool {
    /// Connections rest for `limit` at most; `None`: as long as the upstream lets them.
    #[must_use]
    pub fn new(limit: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { limit, resting: Mutex::default() })
    }

    /// A connection to this endpoint that is still good.
    pub fn take(&self, endpoint: u64) -> Option<Box<Connection>> {
        loop {
            let (_, _, mut connection) = {
                let connections = &mut self.resting().connections;
                let last = connections.iter().rposition(|(_, id, _)| *id == endpoint)?;
                connections.remove(last)
            };
            if connection.is_fresh() {
                return Some(connection);
            }
        }
    }

    /// Lets a connection to `endpoint` rest whose exchange is over.
    pub fn put_for(self: &Arc<Self>, endpoint: &Endpoint, connection: Box<Connection>) {
        if !endpoint.is_retired() {
            self.put(endpoint.id, connection);
        }
    }

    fn put(self: &Arc<Self>, endpoint: u64, connection: Box<Connection>) {
        let mut resting = self.resting();
        resting.connections.push((Instant::now(), endpoint, connection));
        if let (Some(limit), false) = (self.limit, resting.is_swept) {
            resting.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), limit));
        }
    }

    /// Ends those that have rested for `limit`; when the next is due, if there is one.
    fn retire(&self, limit: Duration) -> Option<Instant> {
        let now = Instant::now();
        let mut resting = self.resting();
        let old = resting.connections.partition_point(|(since, ..)| *since + limit <= now);
        resting.connections.drain(..old);
        let next = resting.connections.first().map(|(since, ..)| *since + limit);
        resting.is_swept = next.is_some();
        next
    }

    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs while connections rest.
async fn sweep(pool: Weak<Pool>, limit: Duration) {
    let mut due = Instant::now() + limit;
    loop {
        sleep_until(due.into()).await;
        let Some(next) = pool.upgrade().and_then(|pool| pool.retire(limit)) else { return };
        due = next;
    }
}
