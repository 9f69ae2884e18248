//! A panic costs the request it happened in, nothing else.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The future panicked; the panic's message went to standard error.
#[derive(Debug)]
pub struct Panicked;

/// Runs `future` to its end, or to its panic; it is never polled again then.
///
/// # Errors
/// [`Panicked`].
pub async fn guard<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error() {
        assert_eq!(guard(async { 7 }).await.unwrap(), 7);
        let lost: Result<(), Panicked> = guard(async { panic!("for this test") }).await;
        assert!(lost.is_err());
    }
}
