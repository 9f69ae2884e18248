//! A limit for silence between two pieces of a body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// A timer that runs only while nothing happens.
pub struct Idle {
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    /// `None`: silence may last.
    #[must_use]
    pub fn new(limit: Option<Duration>) -> Self {
        Self { limit, timer: None }
    }

    /// Something happened.
    pub fn rest(&mut self) {
        self.timer = None;
    }

    /// Ready, with the limit, when nothing happened for that long.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        let Some(limit) = self.limit else { return Poll::Pending };
        self.poll_timer(limit, context).map(|()| limit)
    }

    /// As [`Idle::poll`], but for no longer than `most`; the first of these since something happened counts.
    pub fn poll_within(&mut self, most: Duration, context: &mut Context<'_>) -> Poll<()> {
        self.poll_timer(self.limit.map_or(most, |limit| limit.min(most)), context)
    }

    /// `None`: silence may last.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }

    fn poll_timer(&mut self, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        self.timer.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(context)
    }
}
