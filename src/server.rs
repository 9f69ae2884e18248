//! Accepting connections and serving them on several event loops, each with its own routes and pools.

pub mod accepted;
pub mod acceptor;
pub mod answered;
pub mod connection;
pub mod event_loop;
pub mod gate;
pub mod gated;
pub mod graceful;
pub mod guard;
pub mod hygiene;
pub mod identify;
pub mod opening;
pub mod pace;
pub mod paced;
pub mod probe;
pub mod protocol;
pub mod proxy_protocol;
pub mod resting;
pub mod rewound;
pub mod slow_start;
pub mod transport;
pub mod watchdog;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::config::Config;
use crate::route::Parts;
use crate::telemetry::Metrics;

pub use acceptor::Acceptor;
pub use event_loop::Loops;

/// What all connections share.
pub struct Shared {
    /// The settings.
    pub config: Arc<Config>,
    /// What routes are built from.
    pub parts: Arc<Parts>,
    /// Where connections are counted.
    pub metrics: Metrics,
}

/// How long an accept that failed for want of descriptors or memory waits: no busy loop.
pub const BACK_OFF: Duration = Duration::from_millis(50);

/// Connections of one event loop.
pub type Load = Arc<AtomicUsize>;
