//! Requests in flight to one upstream, all event loops together, and who waits for a place: the longest wait goes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::upstream::Limit;

/// The places of one upstream. Dropping a permit gives its place to who waits longest.
pub(super) struct Places {
    places: Arc<Semaphore>,
    limit: Limit,
    waiting: AtomicUsize,
    depth: IntGauge,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    #[error("the queue is full")]
    Full,
    #[error("none became free within {0:?}")]
    Late(Duration),
}

impl Places {
    pub(super) fn new(limit: Limit, depth: IntGauge) -> Self {
        let places = Arc::new(Semaphore::new(limit.max_connections));
        Self { places, limit, waiting: AtomicUsize::new(0), depth }
    }

    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    /// At once where one is free; else after a wait, if there is room to wait.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit, NoPlace> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::join(self)?;
        let place = Arc::clone(&self.places).acquire_owned();
        match (self.limit.queue_timeout, place) {
            (None, place) => place.await.map_err(|_never_closed| NoPlace::Full),
            (Some(limit), place) => match timeout(limit, place).await {
                Ok(place) => place.map_err(|_never_closed| NoPlace::Full),
                Err(_) => Err(NoPlace::Late(limit)),
            },
        }
    }
}

/// Counted as waiting; dropping it leaves, also where the client left.
struct Waiting<'p>(&'p Places);

impl<'p> Waiting<'p> {
    fn join(places: &'p Places) -> Result<Self, NoPlace> {
        let one_more = |waiting| (waiting < places.limit.queue_length).then_some(waiting + 1);
        match places.waiting.fetch_update(Relaxed, Relaxed, one_more) {
            Ok(_) => {
                places.depth.inc();
                Ok(Self(places))
            }
            Err(_) => Err(NoPlace::Full),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
        self.0.depth.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn places(max_connections: usize, queue_length: usize) -> Places {
        let limit = Limit { max_connections, queue_length, queue_timeout: None };
        Places::new(limit, IntGauge::new("depth", "depth").unwrap())
    }

    #[test]
    fn who_waits_longest_is_next_and_one_who_leaves_is_passed_over() {
        let places = places(1, 3);
        let mut context = Context::from_waker(Waker::noop());
        let first = pin!(places.take()).poll(&mut context);
        assert!(first.is_ready(), "a free place costs no wait");
        let (mut second, mut fourth) = (pin!(places.take()), pin!(places.take()));
        let mut third = Box::pin(places.take());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending());
        assert!(fourth.as_mut().poll(&mut context).is_pending());
        assert_eq!(places.depth.get(), 3);
        let refused = pin!(places.take()).poll(&mut context);
        assert!(matches!(refused, std::task::Poll::Ready(Err(NoPlace::Full))));
        drop(third);
        assert_eq!(places.depth.get(), 2);
        drop(first);
        assert!(fourth.as_mut().poll(&mut context).is_pending(), "it came last");
        let second = second.as_mut().poll(&mut context);
        assert!(second.is_ready());
        drop(second);
        assert!(fourth.as_mut().poll(&mut context).is_ready());
    }
}
