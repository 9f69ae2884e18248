//! A worker that waits for a call. Running one consumes it; only a whole answer gives it back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::info;

use crate::call::{Accounting, Call, Outcome};
use crate::child::Spec;
use crate::child::life::Cause;
use crate::child::process::{Live, Started};
use crate::child::run::{After, Opening, Rested};
use crate::child::wear::{Wear, Worn};
use crate::ffi::traits::Traits;
use crate::sys::process::Exit;
use crate::sys::procfs::Sched;
use crate::wire::codec::encode_to_worker;
use crate::wire::{self, CallFrame, Input, ToWorker};

/// A worker that is ready for a call.
pub struct Ready {
    spec: Arc<Spec>,
    seat: Seat,
    before: Sched,
    wear: Wear,
    traits: Traits,
}

/// Where its descriptors are.
enum Seat {
    /// In no runtime.
    Resting(Started),
    /// In the runtime that it had its last call in.
    Home(Box<Live>, Id),
}

/// What a worker that waits is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Ready.
    Sound,
    /// It has ended by itself.
    Ended,
    /// It has said something between two calls: nothing that it says can be trusted.
    Talking,
}

/// How cheaply a worker comes into a runtime; the best is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It has to be taken out of another.
    Away,
    /// It is in none.
    Free,
    /// It is there.
    Home,
}

impl Ready {
    /// Of a worker that said so.
    #[must_use]
    pub fn new(spec: Arc<Spec>, started: Started, said: &wire::Ready) -> Self {
        let before = Sched { cpu_ns: said.cpu_ns, runqueue_ns: said.runqueue_ns };
        let traits = Traits(said.traits) | spec.function.traits;
        Self { spec, seat: Seat::Resting(started), before, wear: Wear::new(), traits }
    }

    /// What its library and the file say of the function.
    #[must_use]
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// Whether it died while it waited.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &self.seat {
            Seat::Resting(started) => started.has_ended(),
            Seat::Home(live, _) => live.has_ended(),
        }
    }

    /// Whether it can be given a call.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match &self.seat {
            _ if self.has_ended() => Condition::Ended,
            Seat::Home(live, _) if live.control.has_stray() => Condition::Talking,
            _ => Condition::Sound,
        }
    }

    /// How cheaply it comes into this runtime: its descriptors are there, in none, or in another one.
    #[must_use]
    pub fn fits(&self, here: Id) -> Fit {
        match &self.seat {
            Seat::Home(_, home) if here == *home => Fit::Home,
            Seat::Resting(_) => Fit::Free,
            Seat::Home(..) => Fit::Away,
        }
    }

    /// How long it has had no call.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        self.wear.idle_for()
    }

    /// Why it is to be replaced, if it is.
    #[must_use]
    pub fn worn(&self) -> Option<Worn> {
        self.wear.worn(self.spec.function.mode)
    }

    /// Looks at a worker that waits: its memory, and what its library prints meanwhile.
    pub fn look(&mut self) {
        self.wear.look(self.seat.pid());
        if let Seat::Home(live, _) = &mut self.seat {
            live.stdout.absorb_now();
            live.stderr.absorb_now();
        }
    }

    /// Ends it without a call, at once.
    pub fn retire(self) {
        self.spec.meters.count_kill(Cause::Drain);
    }

    /// Runs `call` and consumes the worker: `reply` gets the outcome as soon as it is known. The future ends when the
    /// worker is reaped; or, where it serves one call after another and this one ended with a whole answer, when that is
    /// given: then the worker comes back. The call's slot is held until then. A call that may run again comes back too.
    pub async fn run(self, mut call: Call, reply: oneshot::Sender<Outcome>) -> After<Ready> {
        let Self { spec, seat, before, mut wear, traits } = self;
        if let (Some(kept), false) = (&mut call.kept, traits.has(Traits::IDEMPOTENT)) {
            kept.retries = 0;
        }
        let (opening, call) = Opening::new(Arc::clone(&spec), (seat.pid(), before), call, reply);
        let (live, home) = match seat.send(spec.reply_cap, call) {
            Ok(sent) => sent,
            Err(problem) => {
                opening.refuse(&problem);
                return After::Gone;
            }
        };
        let Rested { partner: mut live, accounting } = match opening.run(live).await {
            After::Rested(rested) => rested,
            After::Again(call, reply) => return After::Again(call, reply),
            After::Gone => return After::Gone,
        };
        live.process.release();
        live.stdout.clear();
        live.stderr.clear();
        let took = Duration::from_nanos(accounting.wall_ns - accounting.queue_ns);
        let before = wear.after_call(live.process.pid(), after(before, &accounting), took);
        let seat = Seat::Home(Box::new(live), home);
        After::Rested(Rested { partner: Self { spec, seat, before, wear, traits }, accounting })
    }

    /// Lets a worker leave that has served its calls, or buries one that has left: hangs up, and kills it after
    /// `kill_grace`. `cause` kills it at once.
    pub async fn end(self, cause: Option<Cause>) {
        let Self { spec, seat, .. } = self;
        let Ok((mut live, _)) = seat.settle(spec.reply_cap, Vec::new()) else { return };
        live.control.hang_up();
        let is_killed = match cause {
            Some(cause) => {
                kill(&spec, &live, cause);
                true
            }
            None => timeout(spec.function.kill_grace, live.ended()).await.is_err(),
        };
        if is_killed && cause.is_none() {
            kill(&spec, &live, Cause::Grace);
        }
        let Some(reaped) = live.collect().await else { return };
        let exits = match reaped.exit {
            _ if is_killed => &spec.meters.exits_killed,
            Exit::Code(0) => &spec.meters.exits_done,
            Exit::Code(_) => &spec.meters.exits_exit,
            Exit::Signal(_) => &spec.meters.exits_crash,
        };
        exits.inc();
        for text in [live.stdout.text(), live.stderr.text()].into_iter().flatten() {
            info!(function = spec.function.name, "library output between calls: {text}");
        }
    }
}

fn kill(spec: &Spec, live: &Live, cause: Cause) {
    spec.meters.count_kill(cause);
    live.process.kill();
}

impl Seat {
    fn pid(&self) -> u32 {
        match self {
            Seat::Resting(started) => started.pid(),
            Seat::Home(live, _) => live.process.pid(),
        }
    }

    /// Sends it `call`, and brings it into the caller's runtime.
    fn send(self, cap: usize, call: CallFrame) -> io::Result<(Live, Id)> {
        let takes_files = matches!(call.input, Input::Request(_));
        let mut frame = Vec::new();
        encode_to_worker(&ToWorker::Call(call), &mut frame);
        let (mut live, home) = self.settle(cap, frame)?;
        live.control.take_files(takes_files);
        Ok((live, home))
    }

    /// Into the caller's runtime; it is sent `frame` meanwhile.
    fn settle(self, cap: usize, frame: Vec<u8>) -> io::Result<(Live, Id)> {
        let here = Handle::current().id();
        let started = match self {
            Seat::Home(mut live, home) if home == here => {
                live.control.send(frame);
                return Ok((*live, here));
            }
            Seat::Home(live, _) => live.rest()?,
            Seat::Resting(started) => started,
        };
        Ok((started.begin(cap, frame)?, here))
    }
}

/// What its main thread had used after a call, by what the call is known to have used.
fn after(before: Sched, used: &Accounting) -> Sched {
    Sched {
        cpu_ns: before.cpu_ns + used.cpu_user_ns + used.cpu_system_ns,
        runqueue_ns: before.runqueue_ns + used.runqueue_ns,
    }
}
