//! What systemd is told of this process (`sd_notify(3)`); without `NOTIFY_SOCKET` nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::server::probe::Pulse;

/// It serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A successor is being started.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(problem) => debug!("systemd cannot be told the time: {problem}"),
    }
}

/// The process `successor` serves in its place: the main one of the unit from now on.
pub fn handed_over(successor: u32) {
    tell(&[NotifyState::MainPid(successor), NotifyState::Ready]);
}

/// It drains.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that it lives, twice in the time that `WatchdogSec=` allows, as long as every event loop turns.
pub async fn watchdog(pulse: Pulse) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else {
        return;
    };
    let mut ticks = interval(limit / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Vec::new();
    loop {
        ticks.tick().await;
        let now = pulse.beats();
        match now.iter().zip(&before).any(|(now, before)| now == before) {
            false => tell(&[NotifyState::Watchdog]),
            true => warn!(
                "an event loop stands still: the watchdog is not told that this process lives"
            ),
        }
        before = now;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(problem) = sd_notify::notify(state) {
        warn!("systemd cannot be told ({state:?}): {problem}");
    }
}
