//! Idle connections to one upstream on one event loop: the one that rested last is used first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::handler::upstream::http1::Connection;

/// A pool. Nobody looks at a connection while it rests.
pub struct Pool {
    limit: Option<Duration>,
    resting: Mutex<Resting>,
}

#[derive(Default)]
struct Resting {
    /// In the order in which they came to rest.
    connections: Vec<(Instant, Box<Connection>)>,
    is_swept: bool,
}

impl Pool {
    /// Connections rest for `limit` at most; `None`: as long as the upstream lets them.
    #[must_use]
    pub fn new(limit: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { limit, resting: Mutex::default() })
    }

    /// A connection that is still good.
    pub fn take(&self) -> Option<Box<Connection>> {
        loop {
            let (_, mut connection) = self.resting().connections.pop()?;
            if connection.is_fresh() {
                return Some(connection);
            }
        }
    }

    /// Lets a connection rest whose exchange is over.
    pub fn put(self: &Arc<Self>, connection: Box<Connection>) {
        let mut resting = self.resting();
        resting.connections.push((Instant::now(), connection));
        if let (Some(limit), false) = (self.limit, resting.is_swept) {
            resting.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), limit));
        }
    }

    /// Ends those that have rested for `limit`; when the next is due, if there is one.
    fn retire(&self, limit: Duration) -> Option<Instant> {
        let now = Instant::now();
        let mut resting = self.resting();
        let old = resting.connections.partition_point(|(since, _)| *since + limit <= now);
        resting.connections.drain(..old);
        let next = resting.connections.first().map(|(since, _)| *since + limit);
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
