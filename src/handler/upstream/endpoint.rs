//! One address of an upstream, and what is known of it: how many requests it has, and whether it is well.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;

use crate::sys::clock::monotonic_ns;

/// No two warnings of one endpoint within this time.
const WARNINGS_APART: Duration = Duration::from_secs(10);

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP, after names were looked up.
    Tcp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// An address that gets requests. One that is looked up again and found again stays the same endpoint.
pub struct Endpoint {
    /// For pools: no other endpoint has it, as long as the program runs.
    pub id: u64,
    /// Which of the upstream's `urls` it is an address of.
    pub place: usize,
    /// Where to connect.
    pub address: Address,
    /// What its certificate is verified for.
    pub server_name: Option<ServerName<'static>>,
    in_flight: AtomicUsize,
    is_down: AtomicBool,
    is_retired: AtomicBool,
    checks: Mutex<Streak>,
    failures: AtomicU32,
    /// Monotonic nanoseconds; 0: not left out.
    out_until: AtomicU64,
    warned_ns: AtomicU64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Endpoint {
    /// Up, and idle.
    #[must_use]
    pub fn new(place: usize, address: Address, server_name: Option<ServerName<'static>>) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            place,
            address,
            server_name,
            in_flight: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            checks: Mutex::default(),
            failures: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            warned_ns: AtomicU64::new(0),
        }
    }

    /// Requests whose answer has not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Whether health checks hold it up. It is up before the first one.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.is_down.load(Relaxed)
    }

    /// Whether it is left out for now, after failures in a row.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        match self.out_until.load(Relaxed) {
            0 => false,
            until => until > monotonic_ns(),
        }
    }

    /// Whether the name has another address now: what rests in a pool for it is of no use any more.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Relaxed)
    }

    pub(super) fn retire(&self) {
        self.is_retired.store(true, Relaxed);
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// A request went well.
    pub(super) fn forgive(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// A request failed: how many did in a row.
    pub(super) fn blame(&self) -> u32 {
        self.failures.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// Leaves it out for this long.
    pub(super) fn eject(&self, lasts: Duration) {
        let lasts = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
        self.failures.store(0, Relaxed);
        self.out_until.store(monotonic_ns().saturating_add(lasts), Relaxed);
    }

    /// Whether a warning is due: a failing app must not fill the log.
    pub(super) fn may_warn(&self) -> bool {
        let (now, last) = (monotonic_ns(), self.warned_ns.load(Relaxed));
        let is_due = last == 0 || now.saturating_sub(last) >= WARNINGS_APART.as_nanos() as u64;
        is_due && self.warned_ns.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    /// Notes a health check; what it changed.
    pub(super) fn checked(&self, is_good: bool, rise: u32, fall: u32) -> Option<Turn> {
        let turn =
            self.checks.lock().unwrap_or_else(PoisonError::into_inner).note(is_good, rise, fall)?;
        self.is_down.store(turn == Turn::Down, Relaxed);
        Some(turn)
    }
}

/// What a check changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Turn {
    Up,
    Down,
}

/// Checks in a row that speak against the present state.
#[derive(Debug, Default)]
struct Streak {
    is_down: bool,
    against: u32,
}

impl Streak {
    fn note(&mut self, is_good: bool, rise: u32, fall: u32) -> Option<Turn> {
        if is_good != self.is_down {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.against < if is_good { rise } else { fall } {
            return None;
        }
        *self = Self { is_down: !is_good, against: 0 };
        Some(if is_good { Turn::Up } else { Turn::Down })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_in_a_row_turn_it() {
        use Turn::*;
        let rows = [
            (true, None),
            (false, None),
            (false, None),
            (true, None),
            (false, None),
            (false, None),
            (false, Some(Down)),
            (false, None),
            (true, None),
            (false, None),
            (true, None),
            (true, Some(Up)),
            (true, None),
        ];
        let endpoint = Endpoint::new(0, Address::Unix("/x".into()), None);
        for (step, (is_good, turn)) in rows.into_iter().enumerate() {
            assert_eq!(endpoint.checked(is_good, 2, 3), turn, "step {step}");
        }
        assert!(endpoint.is_up());
    }

    #[test]
    fn who_is_left_out_comes_back_by_itself() {
        let endpoint = Endpoint::new(0, Address::Unix("/x".into()), None);
        assert!(!endpoint.is_ejected());
        assert_eq!((endpoint.blame(), endpoint.blame()), (1, 2));
        endpoint.forgive();
        assert_eq!(endpoint.blame(), 1);
        endpoint.eject(Duration::from_secs(3600));
        assert!(endpoint.is_ejected() && endpoint.is_up());
        endpoint.eject(Duration::ZERO);
        assert!(!endpoint.is_ejected());
    }

    #[test]
    fn warnings_are_apart() {
        let endpoint = Endpoint::new(0, Address::Unix("/x".into()), None);
        assert!(endpoint.may_warn() && !endpoint.may_warn());
    }
}
