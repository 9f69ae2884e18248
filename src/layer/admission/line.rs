//! Who waits, and who is next: by priority, then in turn between keys, then by the order of the queue. Each step is
//! O(log n), and a line holds no key that nobody waits with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use crate::config::Priority;
use crate::config::function::Order;

/// So often in a row a level is passed over for a higher one; then it has its turn.
const PASSED_OVER: u32 = 9;

/// Those who wait.
pub(super) struct Line<T> {
    order: Order,
    begun: Instant,
    next_ticket: u64,
    waiting: BTreeMap<u64, (Seat, T)>,
    levels: [Level; 3],
}

/// Where somebody who waits sits.
#[derive(Clone, Copy)]
struct Seat {
    level: usize,
    key: u64,
    rank: u64,
}

/// All of one priority.
#[derive(Default)]
struct Level {
    keys: HashMap<u64, Bunch>,
    /// The keys in the order in which they have their turn.
    turns: BTreeMap<u64, u64>,
    next_turn: u64,
    /// The keys by how many wait with them.
    sizes: BTreeSet<(usize, u64)>,
    passed_over: u32,
}

/// All of one key, by rank and ticket: the first is next.
struct Bunch {
    turn: u64,
    seats: BTreeSet<(u64, u64)>,
}

impl<T> Line<T> {
    pub(super) fn new(order: Order, now: Instant) -> Self {
        Self {
            order,
            begun: now,
            next_ticket: 0,
            waiting: BTreeMap::new(),
            levels: Default::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whoever waits longest.
    pub(super) fn oldest(&self) -> Option<&T> {
        self.waiting.first_key_value().map(|(_, (_, item))| item)
    }

    /// Takes a place; the ticket is for leaving it.
    pub(super) fn join(
        &mut self,
        priority: Priority,
        key: u64,
        deadline: Option<Instant>,
        item: T,
    ) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let rank = match self.order {
            Order::Fifo => 0,
            Order::Lifo => u64::MAX - ticket,
            Order::Deadline => deadline.map_or(u64::MAX, |at| {
                u64::try_from(at.saturating_duration_since(self.begun).as_nanos())
                    .unwrap_or(u64::MAX)
            }),
        };
        let seat = Seat { level: priority as usize, key, rank };
        self.levels[seat.level].add(key, (rank, ticket));
        self.waiting.insert(ticket, (seat, item));
        ticket
    }

    /// Gives up a place; `None` where it was taken away meanwhile.
    pub(super) fn leave(&mut self, ticket: u64) -> Option<T> {
        let (seat, item) = self.waiting.remove(&ticket)?;
        self.levels[seat.level].remove(seat.key, (seat.rank, ticket));
        Some(item)
    }

    /// Whoever is next.
    pub(super) fn next(&mut self) -> Option<T> {
        let level = self.next_level()?;
        for lower in &mut self.levels[level + 1..] {
            lower.passed_over += u32::from(!lower.keys.is_empty());
        }
        self.levels[level].passed_over = 0;
        let ticket = self.levels[level].next()?;
        self.waiting.remove(&ticket).map(|(_, item)| item)
    }

    fn next_level(&self) -> Option<usize> {
        let waits = |level: &usize| !self.levels[*level].keys.is_empty();
        let is_due = |level: &usize| self.levels[*level].passed_over >= PASSED_OVER;
        let due = (0..self.levels.len()).rev().find(|level| waits(level) && is_due(level));
        due.or_else(|| (0..self.levels.len()).find(waits))
    }

    /// Puts somebody out of a full line, where that is just: the last of a lower priority, else of a key with which
    /// two more wait than with `key`.
    pub(super) fn make_room(&mut self, priority: Priority, key: u64) -> Option<T> {
        let own = priority as usize;
        let lowest = (own + 1..self.levels.len()).rev().find(|l| !self.levels[*l].keys.is_empty());
        let level = &self.levels[lowest.unwrap_or(own)];
        let (most, crowd) = *level.sizes.last()?;
        let with_key = level.keys.get(&key).map_or(0, |bunch| bunch.seats.len());
        let is_just = lowest.is_some() || most >= with_key + 2;
        let (_, ticket) = *level.keys.get(&crowd)?.seats.last()?;
        if is_just { self.leave(ticket) } else { None }
    }

    /// Everybody, and nobody waits.
    pub(super) fn dissolve(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.levels = Default::default();
        std::mem::take(&mut self.waiting).into_values().map(|(_, item)| item)
    }
}

impl Level {
    fn add(&mut self, key: u64, seat: (u64, u64)) {
        let bunch = self.keys.entry(key).or_insert_with(|| {
            let turn = self.next_turn;
            self.next_turn += 1;
            self.turns.insert(turn, key);
            Bunch { turn, seats: BTreeSet::new() }
        });
        self.sizes.remove(&(bunch.seats.len(), key));
        bunch.seats.insert(seat);
        self.sizes.insert((bunch.seats.len(), key));
    }

    fn remove(&mut self, key: u64, seat: (u64, u64)) {
        let Some(bunch) = self.keys.get_mut(&key) else { return };
        self.sizes.remove(&(bunch.seats.len(), key));
        bunch.seats.remove(&seat);
        match bunch.seats.len() {
            0 => {
                self.turns.remove(&bunch.turn);
                self.keys.remove(&key);
            }
            count => {
                self.sizes.insert((count, key));
            }
        }
        if self.keys.is_empty() {
            self.passed_over = 0;
        }
    }

    /// The ticket of who is next; its key has its turn again after all others.
    fn next(&mut self) -> Option<u64> {
        let (_, key) = self.turns.pop_first()?;
        let bunch = self.keys.get_mut(&key)?;
        let seat = *bunch.seats.first()?;
        bunch.turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(bunch.turn, key);
        self.remove(key, seat);
        Some(seat.1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use Priority::{High, Low, Normal};

    fn line(order: Order) -> Line<&'static str> {
        Line::new(order, Instant::now())
    }

    fn all<T>(line: &mut Line<T>) -> Vec<T> {
        std::iter::from_fn(|| line.next()).collect()
    }

    #[test]
    fn each_order_has_its_next() {
        for (order, expected) in [
            (Order::Fifo, ["a 9", "b 2", "c", "d 5"]),
            (Order::Lifo, ["d 5", "c", "b 2", "a 9"]),
            (Order::Deadline, ["b 2", "d 5", "a 9", "c"]),
        ] {
            let mut line = line(order);
            let due = |seconds| Some(line.begun + Duration::from_secs(seconds));
            let deadlines = [("a 9", due(9)), ("b 2", due(2)), ("c", None), ("d 5", due(5))];
            for (name, deadline) in deadlines {
                line.join(Normal, 0, deadline, name);
            }
            assert_eq!(line.oldest(), Some(&"a 9"));
            assert_eq!(all(&mut line), expected, "{order:?}");
            assert_eq!((line.len(), line.oldest()), (0, None));
        }
    }

    #[test]
    fn keys_have_their_turns() {
        let mut line = line(Order::Fifo);
        for (key, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            line.join(Normal, key, None, name);
        }
        assert_eq!(line.next(), Some("a1"));
        line.join(Normal, 4, None, "d1");
        assert_eq!(all(&mut line), ["b1", "c1", "a2", "d1", "b2", "a3"]);
        assert!(line.levels.iter().all(|level| level.turns.is_empty() && level.sizes.is_empty()));
    }

    #[test]
    fn who_leaves_is_not_next() {
        let mut line = line(Order::Lifo);
        let tickets = ["a", "b", "c"].map(|name| line.join(Normal, 7, None, name));
        assert_eq!(line.leave(tickets[2]), Some("c"));
        assert_eq!(line.leave(tickets[2]), None);
        assert_eq!(all(&mut line), ["b", "a"]);
        assert_eq!(line.leave(tickets[0]), None);
    }

    #[test]
    fn a_higher_priority_goes_first_and_a_lower_one_is_not_starved() {
        let mut line = line(Order::Fifo);
        for count in 0..40 {
            line.join(High, 0, None, "high");
            if count < 3 {
                line.join(Low, 0, None, "low");
                line.join(Normal, 0, None, "normal");
            }
        }
        let served = all(&mut line);
        assert_eq!(served[..9], ["high"; 9]);
        let places = |name| {
            let served = served.iter().enumerate();
            served.filter(|(_, other)| **other == name).map(|(place, _)| place).collect::<Vec<_>>()
        };
        let low = places("low");
        assert!(low[0] <= 10 && low.windows(2).all(|pair| pair[1] - pair[0] <= 11), "{low:?}");
        let normal = places("normal");
        assert!(normal.windows(2).all(|pair| pair[1] - pair[0] <= 11), "{normal:?}");
    }

    #[test]
    fn room_is_made_where_that_is_just() {
        let full = |held: &[(Priority, u64, &'static str)]| {
            let mut line = line(Order::Fifo);
            held.iter().for_each(|(priority, key, name)| {
                line.join(*priority, *key, None, *name);
            });
            line
        };
        for (held, comes, goes) in [
            // Of the key that has most, who came last.
            (
                vec![(Normal, 1, "a1"), (Normal, 1, "a2"), (Normal, 2, "b1")],
                (Normal, 3),
                Some("a2"),
            ),
            (vec![(Normal, 1, "a1"), (Normal, 1, "a2"), (Normal, 2, "b1")], (Normal, 2), None),
            (vec![(Normal, 1, "a1"), (Normal, 1, "a2")], (Normal, 1), None),
            (vec![(Normal, 1, "a1"), (Normal, 2, "b1")], (Normal, 3), None),
            // A lower priority, the lowest first.
            (vec![(Low, 1, "l"), (Normal, 1, "n"), (High, 1, "h")], (High, 1), Some("l")),
            (vec![(Normal, 1, "n"), (High, 1, "h")], (High, 1), Some("n")),
            (vec![(High, 1, "h1"), (High, 1, "h2")], (Normal, 2), None),
            (vec![], (High, 1), None),
        ] {
            let mut line = full(&held);
            assert_eq!(line.make_room(comes.0, comes.1), goes, "{held:?} {comes:?}");
            assert_eq!(line.len(), held.len() - usize::from(goes.is_some()));
        }
    }

    #[test]
    fn a_greedy_key_neither_fills_the_line_nor_keeps_others_waiting() {
        let mut line = Line::new(Order::Fifo, Instant::now());
        let length = 20;
        let ask = |line: &mut Line<u64>, key| {
            let is_let_in = line.len() < length || line.make_room(Normal, key).is_some();
            if is_let_in {
                line.join(Normal, key, None, key);
            }
            is_let_in
        };
        let mut served = HashMap::<u64, u32>::new();
        for round in 0..1000 {
            for _ in 0..50 {
                ask(&mut line, 0);
            }
            assert!(ask(&mut line, 1 + round % 3), "refused in round {round}");
            for _ in 0..2 {
                *served.entry(line.next().unwrap()).or_default() += 1;
            }
        }
        let modest: u32 = (1..=3).map(|key| served[&key]).sum();
        assert!(modest >= 990, "{served:?}");
    }

    #[test]
    fn a_line_that_is_dissolved_is_empty() {
        let mut line = line(Order::Deadline);
        for name in ["a", "b"] {
            line.join(Low, 1, None, name);
        }
        assert_eq!(line.dissolve().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((line.len(), line.next()), (0, None));
    }
}
