//! Lines about calls that take long: one while such a call still runs, with its stack, and one when it ends. A thread of its
//! own writes the former, since it reads files and waits for the kernel; how many are written is bounded, the others are
//! counted.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tracing::warn;

use crate::call::{Accounting, Call};
use crate::child::Spec;
use crate::child::meters::CallOutcome;
use crate::child::sample::Watched;
use crate::child::sight::stack::{Stack, stack};
use crate::child::sight::{Doing, Waiting};
use crate::ffi::phases::Phases;
use crate::symbols::Symbols;
use crate::sys::priority;

/// Calls of one function that are written of at once,
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
/// and then in each second.
const EACH_SECOND: NonZeroU32 = NonZeroU32::MIN;
/// Lines that wait to be written.
const QUEUE: usize = 64;
/// Waits of a call that are told.
const MOST_WAITS: usize = 5;
const NICE: i32 = 10;

/// Which slow calls of one function are written of.
pub struct Gate {
    limiter: DefaultDirectRateLimiter,
    left_out: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        let limiter = RateLimiter::direct(Quota::per_second(EACH_SECOND).allow_burst(AT_ONCE));
        Self { limiter, left_out: AtomicU64::new(0) }
    }
}

impl Gate {
    /// Whether one more call is written of: then how many were left out since the last one.
    #[must_use]
    pub fn admit(&self) -> Option<u64> {
        match self.limiter.check() {
            Ok(()) => Some(self.left_out.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// What waits to be written.
pub struct SlowLog(SyncSender<Line>);

struct Line {
    watched: Arc<Watched>,
    phases: Option<String>,
    left_out: u64,
}

impl SlowLog {
    /// Starts the thread `slow-log`.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub fn start() -> io::Result<Self> {
        let (lines, waiting) = sync_channel(QUEUE);
        thread::Builder::new().name("slow-log".into()).spawn(move || serve(&waiting))?;
        Ok(Self(lines))
    }

    /// Writes of a call that goes on; false where too many lines wait.
    #[must_use]
    pub fn tell(&self, watched: Arc<Watched>, phases: Option<String>, left_out: u64) -> bool {
        self.0.try_send(Line { watched, phases, left_out }).is_ok()
    }
}

fn serve(lines: &Receiver<Line>) {
    let _may_not = priority::set_nice(NICE);
    let mut symbols = Symbols::default();
    while let Ok(line) = lines.recv() {
        write(&mut symbols, &line);
    }
}

fn write(symbols: &mut Symbols, line: &Line) {
    let found = stack(symbols, line.watched.subject().thread);
    let Some(live) = line.watched.live() else { return };
    let others = live.others.iter().map(|(thread, doing)| format!("{thread}: {doing}"));
    let (doing, channel) = told(&live.doing, &found);
    warn!(
        request_id = %live.id,
        route = %live.route,
        function = live.function,
        state = "running",
        pid = live.process,
        took = live.age.as_secs_f64(),
        doing,
        since = live.since.as_secs_f64(),
        channel,
        cpu = live.cpu.as_secs_f64(),
        runqueue = live.runqueue.as_secs_f64(),
        blocked = live.blocked.as_secs_f64(),
        waits = waits_text(&live.waits),
        phases = line.phases,
        threads = live.threads,
        others = joined(others.collect(), "; "),
        stack = joined(found.frames, " < "),
        left_out = (line.left_out > 0).then_some(line.left_out),
        "a slow call goes on"
    );
}

/// A lock has a name where its stack could be read.
fn told(doing: &Doing, stack: &Stack) -> (String, Option<String>) {
    match doing {
        Doing::Waiting(waiting) => {
            let on = stack.lock.clone().or_else(|| waiting.on.clone());
            let channel = waiting.channel.clone();
            (Waiting { on, ..waiting.clone() }.to_string(), channel)
        }
        other => (other.to_string(), None),
    }
}

/// A slow call that ends: by how, and where its time went.
pub fn log_end(
    spec: &Spec,
    (call, pid): (&Call, u32),
    outcome: CallOutcome,
    (accounting, phases): (&Accounting, &Phases),
    waits: &[(Arc<str>, Duration)],
) {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let own_ns = accounting.wall_ns - accounting.queue_ns - accounting.start_ns;
    warn!(
        request_id = %call.id,
        route = %call.route,
        function = %spec.function.name,
        state = "ended",
        outcome = outcome.word(),
        pid,
        took = seconds(own_ns),
        queue = seconds(accounting.queue_ns),
        start = seconds(accounting.start_ns),
        cpu = seconds(accounting.cpu_user_ns + accounting.cpu_system_ns),
        runqueue = seconds(accounting.runqueue_ns),
        blocked = seconds(accounting.blocked_ns),
        waits = waits_text(waits),
        phases = phases.text(),
        "a slow call has ended"
    );
}

/// `1.70 s recvfrom on tcp 10.0.0.7:5432; 0.02 s futex on 0x7f00`.
fn waits_text(waits: &[(Arc<str>, Duration)]) -> Option<String> {
    let each = waits.iter().take(MOST_WAITS);
    joined(each.map(|(what, time)| format!("{:.2} s {what}", time.as_secs_f64())).collect(), "; ")
}

fn joined(parts: Vec<String>, between: &str) -> Option<String> {
    (!parts.is_empty()).then(|| parts.join(between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_are_left_out_and_counted() {
        let gate = Gate::default();
        let admitted = (0..1000).filter_map(|_| gate.admit()).collect::<Vec<_>>();
        assert!((5..10).contains(&admitted.len()), "{admitted:?}");
        assert_eq!(admitted[..5], [0; 5]);
        let left_out = gate.left_out.load(Ordering::Relaxed) + admitted.iter().sum::<u64>();
        assert_eq!(left_out + admitted.len() as u64, 1000);
    }

    #[test]
    fn a_lock_goes_by_its_name() {
        let waiting = Waiting { call: "futex".into(), on: Some("0x7f00".into()), channel: None };
        let doing = Doing::Waiting(waiting);
        let stack = Stack { lock: Some("libapp.so!lock+0x0".into()), ..Stack::default() };
        assert_eq!(told(&doing, &stack).0, "futex on libapp.so!lock+0x0");
        assert_eq!(told(&doing, &Stack::default()).0, "futex on 0x7f00");
        assert_eq!(told(&Doing::Running, &stack).0, "running");
    }

    #[test]
    fn waits_are_in_words() {
        let waits = [("recvfrom on tcp 10.0.0.7:5432".into(), Duration::from_millis(1700))];
        assert_eq!(waits_text(&waits).unwrap(), "1.70 s recvfrom on tcp 10.0.0.7:5432");
        assert_eq!(waits_text(&[]), None);
    }
}
