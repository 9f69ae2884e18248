//! The state of the clients that were seen last, and of no more: two generations, of which the older one is forgotten as a
//! whole. Memory is bounded whoever asks, and nothing is ever searched through.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::mem;
use std::sync::{Mutex, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

/// Each with a lock of its own, so that event loops seldom meet.
const SHARDS: usize = 16;
/// Clients of one generation of one shard: some 65,000 in all, below 3 MiB.
const GENERATION: usize = 2048;

/// A bounded store for a rate limiter.
pub(super) struct Recent<K> {
    hasher: RandomState,
    shards: [Mutex<Shard<K>>; SHARDS],
}

struct Shard<K> {
    young: HashMap<K, Nanos>,
    old: HashMap<K, Nanos>,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        let shard = |_| Mutex::new(Shard { young: HashMap::new(), old: HashMap::new() });
        Self { hasher: RandomState::new(), shards: std::array::from_fn(shard) }
    }
}

impl<K: Hash + Eq + Copy> StateStore for Recent<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let known = shard.young.get(key).or_else(|| shard.old.get(key)).copied();
        let measured = measure(known);
        // A refused client is remembered as well, or its refusals would be forgotten first.
        match (measured, known) {
            (Ok((passed, state)), _) => {
                shard.remember(*key, state);
                Ok(passed)
            }
            (Err(refused), Some(state)) => {
                shard.remember(*key, state);
                Err(refused)
            }
            (Err(refused), None) => Err(refused),
        }
    }
}

impl<K: Hash + Eq> Shard<K> {
    fn remember(&mut self, key: K, state: Nanos) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Measured = Result<(Option<u64>, Nanos), ()>;

    fn passes(state: u64) -> impl Fn(Option<Nanos>) -> Measured {
        move |known| Ok((known.map(Nanos::as_u64), Nanos::new(state)))
    }

    #[test]
    fn a_flood_of_clients_is_bounded_and_one_that_keeps_asking_stays() {
        let recent = Recent::<u64>::default();
        recent.measure_and_replace(&0, passes(7)).unwrap();
        for client in 1..500_000 {
            recent.measure_and_replace(&client, passes(1)).unwrap();
            if client % 1000 == 0 {
                assert_eq!(recent.measure_and_replace(&0, passes(7)), Ok(Some(7)), "{client}");
            }
        }
        let held = recent.shards.iter().map(|shard| shard.lock().unwrap());
        let held: usize = held.map(|shard| shard.young.len() + shard.old.len()).sum();
        assert!(held <= 2 * SHARDS * GENERATION, "{held}");
    }

    #[test]
    fn one_that_was_not_seen_for_long_starts_anew() {
        let recent = Recent::<u64>::default();
        recent.measure_and_replace(&0, passes(7)).unwrap();
        for client in 1..200_000 {
            recent.measure_and_replace(&client, passes(1)).unwrap();
        }
        assert_eq!(recent.measure_and_replace(&0, passes(7)), Ok(None));
    }

    #[test]
    fn a_refusal_leaves_the_state_as_it_is() {
        let recent = Recent::<u64>::default();
        recent.measure_and_replace(&0, passes(7)).unwrap();
        assert_eq!(recent.measure_and_replace::<(), _, _>(&0, |_| Err(1)), Err(1));
        assert_eq!(recent.measure_and_replace(&0, passes(8)), Ok(Some(7)));
    }
}
