//! How long a connection may take: for a request's head, and without any request. Pure: the caller brings the time.

use std::time::{Duration, Instant};

use crate::config::Server;

/// The limits; `None`: none.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first byte of a head, or from the accept, to its last.
    pub head: Option<Duration>,
    /// Between the end of an answer and the next request.
    pub idle: Option<Duration>,
}

impl Limits {
    /// As configured.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        Self { head: server.header_timeout, idle: server.idle_timeout }
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
}

/// What a connection is doing.
#[derive(Debug)]
pub struct Pace {
    limits: Limits,
    requests: usize,
    phase: Phase,
    since: Instant,
    is_http2: bool,
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
        Self { limits, requests: 0, phase: Phase::Silent, since: now, is_http2: false }
    }

    /// Bytes came. On HTTP/2 they need not be a request: there the whole connection is idle or is not.
    pub fn received(&mut self, now: impl FnOnce() -> Instant) {
        let begins = match self.phase {
            Phase::Silent => true,
            Phase::Idle => self.requests == 0 && !self.is_http2,
            Phase::Head => false,
        };
        if begins {
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
        self.phase = Phase::Idle;
    }

    /// An answer has ended.
    pub fn request_ended(&mut self, now: Instant) {
        self.requests = self.requests.saturating_sub(1);
        self.since = now;
    }

    /// When the present state is over, and what it is then; `None`: it may last.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, Late)> {
        if self.requests > 0 {
            return None;
        }
        let (limit, late) = match self.phase {
            Phase::Silent => (self.limits.head?, Late::Silent),
            Phase::Head => (self.limits.head?, Late::Head(self.limits.head?)),
            Phase::Idle => (self.limits.idle?, Late::Idle),
        };
        Some((self.since + limit, late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(5);

    fn fresh(now: Instant) -> Pace {
        Pace::new(Limits { head: Some(HEAD), idle: Some(IDLE) }, now)
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
        let pace = Pace::new(Limits { head: None, idle: None }, Instant::now());
        assert_eq!(pace.deadline(), None);
    }
}
