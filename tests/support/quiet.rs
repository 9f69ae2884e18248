//! A machine to oneself: a test that measures holds [`alone`]; while it does, no other test starts the program.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, PoisonError};

static STATE: Mutex<State> = Mutex::new(State { alone: false, sharing: 0 });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    static MINE: Cell<bool> = const { Cell::new(false) };
}

struct State {
    alone: bool,
    sharing: usize,
}

/// While it lives the program runs for the thread that took it only.
pub struct Alone(());

/// While it lives nobody is [`Alone`], but for the thread itself.
pub struct Shared {
    counted: bool,
}

/// Waits until nobody shares. Threads that share come first, so that a test may start the program twice.
pub fn alone() -> Alone {
    let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let free = CHANGED.wait_while(state, |s| s.alone || s.sharing > 0);
    free.unwrap_or_else(PoisonError::into_inner).alone = true;
    MINE.set(true);
    Alone(())
}

/// Waits until nobody is alone.
pub fn share() -> Shared {
    if MINE.get() {
        return Shared { counted: false };
    }
    let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let free = CHANGED.wait_while(state, |s| s.alone);
    free.unwrap_or_else(PoisonError::into_inner).sharing += 1;
    Shared { counted: true }
}

impl Drop for Alone {
    fn drop(&mut self) {
        STATE.lock().unwrap_or_else(PoisonError::into_inner).alone = false;
        MINE.set(false);
        CHANGED.notify_all();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.counted {
            STATE.lock().unwrap_or_else(PoisonError::into_inner).sharing -= 1;
            CHANGED.notify_all();
        }
    }
}

#[test]
fn one_who_measures_is_alone() {
    let mine = alone();
    drop(share());
    let other = std::thread::spawn(|| {
        let _shared = share();
        MINE.get()
    });
    assert!(!other.is_finished());
    drop(mine);
    assert!(!other.join().unwrap());
}
