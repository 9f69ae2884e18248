//! The life of a worker from its call on, as a pure function: what each event means in each state. No clock, no descriptor.

/// Where a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In its call.
    Busy,
    /// It gave a complete answer and should be leaving.
    Leaving,
    /// It gave a complete answer and may be asked again.
    Resting,
    /// Asked to end by SIGTERM.
    Terminating,
    /// Sent SIGKILL.
    Killed,
    /// Gone, its zombie collected.
    Reaped,
}

/// What can happen to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its answer is complete, and it is to leave.
    Answered,
    /// Its answer is complete, and it is to stay.
    Rested,
    /// It sent something else than the protocol allows, or closed its control descriptor.
    Broken,
    /// A time limit was reached.
    Deadline,
    /// Nobody wants its answer any more.
    Left,
    /// It did not end within `kill_grace`.
    GraceOver,
    /// The process has ended.
    Ended,
}

/// Why a worker is being ended: the label `cause` of `cofferdam_worker_kills_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A time limit.
    Timeout,
    /// The client left.
    Cancel,
    /// The protocol was broken.
    Protocol,
    /// SIGTERM, or its own leaving, took longer than `kill_grace`.
    Grace,
    /// The proxy or the function shuts down.
    Drain,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Wait,
    /// Send SIGTERM to its group, and SIGKILL after `kill_grace`.
    Terminate(Cause),
    /// Send SIGKILL to its group.
    Kill(Cause),
    /// Let it leave; SIGKILL after `kill_grace`.
    AwaitEnd,
    /// Clear its group, collect it.
    Reap,
}

/// What `event` makes of a worker in `state`.
#[must_use]
pub fn next(state: State, event: Event) -> (State, Action) {
    use Action::{AwaitEnd, Kill, Reap, Terminate, Wait};
    match (state, event) {
        (State::Reaped, _) => (state, Wait),
        (_, Event::Ended) => (State::Reaped, Reap),
        (State::Killed, _) => (state, Wait),
        (_, Event::GraceOver) => (State::Killed, Kill(Cause::Grace)),
        (State::Terminating, _) => (state, Wait),
        (_, Event::Broken) => (State::Killed, Kill(Cause::Protocol)),
        (State::Busy, Event::Rested) => (State::Resting, Wait),
        (State::Busy, Event::Answered) => (State::Leaving, AwaitEnd),
        (State::Busy, Event::Deadline) => (State::Terminating, Terminate(Cause::Timeout)),
        (State::Busy, Event::Left) => (State::Terminating, Terminate(Cause::Cancel)),
        (State::Leaving | State::Resting, _) => (state, Wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 6] = [
        State::Busy,
        State::Leaving,
        State::Resting,
        State::Terminating,
        State::Killed,
        State::Reaped,
    ];
    const EVENTS: [Event; 7] = [
        Event::Answered,
        Event::Rested,
        Event::Broken,
        Event::Deadline,
        Event::Left,
        Event::GraceOver,
        Event::Ended,
    ];

    fn pairs() -> impl Iterator<Item = (State, Event)> {
        STATES.into_iter().flat_map(|state| EVENTS.map(|event| (state, event)))
    }

    #[test]
    fn the_end_is_reaped_exactly_once_from_every_state() {
        for state in STATES {
            let (after, action) = next(state, Event::Ended);
            assert_eq!(after, State::Reaped);
            assert_eq!(action == Action::Reap, state != State::Reaped, "{state:?}");
        }
    }

    #[test]
    fn only_the_end_reaps() {
        for (state, event) in pairs().filter(|(_, event)| *event != Event::Ended) {
            let (after, action) = next(state, event);
            assert_ne!(action, Action::Reap, "{state:?} {event:?}");
            assert_eq!(after == State::Reaped, state == State::Reaped, "{state:?} {event:?}");
        }
    }

    #[test]
    fn a_worker_that_is_being_ended_never_lives_again() {
        for (state, event) in pairs() {
            let doomed =
                |state| matches!(state, State::Terminating | State::Killed | State::Reaped);
            let (after, _) = next(state, event);
            assert!(!doomed(state) || doomed(after), "{state:?} {event:?} → {after:?}");
        }
    }

    #[test]
    fn each_signal_comes_with_its_state() {
        for (state, event) in pairs() {
            let (after, action) = next(state, event);
            if let Action::Terminate(_) = action {
                assert_eq!((state, after), (State::Busy, State::Terminating), "{event:?}");
            }
            if let Action::Kill(_) = action {
                assert_eq!(after, State::Killed, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn sigkill_follows_when_the_grace_is_over() {
        for state in [State::Leaving, State::Terminating] {
            let (after, action) = next(state, Event::GraceOver);
            assert_eq!((after, action), (State::Killed, Action::Kill(Cause::Grace)));
        }
    }

    #[test]
    fn only_a_whole_answer_makes_a_worker_rest() {
        for (state, event) in pairs().filter(|(state, _)| *state != State::Resting) {
            let (after, _) = next(state, event);
            let may_rest = (state, event) == (State::Busy, Event::Rested);
            assert_eq!(after == State::Resting, may_rest, "{state:?} {event:?}");
        }
    }

    #[test]
    fn an_answer_given_cannot_be_taken_back() {
        for event in [Event::Answered, Event::Deadline, Event::Left] {
            assert_eq!(next(State::Leaving, event), (State::Leaving, Action::Wait));
        }
    }
}
