//! A connection between being accepted and being served; it may change its event loop in between.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::IntGauge;
use tokio::sync::OwnedSemaphorePermit;

use crate::listen::{Loose, Stream};
use crate::server::Load;
use crate::server::opening::Opening;

/// An accepted connection.
pub struct Accepted<S = Stream> {
    /// On an event loop, or between two.
    pub stream: S,
    /// What comes before HTTP.
    pub opening: Arc<Opening>,
    /// What it takes up while it lives.
    pub held: Held,
}

/// What a connection takes up.
pub struct Held {
    _place: OwnedSemaphorePermit,
    _open: Open,
    load: Counted,
}

struct Open(IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts a connection as one of its loop's.
struct Counted(Load);

impl Counted {
    fn on(load: &Load) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Held {
    /// A `place` under `max_connections`; counted in `open`, and in the `load` of its loop.
    #[must_use]
    pub fn new(place: OwnedSemaphorePermit, open: &IntGauge, load: &Load) -> Self {
        open.inc();
        Self { _place: place, _open: Open(open.clone()), load: Counted::on(load) }
    }
}

impl Accepted {
    /// Leaves its loop for the one whose connections `load` counts.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn loosen(mut self, load: &Load) -> io::Result<Accepted<Loose>> {
        self.held.load = Counted::on(load);
        Ok(Accepted { stream: self.stream.loosen()?, opening: self.opening, held: self.held })
    }
}

impl Accepted<Loose> {
    /// Joins the present loop.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn settle(self) -> io::Result<Accepted> {
        Ok(Accepted { stream: self.stream.settle()?, opening: self.opening, held: self.held })
    }
}
