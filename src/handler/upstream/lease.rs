//! A request's hold on an endpoint: it counts there until it is dropped, which is when the answer has ended.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use crate::handler::Error;
use crate::handler::upstream::connect::{Stream, connect};
use crate::handler::upstream::meters::Outcome;
use crate::handler::upstream::{Endpoint, Group, Trouble};

/// Endpoints that one request may try to connect to.
const MOST_CONNECTS: usize = 3;

/// One request in flight.
pub struct Lease {
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    outcome: AtomicU8,
    _place: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(super) fn new(
        group: Arc<Group>,
        endpoint: Arc<Endpoint>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        endpoint.begin();
        group.meters().in_flight.inc();
        Self { group, endpoint, outcome: AtomicU8::new(Outcome::Left as u8), _place: place }
    }

    /// Where the request goes.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// A fresh connection. Nothing was sent yet, so where an endpoint cannot be reached, another one takes the
    /// request, whatever its method; the lease then is of that one.
    ///
    /// # Errors
    /// [`Error::UpstreamConnect`], of the last one that was tried.
    pub async fn connect(&mut self) -> Result<Stream, Error> {
        let mut tried = Vec::new();
        loop {
            let problem = match connect(&self.group, &self.endpoint).await {
                Ok(stream) => return Ok(stream),
                Err(problem) => problem,
            };
            self.failed(problem.trouble(), &problem);
            tried.push(self.endpoint.id);
            let is_fresh = |one: &Endpoint| !tried.contains(&one.id);
            if tried.len() == MOST_CONNECTS || !self.go_elsewhere(is_fresh) {
                let problem = format!("{}: {problem}", self.group.describe(&self.endpoint));
                let upstream = self.group.config.name.clone();
                return Err(Error::UpstreamConnect { upstream, problem });
            }
            self.group.meters().retries.inc();
        }
    }

    /// Counts a second try, at another endpoint where there is one. The place under `max_connections` is kept.
    pub fn retry(&mut self) {
        let failed = self.endpoint.id;
        self.go_elsewhere(|one| one.id != failed);
        self.group.meters().retries.inc();
    }

    fn go_elsewhere(&mut self, is_wanted: impl Fn(&Endpoint) -> bool) -> bool {
        let Some(other) = self.group.choose(is_wanted) else { return false };
        other.begin();
        self.endpoint.end();
        self.endpoint = other;
        true
    }

    /// The head of an answer came, `waited` after the request was sent.
    pub fn answered(&self, status: StatusCode, waited: Duration) {
        self.outcome.store(Outcome::of(status) as u8, Relaxed);
        self.group.meters().head.observe(waited.as_secs_f64());
        let is_failure = status.is_server_error()
            && self.group.config.eject.is_some_and(|eject| eject.server_errors);
        if is_failure {
            self.group.blame(&self.endpoint, &format!("it answered {status}"));
        } else {
            self.endpoint.forgive();
        }
    }

    /// No answer came, or not all of it. Not for what the client did wrong.
    pub fn failed(&self, trouble: Trouble, problem: &dyn Display) {
        self.outcome.store(Outcome::Failed as u8, Relaxed);
        self.group.meters().count_error(trouble);
        self.group.blame(&self.endpoint, &problem.to_string());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.end();
        let meters = self.group.meters();
        meters.in_flight.dec();
        meters.count_request(*self.outcome.get_mut());
    }
}
