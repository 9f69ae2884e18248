//! How long a connection may take: for a request's head, and without any request; in a drain, how long one that is
//! idle is still listened to. Pure: the caller brings the time.

use std::time::{Duration, Instant};

use crate::config::Server;

/// An idle connection of HTTP/1 gives its buffers back after this.
const REST: Duration = Duration::from_millis(100);
/// How long a drain listens to an idle connection: a request that crosses the closing on its way is lost.
const LAST_CALL: Duration = Duration::from_secs(2);

/// The limits; `None`: none.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first byte of a head, or from the accept, to its last.
    pub head: Option<Duration>,
    /// Between the end of an answer and the next request.
    pub idle: Option<Duration>,
    /// As `idle`, once a drain has begun.
    pub last_call: Duration,
    /// Requests.
    pub requests: Option<usize>,
}

impl Limits {
    /// As configured.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        Self {
            head: server.header_timeout,
            idle: server.idle_timeout,
            last_call: LAST_CALL.min(server.drain_timeout / 2),
            requests: server.max_requests_per_connection,
        }
    }
}

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Nothing came after the accept.
    Silent,
    /// A head began and did not end.
    Head(Duration),
    /// No request came after the last.
    Idle,
    /// None came for a while: the connection may rest.
    Rest,
    /// None came, and a drain waits for the end.
    Drained,
}

/// What a connection is doing.
#[derive(Debug)]
pub struct Pace {
    limits: Limits,
    requests: usize,
    seen: usize,
    phase: Phase,
    since: Instant,
    is_http2: bool,
    is_resting: bool,
    is_draining: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Silent,
    Head,
    Idle,
}

impl Pace {
    /// Of a connection accepted `now`.
    #[must_use]
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            requests: 0,
            seen: 0,
            phase: Phase::Silent,
            since: now,
            is_http2: false,
            is_resting: false,
            is_draining: false,
        }
    }

    /// Bytes came. On HTTP/2 they need not be a request: there the whole connection is idle or is not.
    pub fn received(&mut self, now: impl FnOnce() -> Instant) {
        let begins = match self.phase {
            Phase::Silent => true,
            Phase::Idle => self.requests == 0 && !self.is_http2,
            Phase::Head => false,
        };
        if begins {
            self.is_resting = false;
            let since = if self.phase == Phase::Silent { self.since } else { now() };
            (self.phase, self.since) = (Phase::Head, since);
        }
    }

    /// Bytes went: what is left of an answer is not idleness.
    pub fn sent(&mut self, now: impl FnOnce() -> Instant) {
        if self.phase == Phase::Idle && self.requests == 0 {
            self.since = now();
        }
    }

    /// Whether a request has not ended.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.requests > 0
    }

    /// A head is whole.
    pub fn request_began(&mut self, is_http2: bool) {
        self.is_http2 = is_http2;
        self.requests += 1;
        self.seen += 1;
        self.phase = Phase::Idle;
    }

    /// An answer has ended.
    pub fn request_ended(&mut self, now: Instant) {
        self.requests = self.requests.saturating_sub(1);
        self.since = now;
    }

    /// Whether the connection has had all its requests.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.limits.requests.is_some_and(|most| self.seen >= most)
    }

    /// The buffers are given back.
    pub fn rests(&mut self) {
        self.is_resting = true;
    }

    /// Idle connections are to end soon.
    pub fn drain(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_draining, true) && self.phase != Phase::Head {
            self.since = now;
        }
    }

    /// When the present state is over, and what it is then; `None`: it may last.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, Late)> {
        if self.requests > 0 {
            return None;
        }
        let (limit, late) = match self.phase {
            Phase::Head => (self.limits.head?, Late::Head(self.limits.head?)),
            Phase::Silent | Phase::Idle if self.is_draining => {
                (self.limits.last_call, Late::Drained)
            }
            Phase::Silent => (self.limits.head?, Late::Silent),
            Phase::Idle if self.may_rest() => (REST, Late::Rest),
            Phase::Idle => (self.limits.idle?, Late::Idle),
        };
        Some((self.since + limit, late))
    }

    fn may_rest(&self) -> bool {
        let is_worth_it = self.limits.idle.is_none_or(|idle| idle > REST);
        is_worth_it && !self.is_resting && !self.is_http2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(5);

    fn limits(head: Option<Duration>, idle: Option<Duration>) -> Limits {
        Limits { head, idle, last_call: LAST_CALL, requests: Some(2) }
    }

    fn fresh(now: Instant) -> Pace {
        Pace::new(limits(Some(HEAD), Some(IDLE)), now)
    }

    #[test]
    fn a_head_has_its_time_and_a_pause_has_another() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = fresh(start);
        assert_eq!(pace.deadline(), Some((at(1), Late::Silent)));
        pace.received(|| at(0));
        pace.received(|| at(1));
        assert_eq!(pace.deadline(), Some((at(1), Late::Head(HEAD))));
        pace.request_began(false);
        pace.received(|| at(2));
        assert_eq!(pace.deadline(), None);
        pace.request_ended(at(3));
        assert_eq!(pace.deadline(), Some((at(3) + REST, Late::Rest)));
        pace.rests();
        assert_eq!(pace.deadline(), Some((at(8), Late::Idle)));
        pace.sent(|| at(4));
        assert_eq!(pace.deadline(), Some((at(9), Late::Idle)));
        pace.received(|| at(6));
        assert_eq!(pace.deadline(), Some((at(7), Late::Head(HEAD))));
    }

    #[test]
    fn frames_without_a_request_leave_an_http2_connection_idle() {
        let start = Instant::now();
        let mut pace = fresh(start);
        pace.received(|| start);
        pace.request_began(true);
        pace.request_began(true);
        pace.request_ended(start);
        assert_eq!(pace.deadline(), None);
        pace.request_ended(start);
        pace.received(|| start + HEAD);
        assert_eq!(pace.deadline(), Some((start + IDLE, Late::Idle)));
    }

    #[test]
    fn what_is_off_has_no_end() {
        let mut pace = Pace::new(limits(None, None), Instant::now());
        assert_eq!(pace.deadline(), None);
        pace.rests();
        pace.request_began(false);
        pace.request_ended(Instant::now());
        assert_eq!(pace.deadline(), None);
    }

    #[test]
    fn a_drain_listens_a_moment_longer_and_lets_what_has_begun_go_on() {
        let start = Instant::now();
        let mut pace = fresh(start);
        pace.drain(start + HEAD / 2);
        pace.drain(start + HEAD);
        assert_eq!(pace.deadline(), Some((start + HEAD / 2 + LAST_CALL, Late::Drained)));
        pace.received(|| start + HEAD / 2);
        assert!(matches!(pace.deadline(), Some((_, Late::Head(_)))));
        pace.request_began(false);
        assert_eq!(pace.deadline(), None);
        pace.request_ended(start + IDLE);
        assert_eq!(pace.deadline(), Some((start + IDLE + LAST_CALL, Late::Drained)));
    }

    #[test]
    fn the_last_request_of_a_connection_is_known() {
        let mut pace = fresh(Instant::now());
        for is_last in [false, true] {
            pace.request_began(false);
            assert_eq!(pace.is_spent(), is_last);
        }
    }
}
