//! What becomes of calls that nobody waits for: all that have not ended, and the last ones that have. In memory only: a
//! restart forgets it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::call::{Accounting, RequestId};
use crate::child::meters::CallOutcome;

/// Ended calls that are remembered.
const REMEMBERED: usize = 1000;

/// The record of all detached calls.
#[derive(Default)]
pub struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    accepted: u64,
    /// By the order in which they came; their number is bounded by slots and queues.
    unfinished: BTreeMap<u64, Entry>,
    ended: VecDeque<Entry>,
}

struct Entry {
    id: RequestId,
    route: Arc<str>,
    function: String,
    accepted: SystemTime,
    begun: Option<SystemTime>,
    ended: Option<(SystemTime, Ended)>,
}

/// What became of a call.
pub struct Ended {
    /// As it is counted.
    pub outcome: CallOutcome,
    /// In words, where there is more to say.
    pub detail: Option<String>,
    /// Where its time went, where that is known.
    pub accounting: Option<Accounting>,
}

/// The right to write one call's entry.
pub struct Record {
    ledger: Arc<Ledger>,
    number: u64,
}

impl Ledger {
    /// A call that was promised: it waits for a slot.
    #[must_use]
    pub fn accept(self: &Arc<Self>, id: RequestId, route: Arc<str>, function: &str) -> Record {
        let mut book = self.lock();
        book.accepted += 1;
        let number = book.accepted;
        let entry = Entry {
            id,
            route,
            function: function.to_owned(),
            accepted: SystemTime::now(),
            begun: None,
            ended: None,
        };
        book.unfinished.insert(number, entry);
        Record { ledger: Arc::clone(self), number }
    }

    /// Calls that were promised and have not ended.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.lock().unfinished.len()
    }

    /// The last first; those that have not ended before all others. Times are seconds since the Unix epoch.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let book = self.lock();
        let entries = book.unfinished.values().rev().chain(book.ended.iter().rev());
        let calls: Vec<Value> = entries.map(Entry::to_json).collect();
        json!({ "accepted": book.accepted, "unfinished": book.unfinished.len(), "calls": calls })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// It has its slot.
    pub fn begin(&self) {
        if let Some(entry) = self.ledger.lock().unfinished.get_mut(&self.number) {
            entry.begun = Some(SystemTime::now());
        }
    }

    /// It is over.
    pub fn end(self, ended: Ended) {
        let mut book = self.ledger.lock();
        if let Some(mut entry) = book.unfinished.remove(&self.number) {
            entry.ended = Some((SystemTime::now(), ended));
            book.ended.push_back(entry);
            let excess = book.ended.len().saturating_sub(REMEMBERED);
            book.ended.drain(..excess);
        }
    }
}

impl Entry {
    fn to_json(&self) -> Value {
        let ended = self.ended.as_ref();
        let state = match (&self.begun, ended) {
            (_, Some(_)) => "ended",
            (Some(_), None) => "running",
            (None, None) => "queued",
        };
        json!({
            "id": self.id.to_string(),
            "route": &*self.route,
            "function": self.function,
            "state": state,
            "outcome": ended.map(|(_, ended)| ended.outcome.word()),
            "detail": ended.and_then(|(_, ended)| ended.detail.as_deref()),
            "accepted": seconds(self.accepted),
            "begun": self.begun.map(seconds),
            "ended": ended.map(|(at, _)| seconds(*at)),
            "time": ended.and_then(|(_, ended)| ended.accounting.as_ref()).map(time),
        })
    }
}

/// Where a call's time went, in seconds.
fn time(accounting: &Accounting) -> Value {
    let seconds = |ns: u64| ns as f64 / 1e9;
    json!({
        "queue": seconds(accounting.queue_ns),
        "start": seconds(accounting.start_ns),
        "cpu_user": seconds(accounting.cpu_user_ns),
        "cpu_system": seconds(accounting.cpu_system_ns),
        "runqueue": seconds(accounting.runqueue_ns),
        "blocked": seconds(accounting.blocked_ns),
        "wall": seconds(accounting.wall_ns),
    })
}

fn seconds(at: SystemTime) -> f64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(outcome: CallOutcome) -> Ended {
        Ended { outcome, detail: None, accounting: None }
    }

    #[test]
    fn a_call_goes_from_state_to_state() {
        let ledger = Arc::new(Ledger::default());
        let record = ledger.accept(RequestId::next(), "slow".into(), "f");
        let state = || ledger.to_json()["calls"][0]["state"].clone();
        assert_eq!(state(), "queued");
        record.begin();
        assert_eq!(state(), "running");
        assert_eq!(ledger.unfinished(), 1);
        record.end(ended(CallOutcome::Crash));
        assert_eq!((state(), ledger.unfinished()), ("ended".into(), 0));
        assert_eq!(ledger.to_json()["calls"][0]["outcome"], "crash");
    }

    #[test]
    fn it_forgets_the_oldest_that_ended_and_none_that_did_not() {
        let ledger = Arc::new(Ledger::default());
        let first = ledger.accept(RequestId::next(), "slow".into(), "first");
        for _ in 0..REMEMBERED + 5 {
            ledger.accept(RequestId::next(), "slow".into(), "f").end(ended(CallOutcome::Ok));
        }
        let calls = ledger.to_json()["calls"].as_array().unwrap().clone();
        assert_eq!(calls.len(), REMEMBERED + 1);
        assert_eq!(calls[0]["function"], "first");
        assert_eq!(ledger.to_json()["accepted"], REMEMBERED + 6);
        first.end(ended(CallOutcome::Ok));
        assert_eq!(ledger.to_json()["calls"].as_array().unwrap().len(), REMEMBERED);
    }
}
