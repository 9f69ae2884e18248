//! How many streams of one HTTP/2 connection may wait for their answers: few at first, one more with each answer that was
//! waited for. Who resets what it asks (CVE-2023-44487), or asks for a hundred things and leaves, costs an app little.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// Streams of a new connection that start at once.
const FEW: usize = 16;
/// As many as a connection may have open.
const MOST: usize = 100;
/// After which a stream starts anyway: answers that take long, as those of long polling, must not hold up others.
const PATIENCE: Duration = Duration::from_millis(50);

/// Of one connection.
#[derive(Clone)]
pub struct SlowStart(Arc<Semaphore>);

/// What one stream waits for, and then its answer. Dropped before that is there, it takes its place with it.
pub struct Turn<F> {
    answering: F,
    places: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
    waiting: Option<Pin<Box<Waiting>>>,
    is_answered: bool,
}

type Waiting =
    dyn Future<Output = Result<Result<OwnedSemaphorePermit, AcquireError>, Elapsed>> + Send;

impl Default for SlowStart {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(FEW)))
    }
}

impl SlowStart {
    /// Polls `answering` when its turn has come.
    pub fn turn<F>(&self, answering: F) -> Turn<F> {
        let place = Arc::clone(&self.0).try_acquire_owned().ok();
        let wait = || -> Pin<Box<Waiting>> {
            Box::pin(timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()))
        };
        let waiting = place.is_none().then(wait);
        let places = Arc::clone(&self.0);
        Turn { answering, places, place, waiting, is_answered: false }
    }
}

impl<F: Future + Unpin> Future for Turn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(waiting) = &mut self.waiting {
            self.place = ready!(waiting.as_mut().poll(context)).ok().and_then(Result::ok);
            self.waiting = None;
        }
        let answer = ready!(Pin::new(&mut self.answering).poll(context));
        self.is_answered = true;
        Poll::Ready(answer)
    }
}

impl<F> Drop for Turn<F> {
    fn drop(&mut self) {
        if self.is_answered && self.places.available_permits() < MOST {
            self.places.add_permits(1);
        }
        if let Some(place) = self.place.take().filter(|_| !self.is_answered) {
            place.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, pending, ready};
    use std::task::Waker;
    use std::time::Instant;

    use super::*;

    /// Whether its turn has come: what it waits for is there at once.
    fn is_answered(turn: &mut Turn<Ready<()>>) -> bool {
        Pin::new(turn).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_connection_earns_room_by_answers_that_it_waits_for() {
        let start = SlowStart::default();
        let mut first: Vec<_> = (0..FEW).map(|_| start.turn(ready(()))).collect();
        let (mut next, mut after) = (start.turn(ready(())), start.turn(ready(())));
        assert!(!is_answered(&mut next) && !is_answered(&mut after));
        assert!(first.pop().is_some_and(|mut one| is_answered(&mut one)));
        // Its place, and one more.
        assert!(is_answered(&mut next) && is_answered(&mut after));
    }

    #[tokio::test]
    async fn who_leaves_before_its_answers_starts_late() {
        let start = SlowStart::default();
        (0..FEW).for_each(|_| drop(start.turn(pending::<()>())));
        let mut late = start.turn(ready(()));
        assert!(!is_answered(&mut late));
        let begun = Instant::now();
        late.await;
        assert!(begun.elapsed() > PATIENCE / 2);
        assert!(is_answered(&mut start.turn(ready(()))));
    }
}
