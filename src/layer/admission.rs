//! Lets a call in when its function has a slot. Who it is, for the queue, is read from its request here.

mod breaker;
mod gate;
mod line;
mod pace;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ipnet::IpNet;
use tower::Service;

use crate::config::function::FairBy;
use crate::config::{Priority, Route};
use crate::handler::client::Client;
use crate::handler::{Answering, Error, Granted, Request, Response, Stage, always_ready};
use crate::sys::clock::monotonic_ns;

pub use gate::{Arrival, Entered, Gate, Place, Slot};

/// Lets a request in when its function has a slot.
#[derive(Clone)]
pub struct Admission<S> {
    inner: S,
    way: Arc<Way>,
}

/// The way of one route's calls to their function's gate.
pub struct Way {
    gate: Arc<Gate>,
    place: usize,
    priority: Priority,
    fair_by: Option<FairBy>,
    trusted: Arc<[IpNet]>,
}

impl Way {
    /// From `route`; behind `trusted` proxies a client is whom they name.
    #[must_use]
    pub fn new(gate: Arc<Gate>, route: &Route, trusted: Arc<[IpNet]>) -> Arc<Self> {
        let place = gate.place_of(&route.name);
        let fair_by = gate.function().queue.fair_by.clone();
        Arc::new(Self { gate, place, priority: route.filters.priority, fair_by, trusted })
    }

    /// Where it leads.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// What the gate has to know of `request`.
    #[must_use]
    pub fn arrival(&self, request: &Request) -> Arrival {
        Arrival {
            route: self.place,
            priority: self.priority,
            key: self.key(request, self.gate.hasher()),
            deadline: request.context.deadline,
        }
    }

    /// Whose turn it takes: a hash with a secret of this process, so that nobody can choose to be somebody else.
    fn key(&self, request: &Request, hasher: &RandomState) -> u64 {
        match &self.fair_by {
            None => 0,
            Some(FairBy::Client) => hasher.hash_one(Client::of(&self.trusted, request)),
            Some(FairBy::Header(name)) => {
                let value = request.head.headers.get(name);
                hasher.hash_one(value.map(http::HeaderValue::as_bytes))
            }
        }
    }
}

impl<S> Admission<S> {
    /// Along `way`.
    #[must_use]
    pub fn new(inner: S, way: Arc<Way>) -> Self {
        Self { inner, way }
    }
}

impl<S> Service<Request> for Admission<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        let Self { mut inner, way } = self.clone();
        Box::pin(async move {
            let arrived_ns = monotonic_ns();
            request.context.reach(Stage::Queue);
            let slot = way.gate.enter(way.arrival(&request)).await?;
            request.context.reach(Stage::Call);
            let granted_ns = monotonic_ns();
            request.context.slot = Some(Granted { arrived_ns, granted_ns, hold: Arc::new(slot) });
            inner.call(request).await
        })
    }
}
