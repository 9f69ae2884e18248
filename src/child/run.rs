//! One call and whoever runs it: a loop over what happens, driven by [`life::next`]. All modes but `inline` share it.

mod client;
mod death;
mod handled;
mod limit;
mod slow;
mod tally;
pub mod verdict;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::call::{Accounting, Answer, Call, Failure, Outcome, Reason};
use crate::child::Spec;
use crate::child::control::ControlError;
use crate::child::life::{self, Action, Event, State};
use crate::child::meters::{CallOutcome, Counted};
use crate::child::partner::Partner;
use crate::child::process::{Happening, Hears};
use crate::config::function::OnDisconnect;
use crate::ffi::request::Input;
use crate::sys::clock::monotonic_ns;
use crate::sys::process::Reaped;
use crate::sys::procfs::Sched;
use crate::wire::{CallFrame, Fault, FromWorker, Life, Spent};

use client::Client;
use handled::Handled;
use limit::Limit;
use tally::Tally;

/// A worker that SIGKILL has not ended by then is in a wait that nothing ends (state D).
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// A call whose account is open, and which its partner is about to be sent.
pub struct Opening {
    spec: Arc<Spec>,
    call: Call,
    reply: oneshot::Sender<Outcome>,
    thread: u32,
    tally: Tally,
    limit: Limit,
    handled: Handled,
}

impl Opening {
    /// Of a call that `thread` is to run, as the kernel numbers it; `before` is what that had used. Comes with the frame
    /// that the partner is sent.
    pub fn new(
        spec: Arc<Spec>,
        (thread, before): (u32, Sched),
        mut call: Call,
        reply: oneshot::Sender<Outcome>,
    ) -> (Self, CallFrame) {
        let tally = Tally::open(thread, before, &call, &spec);
        let handled = Handled::new(&call.input);
        let limit = Limit::new(spec.function.timeout, &call, tally.sent_ns());
        let input = std::mem::replace(&mut call.input, Input::Values(Vec::new()));
        let frame = CallFrame { id: call.id.low(), time_left_ms: limit.left_ms(), input };
        (Self { spec, call, reply, thread, tally, limit, handled }, frame)
    }

    /// Runs it with `partner`, which was sent it: whoever asked gets the outcome as soon as it is known. The future ends
    /// when the partner is gone, or, where it lives for `Many` calls, when it rests after a whole answer.
    pub async fn run<P: Partner>(self, partner: P) -> After<P> {
        Run::new(self, partner).drive().await
    }

    /// Answers it: it could not be sent.
    pub fn refuse(self, problem: &io::Error) {
        self.spec.meters.count_call(CallOutcome::StartFailed);
        self.call.hold.ended(CallOutcome::StartFailed.ending());
        let _client_left = self.reply.send(Err(Failure::Start(problem.to_string())));
    }
}

/// What is left when a call has run.
pub enum After<P> {
    /// A partner that may be asked again.
    Rested(Rested<P>),
    /// The call, since its worker crashed and it may run again; and who waits for it.
    Again(Box<Call>, oneshot::Sender<Outcome>),
    /// Nothing.
    Gone,
}

/// A partner that has answered and may be asked again.
pub struct Rested<P> {
    /// Itself.
    pub partner: P,
    /// What its call took.
    pub accounting: Accounting,
}

struct Run<P> {
    spec: Arc<Spec>,
    partner: P,
    thread: u32,
    state: State,
    call: Call,
    tally: Tally,
    client: Client,
    handled: Handled,
    limit: Limit,
    grace_over: Option<Instant>,
    has_hung_up: bool,
    is_killed: bool,
    accounting: Accounting,
    counted: Counted,
    /// What the worker told of its own end.
    fault: Option<Box<Fault>>,
    outcome: &'static str,
    runs_again: bool,
}

impl<P: Partner> Run<P> {
    fn new(opening: Opening, partner: P) -> Self {
        let Opening { spec, call, reply, thread, tally, limit, handled } = opening;
        Self {
            state: State::Busy,
            client: Client::Head(reply),
            thread,
            tally,
            handled,
            limit,
            grace_over: None,
            has_hung_up: false,
            is_killed: false,
            accounting: Accounting::default(),
            counted: Counted::new(&spec.meters.workers_busy),
            fault: None,
            outcome: "",
            runs_again: false,
            spec,
            partner,
            call,
        }
    }

    async fn drive(mut self) -> After<P> {
        while !matches!(self.state, State::Reaped | State::Resting) {
            if let Some(event) = self.next_event().await {
                let (state, action) = life::next(self.state, event);
                if self.state == State::Busy && state != State::Resting {
                    self.counted = Counted::new(&self.spec.meters.workers_draining);
                }
                self.state = state;
                self.act(action);
            }
        }
        if self.state == State::Resting {
            // Before the client hears: its next call finds this worker.
            self.partner.absorb();
            verdict::log_output(&self.spec, self.call.id, &self.partner.printed());
            return After::Rested(Rested { partner: self.partner, accounting: self.accounting });
        }
        match self.client {
            Client::Head(reply) if self.runs_again => After::Again(Box::new(self.call), reply),
            _ => After::Gone,
        }
    }

    async fn next_event(&mut self) -> Option<Event> {
        let is_busy = self.state == State::Busy;
        let is_full = self.client.is_full();
        let dies_with_client = is_busy && self.spec.function.on_disconnect == OnDisconnect::Kill;
        let alarm = self.next_alarm();
        let hears = match (is_full, is_busy && !self.has_hung_up) {
            (true, _) => Hears::Nothing,
            (false, true) => Hears::All,
            (false, false) => Hears::End,
        };
        tokio::select! {
            biased;
            happening = self.partner.next(hears, self.call.id.low(), &mut self.call.feed) => {
                self.happened(happening)
            }
            left = self.client.leaves(), if dies_with_client || is_full => {
                (left && dies_with_client).then(|| self.client_left())
            }
            () = sleep_until(alarm.unwrap_or_else(Instant::now)), if alarm.is_some() => self.alarm(),
        }
    }

    fn next_alarm(&self) -> Option<Instant> {
        match self.state {
            State::Busy => self.limit.at.into_iter().chain(self.tally.look_at()).min(),
            _ => self.grace_over,
        }
    }

    fn alarm(&mut self) -> Option<Event> {
        match self.state {
            State::Busy if self.limit.is_over() => {
                self.cut(Failure::Timeout(self.limit.whole));
                Some(Event::Deadline)
            }
            State::Busy => {
                self.tally.look(&self.spec, &self.call, &self.handled.phases);
                None
            }
            State::Killed => {
                self.grace_over = None;
                self.counted = Counted::new(&self.spec.meters.workers_stuck);
                None
            }
            _ => {
                self.grace_over = None;
                Some(Event::GraceOver)
            }
        }
    }

    /// A client whose own limit ended its wait was not impatient: the call took too long.
    fn client_left(&mut self) -> Event {
        let is_late = self.limit.is_over();
        self.cut(if is_late { Failure::Timeout(self.limit.whole) } else { Failure::Cancelled });
        if is_late { Event::Deadline } else { Event::Left }
    }

    fn happened(&mut self, happening: Happening) -> Option<Event> {
        match happening {
            Happening::Frame(Ok(frame)) => self.frame(frame),
            // It is dying: its end tells how, in a moment.
            Happening::Frame(Err(ControlError::Closed)) if self.partner.is_exiting() => {
                self.has_hung_up = true;
                None
            }
            Happening::Frame(Err(problem)) => Some(self.broken(verdict::of_control(problem))),
            Happening::Ended => match self.last_frame() {
                Some(frame) => self.frame(frame),
                None => Some(Event::Ended),
            },
            Happening::Lost(reason) => self.lost(reason),
        }
    }

    /// The client's doing. A call that is to finish without it learns of it; any other ends here.
    fn lost(&mut self, reason: Reason) -> Option<Event> {
        match (reason, self.spec.function.on_disconnect) {
            (Reason::ClientGone, OnDisconnect::Kill) => Some(self.client_left()),
            (Reason::ClientGone, OnDisconnect::Finish) => {
                self.partner.end_body(self.call.id.low());
                None
            }
            _ => {
                self.cut(Failure::Input(reason));
                Some(Event::Left)
            }
        }
    }

    /// What a worker said before it ended still counts.
    fn last_frame(&mut self) -> Option<FromWorker> {
        let is_heard = self.state == State::Busy && !self.has_hung_up;
        if is_heard { self.partner.last_frame() } else { None }
    }

    fn broken(&mut self, failure: Failure) -> Event {
        self.cut(failure);
        Event::Broken
    }

    fn confused(&mut self, what: &str) -> Option<Event> {
        Some(self.broken(Failure::Protocol(what.to_owned())))
    }

    fn frame(&mut self, frame: FromWorker) -> Option<Event> {
        let id = self.call.id.low();
        match frame {
            FromWorker::Returned { id: of, returned, spent } if of == id => {
                let accounting = self.tally.settle(spent);
                self.answer(Answer::Returned { returned, accounting })
            }
            FromWorker::Head { status, ref headers, .. }
            | FromWorker::File { status, ref headers, .. }
                if !verdict::is_head(status, headers) =>
            {
                self.confused("a head that HTTP does not have")
            }
            FromWorker::Head { id: of, status, headers } if of == id => self.head(status, headers),
            FromWorker::Chunk { id: of, data } if of == id => self.chunk(data),
            FromWorker::File { id: of, status, headers, offset, length } if of == id => {
                self.file((status, headers), offset, length)
            }
            FromWorker::Phase { id: of, at_ns, name } if of == id => self.phase(&name, at_ns),
            FromWorker::End { id: of, code, spent } if of == id => self.end(code, spent),
            FromWorker::Broken { id: of, message } if of == id => {
                Some(self.broken(Failure::Protocol(message)))
            }
            // A forked one, which is not waited for.
            FromWorker::Failed { message, .. } => Some(self.broken(Failure::Start(message))),
            FromWorker::Log { level, message } => {
                verdict::log_line(&self.spec, self.call.id, level, &message);
                None
            }
            FromWorker::Fault(fault) => {
                self.fault = Some(fault);
                None
            }
            _ => self.confused("a frame that is not for this call"),
        }
    }

    fn answer(&mut self, answer: Answer) -> Option<Event> {
        if !self.client.awaits_head() {
            return self.confused("a second answer");
        }
        let (outcome, accounting) = verdict::of_answer(&self.spec.function, &answer);
        self.close(outcome, accounting);
        self.client.answer(Ok(answer));
        Some(self.answered())
    }

    fn close(&mut self, outcome: CallOutcome, accounting: Accounting) {
        self.accounting = accounting;
        self.outcome = outcome.word();
        self.tally.close(&self.spec.meters, outcome, &accounting);
        self.call.hold.ended(outcome.ending());
        verdict::log_end(&self.spec, self.call.id, outcome, &accounting, &self.handled.phases);
        let used = (&accounting, &self.handled.phases);
        self.tally.log_slow(&self.spec, &self.call, outcome, used);
    }

    fn answered(&mut self) -> Event {
        self.call.feed.close();
        match self.spec.life {
            Life::Once => Event::Answered,
            Life::Many => Event::Rested,
        }
    }

    /// The call ends here without a whole answer; its client hears it now, whatever the worker does.
    fn cut(&mut self, failure: Failure) {
        let spent = self.tally.spent_so_far();
        self.cut_having(failure, spent);
    }

    fn cut_having(&mut self, failure: Failure, spent: Spent) {
        self.call.feed.close();
        let accounting = self.tally.settle(spent);
        self.close(verdict::of_failure(&failure), accounting);
        self.log_failure(&failure, &accounting);
        self.client.answer(Err(failure));
    }

    fn log_failure(&self, failure: &Failure, accounting: &Accounting) {
        let [_, stderr] = self.partner.printed();
        let whom = (self.call.id, self.thread);
        let phases = self.handled.phases.until(monotonic_ns());
        verdict::log_failure(&self.spec, whom, failure, accounting, (stderr.as_deref(), &phases));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Wait => {}
            Action::AwaitEnd => self.allow_grace(),
            Action::Terminate(cause) => {
                self.allow_grace();
                if self.partner.terminate() {
                    self.is_killed = true;
                    self.spec.meters.count_terminate(cause);
                }
            }
            Action::Kill(cause) => {
                if self.partner.kill() {
                    self.is_killed = true;
                    self.spec.meters.count_kill(cause);
                    self.grace_over = Some(Instant::now() + STUCK_AFTER);
                }
            }
            Action::Reap => self.reap(),
        }
    }

    fn allow_grace(&mut self) {
        self.grace_over = Some(Instant::now() + self.spec.function.kill_grace);
    }

    fn reap(&mut self) {
        self.tally.stop_watching();
        let is_answered = self.tally.is_closed();
        // The kernel forgets with the reaping; a call that answered has told by itself.
        let spent = (!is_answered).then(|| self.tally.spent_so_far());
        let reaped = self.partner.reap();
        if let Some(spent) = spent {
            let vanished = || Failure::Protocol("it ended without an answer".to_owned());
            let was_out_of_memory = self.partner.was_out_of_memory();
            let of_exit = |reaped: Reaped| {
                verdict::of_exit(&self.spec.function, reaped.exit, was_out_of_memory)
            };
            let failure = reaped.map_or_else(vanished, of_exit);
            self.died(failure, spent);
        }
        let Some(reaped) = reaped else { return };
        let meters = &self.spec.meters;
        meters.max_resident.set(meters.max_resident.get().max(reaped.max_resident_bytes as f64));
        verdict::exit_counter(meters, self.is_killed, is_answered, reaped.exit).inc();
        verdict::log_output(&self.spec, self.call.id, &self.partner.printed());
        self.report(reaped);
    }
}
