//! Which requests of one function have killed workers. What is remembered of one is a hash under a secret of this process,
//! so that nobody can make another's request look like it; bounded in number and in time.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use crate::ffi::request::{Input, Request};
use crate::ffi::value::Value;

/// Requests that are remembered; those go that killed longest ago.
const REMEMBERED: usize = 1024;

/// The memory of one function.
pub struct Poison {
    deaths: usize,
    within: Duration,
    hasher: RandomState,
    known: Mutex<HashMap<u64, Deaths>>,
    refused: IntCounter,
}

#[derive(Clone, Copy)]
struct Deaths {
    count: usize,
    first: Instant,
    last: Instant,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killer {
    /// Workers that its like killed.
    pub deaths: usize,
    /// Until it is forgotten.
    pub again: Duration,
}

/// A request by what is remembered of its like.
#[derive(Clone)]
pub struct Suspect {
    poison: Arc<Poison>,
    print: u64,
}

impl Poison {
    /// Refuses what has killed so many workers `within` a time, for as long; `refused` counts.
    #[must_use]
    pub fn new(deaths: usize, within: Duration, refused: IntCounter) -> Arc<Self> {
        let (hasher, known) = (RandomState::new(), Mutex::default());
        Arc::new(Self { deaths, within, hasher, known, refused })
    }

    /// Who asks for this. What is not `telling` of a function's values, by their places, differs between requests that are
    /// alike. `None`: a body that is not there yet.
    #[must_use]
    pub fn suspect(
        self: &Arc<Self>,
        input: &Input,
        telling: impl Fn(usize) -> bool,
    ) -> Option<Suspect> {
        let mut hasher = self.hasher.build_hasher();
        match input {
            Input::Request(request) if request.is_streamed => return None,
            Input::Request(request) => hash_request(request, &mut hasher),
            Input::Values(values) => {
                let told = values.iter().enumerate().filter(|(place, _)| telling(*place));
                told.for_each(|(_, value)| hash_value(value, &mut hasher));
            }
        }
        Some(Suspect { poison: Arc::clone(self), print: hasher.finish() })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Deaths>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn killer(&self, print: u64, now: Instant) -> Option<Killer> {
        let mut known = self.known();
        let deaths = *known.get(&print)?;
        let Some(again) = (deaths.last + self.within).checked_duration_since(now) else {
            known.remove(&print);
            return None;
        };
        (deaths.count >= self.deaths).then_some(Killer { deaths: deaths.count, again })
    }

    fn died(&self, print: u64, now: Instant) {
        let mut known = self.known();
        if known.len() >= REMEMBERED && !known.contains_key(&print) {
            let oldest = known.iter().min_by_key(|(_, deaths)| deaths.last);
            if let Some(oldest) = oldest.map(|(print, _)| *print) {
                known.remove(&oldest);
            }
        }
        let deaths = known.entry(print).or_insert(Deaths { count: 0, first: now, last: now });
        if now.duration_since(deaths.first) > self.within {
            *deaths = Deaths { count: 0, first: now, last: now };
        }
        deaths.count += 1;
        deaths.last = now;
    }
}

impl Suspect {
    /// Its like have killed too many.
    #[must_use]
    pub fn is_killer(&self) -> bool {
        self.poison.killer(self.print, Instant::now()).is_some()
    }

    /// Counts it where it is to be refused.
    #[must_use]
    pub fn refuse(&self) -> Option<Killer> {
        let killer = self.poison.killer(self.print, Instant::now());
        killer.inspect(|_| self.poison.refused.inc())
    }

    /// It has killed a worker.
    pub fn killed(&self) {
        self.poison.died(self.print, Instant::now());
    }
}

/// What decides what a handler does, but for headers: most of them are the client's, not the request's.
fn hash_request(request: &Request, hasher: &mut impl Hasher) {
    for text in [&request.method, &request.path, &request.query] {
        hash_bytes(text.as_bytes(), hasher);
    }
    hash_bytes(&request.body, hasher);
}

fn hash_value(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Void => hasher.write_u8(0),
        Value::Null => hasher.write_u8(1),
        Value::Bool(value) => hasher.write(&[2, u8::from(*value)]),
        Value::Int(value) => {
            hasher.write_u8(3);
            hasher.write_i64(*value);
        }
        Value::Uint(value) => {
            hasher.write_u8(4);
            hasher.write_u64(*value);
        }
        Value::Float(value) => {
            hasher.write_u8(5);
            hasher.write_u64(value.to_bits());
        }
        Value::Bytes(bytes) => {
            hasher.write_u8(6);
            hash_bytes(bytes, hasher);
        }
    }
}

/// The length keeps neighbours apart.
fn hash_bytes(bytes: &[u8], hasher: &mut impl Hasher) {
    hasher.write_usize(bytes.len());
    hasher.write(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    fn poison(deaths: usize) -> Arc<Poison> {
        Poison::new(deaths, WITHIN, IntCounter::new("refused", "Refused.").unwrap())
    }

    fn print(poison: &Arc<Poison>, input: &Input) -> Option<u64> {
        poison.suspect(input, |place| place != 9).map(|suspect| suspect.print)
    }

    #[test]
    fn it_takes_so_many_deaths_within_the_time_and_is_forgotten_after_it() {
        // Seconds of deaths; a second, and for how long it is refused then.
        type Row<'a> = (&'a [u64], u64, Option<u64>);
        let rows: [Row<'_>; 8] = [
            (&[], 0, None),
            (&[0, 1], 1, None),
            (&[0, 1, 2], 2, Some(10)),
            (&[0, 1, 2], 12, Some(0)),
            (&[0, 1, 2], 13, None),
            (&[0, 1, 11], 11, None),
            (&[0, 11, 12, 13], 13, Some(10)),
            (&[0, 1, 2, 3], 3, Some(10)),
        ];
        for (deaths, second, again) in rows {
            let (poison, begun) = (poison(3), Instant::now());
            let at = |second| begun + Duration::from_secs(second);
            deaths.iter().for_each(|second| poison.died(7, at(*second)));
            let killer = poison.killer(7, at(second));
            assert_eq!(killer.map(|killer| killer.again.as_secs()), again, "{deaths:?}");
            assert_eq!(poison.killer(8, at(second)), None);
        }
    }

    #[test]
    fn it_remembers_a_bounded_number_and_the_latest() {
        let (poison, begun) = (poison(1), Instant::now());
        for print in 0..REMEMBERED as u64 + 2 {
            poison.died(print, begun + Duration::from_millis(print));
        }
        assert_eq!(poison.known().len(), REMEMBERED);
        let now = begun + Duration::from_millis(REMEMBERED as u64 + 2);
        let known = [0, 1, 2, REMEMBERED as u64 + 1].map(|one| poison.killer(one, now).is_some());
        assert_eq!(known, [false, false, true, true]);
    }

    #[test]
    fn a_refusal_is_counted() {
        let poison = poison(1);
        let suspect = poison.suspect(&Input::Values(Vec::new()), |_| true).unwrap();
        assert!(suspect.refuse().is_none() && !suspect.is_killer());
        suspect.killed();
        assert!(suspect.is_killer());
        assert_eq!(suspect.refuse().unwrap().deaths, 1);
        assert_eq!(poison.refused.get(), 1);
    }

    #[test]
    fn requests_are_alike_by_what_decides_what_a_call_does() {
        let poison = poison(1);
        let bytes = |text: &str| Value::Bytes(text.into());
        let values = |values: &[Value]| print(&poison, &Input::Values(values.to_vec()));
        let different = [
            values(&[]),
            values(&[bytes("ab"), bytes("c")]),
            values(&[bytes("a"), bytes("bc")]),
            values(&[Value::Int(1)]),
            values(&[Value::Uint(1)]),
            values(&[Value::Float(1.0)]),
            values(&[Value::Bool(true)]),
            values(&[Value::Null]),
            values(&[Value::Void]),
        ];
        for (place, one) in different.iter().enumerate() {
            assert_eq!(different.iter().position(|other| other == one), Some(place));
        }
        let mut long = vec![Value::Int(1); 10];
        let before = values(&long);
        long[9] = Value::Int(2);
        assert_eq!(values(&long), before, "what tells nothing");
    }

    #[test]
    fn a_handlers_request_is_its_method_path_query_and_body() {
        let poison = poison(1);
        let plain = Request { method: "GET".into(), path: "/".into(), ..Request::default() };
        let of = |request: &Request| print(&poison, &Input::Request(request.clone()));
        let [mut method, mut path, mut query, mut body] = [(); 4].map(|()| plain.clone());
        method.method = "PUT".into();
        path.path = "/a".into();
        query.query = "a".into();
        body.body = b"a".to_vec();
        for other in [method, path, query, body] {
            assert_ne!(of(&other), of(&plain), "{other:?}");
        }
        let alike = Request { id: "7".into(), peer: "::1".into(), ..plain.clone() };
        assert_eq!(of(&alike), of(&plain));
        assert_eq!(of(&Request { is_streamed: true, ..plain }), None);
    }
}
