//! How long a call may take: the nearer of the function's own limit and its route's.

use std::time::Duration;

use tokio::time::Instant;

use crate::call::Call;

/// A limit that runs.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    /// As the client is told.
    pub(super) whole: Duration,
    /// `None`: never.
    pub(super) at: Option<Instant>,
}

impl Limit {
    pub(super) fn new(own: Option<Duration>, call: &Call, now_ns: u64) -> Self {
        // All runs of a call together have the time of one.
        if let Some(earlier) = call.kept.as_ref().and_then(|kept| kept.earlier) {
            return Self { whole: earlier.limit, at: earlier.until.map(Instant::from_std) };
        }
        let from_now = |left| Some(Instant::now() + left);
        let route = call.deadline_ns.map(|at| Duration::from_nanos(at.saturating_sub(now_ns)));
        match (own, route) {
            (Some(own), None) => Self { whole: own, at: from_now(own) },
            (Some(own), Some(route)) if own <= route => Self { whole: own, at: from_now(own) },
            (_, Some(route)) => {
                let waited = Duration::from_nanos(now_ns - call.arrived_ns);
                Self { whole: waited + route, at: from_now(route) }
            }
            (None, None) => Self { whole: Duration::MAX, at: None },
        }
    }

    /// As the worker is told.
    pub(super) fn left_ms(self) -> u64 {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        self.at.map_or(u64::MAX, |at| u64::try_from(left(at).as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn is_over(self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
    }
}
