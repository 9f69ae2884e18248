//! An exchange whose client has left may end, for a moment: closing each such connection at once would let a client that
//! resets what it asks make an app accept one connection after another, and its queue is short.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::handler::{Answering, Body, Error, Response};

/// To end in; then the app sees that its client has left.
const GRACE: Duration = Duration::from_millis(100);
/// Bytes of an answer that are read for nobody.
const MOST_READ: usize = 256 * 1024;
/// Exchanges that end for nobody, at once, of one event loop and route.
const MOST: usize = 256;

/// How many may still linger.
#[derive(Clone)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

/// An answer on its way from an upstream, which comes to its end though it is dropped.
pub struct Lingering {
    answering: Option<Answering>,
    places: Places,
}

impl Lingering {
    /// Where there is one of `places` when it is dropped.
    #[must_use]
    pub fn new(answering: Answering, places: Places) -> Self {
        Self { answering: Some(answering), places }
    }
}

impl Future for Lingering {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answering) = &mut self.answering else { return Poll::Pending };
        let answer = ready!(answering.as_mut().poll(context));
        self.answering = None;
        Poll::Ready(answer)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(answering) = self.answering.take() else { return };
        let place = Arc::clone(&self.places.0).try_acquire_owned();
        if let (Ok(place), Ok(runtime)) = (place, Handle::try_current()) {
            runtime.spawn(async move {
                let _place = place;
                let _too_slow = timeout(GRACE, read(answering)).await;
            });
        }
    }
}

async fn read(answering: Answering) {
    let Ok(mut body) = answering.await.map(Response::into_body) else { return };
    let mut left = MOST_READ;
    while let Some(Ok(frame)) = Body::frame(&mut body).await {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}
