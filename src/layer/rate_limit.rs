//! `rate_limit = { … }`: how often one client may ask, on all event loops together. A refused request costs neither a body
//! nor a slot.

mod recent;

use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use tower::Service;

use crate::config;
use crate::handler::client::Client;
use crate::handler::{Answering, Error, Request, Response, always_ready};
use recent::Recent;

/// The clients of one route, and what each has left.
pub struct Limiter {
    limiter: RateLimiter<Client, Recent<Client>, DefaultClock>,
    clock: DefaultClock,
    trusted: Arc<[IpNet]>,
}

impl Limiter {
    /// As configured; behind `trusted` proxies the client is whom they name.
    #[must_use]
    pub fn new(limit: config::RateLimit, trusted: Arc<[IpNet]>) -> Arc<Self> {
        let quota = Quota::with_period(limit.period / limit.count.get());
        let quota = quota.unwrap_or(Quota::per_second(limit.count)).allow_burst(limit.burst);
        let clock = DefaultClock::default();
        let limiter = RateLimiter::new(quota, Recent::default(), clock.clone());
        Arc::new(Self { limiter, clock, trusted })
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let client = Client::of(&self.trusted, request);
        let refused = |until: governor::NotUntil<_>| Error::RateLimited {
            again: until.wait_time_from(self.clock.now()),
        };
        self.limiter.check_key(&client).map_err(refused)
    }
}

/// Refuses what comes too fast.
#[derive(Clone)]
pub struct RateLimit<S> {
    inner: S,
    limiter: Arc<Limiter>,
}

impl<S> RateLimit<S> {
    /// By the route's limiter.
    #[must_use]
    pub fn new(inner: S, limiter: Arc<Limiter>) -> Self {
        Self { inner, limiter }
    }
}

impl<S> Service<Request> for RateLimit<S>
where
    S: Service<Request, Response = Response, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, request: Request) -> Answering {
        match self.limiter.check(&request) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}
