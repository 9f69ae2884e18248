//! `rate_limit = { … }`: how often one client may ask, on all event loops together. A refused request costs neither a body
//! nor a slot.

mod recent;

use std::net::IpAddr;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use tower::Service;

use crate::config;
use crate::handler::client::address;
use crate::handler::{Answering, Error, Request, Response, always_ready};
use recent::Recent;

/// The clients of one route, and what each has left.
pub struct Limiter {
    limiter: RateLimiter<Client, Recent<Client>, DefaultClock>,
    clock: DefaultClock,
    trusted: Arc<[IpNet]>,
}

/// Who is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    /// Whoever comes over a unix socket.
    Unix,
    V4(u32),
    /// The /64: the rest of the address is the client's own to choose.
    V6(u64),
}

impl Client {
    fn of(address: Option<IpAddr>) -> Self {
        match address {
            None => Client::Unix,
            Some(IpAddr::V4(address)) => Client::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Client::V6((address.to_bits() >> 64) as u64),
        }
    }
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
        let client = address(
            &self.trusted,
            request.context.peer.as_ref().map(|peer| peer.address),
            &request.head.headers,
        );
        let refused = |until: governor::NotUntil<_>| Error::RateLimited {
            again: until.wait_time_from(self.clock.now()),
        };
        self.limiter.check_key(&Client::of(client)).map_err(refused)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_client_are_one() {
        let client = |text: &str| Client::of(Some(text.parse().unwrap()));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(Client::of(None), Client::Unix);
    }
}
