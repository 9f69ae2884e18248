//! Who gets the next request. Endpoints that are down never do; those that are left out only when nobody else can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::config::upstream::Balance;
use crate::handler::upstream::Endpoint;

/// Chooses one; `None`: all are down, or `is_wanted` takes none of those that are up.
pub(super) fn choose<'e>(
    balance: Balance,
    endpoints: &'e [Arc<Endpoint>],
    turn: &AtomicUsize,
    is_wanted: impl Fn(&Endpoint) -> bool,
) -> Option<&'e Arc<Endpoint>> {
    if let [only] = endpoints {
        return (only.is_up() && is_wanted(only)).then_some(only);
    }
    let turn = turn.fetch_add(1, Relaxed);
    let is_well = |one: &Endpoint| one.is_up() && !one.is_ejected() && is_wanted(one);
    let chosen = among(balance, endpoints, turn, is_well);
    // Ejection is a guess: where it leaves nobody, it is passed over.
    chosen.or_else(|| among(balance, endpoints, turn, |one| one.is_up() && is_wanted(one)))
}

/// The turn goes round those that may, so that who follows one that may not gets no double share.
fn among(
    balance: Balance,
    endpoints: &[Arc<Endpoint>],
    turn: usize,
    may: impl Fn(&Endpoint) -> bool,
) -> Option<&Arc<Endpoint>> {
    let those = || endpoints.iter().filter(|one| may(one));
    let count = those().count();
    let first = turn.checked_rem(count)?;
    match balance {
        // Another event loop may have left one out since they were counted.
        Balance::RoundRobin => those().nth(first).or_else(|| those().next()),
        Balance::LeastConnections => {
            let rank = |place: usize| (place % count + count - first) % count;
            let ranked = those().enumerate();
            let least = ranked.min_by_key(|(place, one)| (one.in_flight(), rank(*place)));
            least.map(|(_, one)| one)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::handler::upstream::endpoint::Address;

    fn endpoints(count: usize) -> Vec<Arc<Endpoint>> {
        let one = |place| Arc::new(Endpoint::new(place, Address::Unix("/x".into()), None));
        (0..count).map(one).collect()
    }

    fn shares(balance: Balance, endpoints: &[Arc<Endpoint>], times: usize) -> Vec<usize> {
        let turn = AtomicUsize::new(usize::MAX - 1);
        let mut shares = vec![0; endpoints.len()];
        for _ in 0..times {
            if let Some(chosen) = choose(balance, endpoints, &turn, |_| true) {
                shares[chosen.place] += 1;
            }
        }
        shares
    }

    #[test]
    fn turns_go_round_those_that_may() {
        let four = endpoints(4);
        assert_eq!(shares(Balance::RoundRobin, &four, 40), [10; 4]);
        assert_eq!(shares(Balance::LeastConnections, &four, 40), [10; 4]);
        four[1].checked(false, 1, 1);
        assert_eq!(shares(Balance::RoundRobin, &four[..3], 40), [20, 0, 20]);
        four[2].eject(Duration::from_secs(3600));
        assert_eq!(shares(Balance::RoundRobin, &four, 40), [20, 0, 0, 20]);
    }

    #[test]
    fn the_busy_one_gets_nothing() {
        let three = endpoints(3);
        three[0].begin();
        three[2].begin();
        three[2].begin();
        assert_eq!(shares(Balance::LeastConnections, &three, 9), [0, 9, 0]);
    }

    #[test]
    fn where_all_are_left_out_nobody_is() {
        let two = endpoints(2);
        two.iter().for_each(|one| one.eject(Duration::from_secs(3600)));
        assert_eq!(shares(Balance::RoundRobin, &two, 10), [5, 5]);
        two[0].checked(false, 1, 1);
        assert_eq!(shares(Balance::RoundRobin, &two, 10), [0, 10]);
        two[1].checked(false, 1, 1);
        assert_eq!(shares(Balance::RoundRobin, &two, 10), [0, 0]);
    }

    #[test]
    fn one_that_is_not_wanted_is_passed_over() {
        let two = endpoints(2);
        let turn = AtomicUsize::new(0);
        for _ in 0..4 {
            let other = choose(Balance::RoundRobin, &two, &turn, |one| one.id != two[0].id);
            assert_eq!(other.map(|one| one.id), Some(two[1].id));
        }
        assert!(choose(Balance::RoundRobin, &two[..1], &turn, |_| false).is_none());
    }
}
