//! Telling every connection of an event loop to end after its present request. A connection looks at one flag each
//! time it runs; only the beginning of a drain takes a lock.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;

/// The connections of one event loop.
#[derive(Clone, Default)]
pub struct Graceful(Arc<Connections>);

#[derive(Default)]
struct Connections {
    is_draining: AtomicBool,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Option<Waker>>>,
    ended: Notify,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Option<Waker>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Graceful {
    /// For one more connection, from now on until the watcher is dropped.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.open().insert(id, None);
        Watcher { connections: Arc::clone(&self.0), id }
    }

    /// Tells all connections, those that are still to come among them.
    pub fn begin(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
        let told: Vec<Waker> = self.0.open().values_mut().filter_map(Option::take).collect();
        told.into_iter().for_each(Waker::wake);
    }

    /// Waits for the last to end.
    pub async fn ended(&self) {
        while !self.0.open().is_empty() {
            self.0.ended.notified().await;
        }
    }
}

/// One connection's view.
pub struct Watcher {
    connections: Arc<Connections>,
    id: u64,
}

impl Watcher {
    /// Runs `connection` to its end; `end` tells it, once a drain has begun or `is_last` says so, that its present
    /// request is the last.
    pub async fn watch<C: Future>(
        &self,
        connection: C,
        is_last: impl Fn() -> bool,
        end: impl Fn(Pin<&mut C>),
    ) -> C::Output {
        let mut connection = pin!(connection);
        let (mut is_known, mut is_told) = (false, false);
        poll_fn(|context| {
            if !std::mem::replace(&mut is_known, true) {
                self.connections.open().insert(self.id, Some(context.waker().clone()));
            }
            if !is_told && (self.connections.is_draining.load(Ordering::Relaxed) || is_last()) {
                is_told = true;
                end(connection.as_mut());
            }
            connection.as_mut().poll(context)
        })
        .await
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.connections.open().remove(&self.id);
        self.connections.ended.notify_one();
    }
}
