//! One call in one worker: a loop over what happens, driven by [`life::next`]. The worker is consumed by its call.

mod client;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::call::{Accounting, Answer, Call, Failure, Outcome, answer_body};
use crate::child::Spec;
use crate::child::account::{Seen, settle};
use crate::child::control::ControlError;
use crate::child::life::{self, Action, Cause, Event, State};
use crate::child::meters::{CallOutcome, Counted};
use crate::child::process::{Happening, Live, Started};
use crate::child::sample::{Watch, count_whole};
use crate::config::function::OnDisconnect;
use crate::ffi::request::Input;
use crate::sys::clock::monotonic_ns;
use crate::sys::procfs::{self, Sched};
use crate::wire::codec::encode_to_worker;
use crate::wire::{self, CallFrame, FromWorker, Spent, ToWorker};

use client::Client;

/// A worker that is ready for its one call.
pub struct Ready {
    spec: Arc<Spec>,
    started: Started,
    before: Sched,
}

impl Ready {
    /// Of a worker that said so.
    #[must_use]
    pub fn new(spec: Arc<Spec>, started: Started, said: &wire::Ready) -> Self {
        let before = Sched { cpu_ns: said.cpu_ns, runqueue_ns: said.runqueue_ns };
        Self { spec, started, before }
    }

    /// Whether it died while it waited.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.started.has_ended()
    }

    /// Ends it without a call.
    pub fn retire(self) {
        self.spec.meters.count_kill(Cause::Drain);
    }

    /// Runs `call` and consumes the worker: `reply` gets the outcome as soon as it is known, the future ends when
    /// the worker is reaped. The call's slot is held until then.
    pub async fn run(self, call: Call, reply: oneshot::Sender<Outcome>) {
        match self.started.register(self.spec.reply_cap) {
            Ok(live) => Run::new(self.spec, live, self.before, call, reply).drive().await,
            Err(problem) => {
                self.spec.meters.count_call(CallOutcome::StartFailed);
                let _client_left = reply.send(Err(Failure::Start(problem.to_string())));
            }
        }
    }
}

struct Run {
    spec: Arc<Spec>,
    live: Live,
    state: State,
    before: Sched,
    call: Call,
    seen: Seen,
    client: Client,
    limit: Limit,
    grace_over: Option<Instant>,
    look_at: Option<Instant>,
    watch: Option<Watch>,
    has_hung_up: bool,
    is_counted: bool,
    is_killed: bool,
    _busy: Counted,
}

/// The nearer of the function's own limit and its route's.
#[derive(Clone, Copy)]
struct Limit {
    whole: Duration,
    at: Option<Instant>,
}

impl Limit {
    fn new(own: Option<Duration>, call: &Call, now_ns: u64) -> Self {
        let from_now = |left| Some(Instant::now() + left);
        let route = call.deadline_ns.map(|at| Duration::from_nanos(at.saturating_sub(now_ns)));
        match (own, route) {
            (Some(own), None) => Self { whole: own, at: from_now(own) },
            (Some(own), Some(route)) if own <= route => Self { whole: own, at: from_now(own) },
            (_, Some(route)) => {
                let waited = Duration::from_nanos(now_ns - call.arrived_ns);
                Self { whole: waited + route, at: from_now(route) }
            }
            (None, None) => Self { whole: Duration::MAX, at: None },
        }
    }

    fn left_ms(self) -> u64 {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        self.at.map_or(u64::MAX, |at| u64::try_from(left(at).as_millis()).unwrap_or(u64::MAX))
    }

    fn is_over(self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
    }
}

fn call_frame(call: &mut Call, limit: Limit) -> Vec<u8> {
    let input = std::mem::replace(&mut call.input, Input::Values(Vec::new()));
    let mut frame = Vec::new();
    let call = CallFrame { id: call.id.low(), time_left_ms: limit.left_ms(), input };
    encode_to_worker(&ToWorker::Call(call), &mut frame);
    frame
}

impl Run {
    fn new(
        spec: Arc<Spec>,
        mut live: Live,
        before: Sched,
        mut call: Call,
        reply: oneshot::Sender<Outcome>,
    ) -> Self {
        let sent_ns = monotonic_ns();
        let limit = Limit::new(spec.function.timeout, &call, sent_ns);
        live.control.send(call_frame(&mut call, limit));
        Self {
            state: State::Busy,
            seen: Seen {
                arrived_ns: call.arrived_ns,
                granted_ns: call.granted_ns,
                sent_ns,
                ended_ns: sent_ns,
            },
            client: Client::Head(reply),
            limit,
            grace_over: None,
            look_at: Some(Instant::now() + spec.sampler.interval()),
            watch: None,
            has_hung_up: false,
            is_counted: false,
            is_killed: false,
            _busy: Counted::new(&spec.meters.workers_busy),
            spec,
            live,
            before,
            call,
        }
    }

    async fn drive(mut self) {
        while self.state != State::Reaped {
            if let Some(event) = self.next_event().await {
                let (state, action) = life::next(self.state, event);
                self.state = state;
                self.act(action);
            }
        }
    }

    async fn next_event(&mut self) -> Option<Event> {
        let is_busy = self.state == State::Busy;
        let is_full = self.client.is_full();
        let dies_with_client = is_busy && self.spec.function.on_disconnect == OnDisconnect::Kill;
        let alarm = self.next_alarm();
        tokio::select! {
            biased;
            happening = self.live.next(is_busy && !self.has_hung_up), if !is_full => {
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
            State::Busy => self.limit.at.into_iter().chain(self.look_at).min(),
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
                self.watch();
                None
            }
            _ => {
                self.grace_over = None;
                Some(Event::GraceOver)
            }
        }
    }

    fn watch(&mut self) {
        self.look_at = None;
        let pid = self.live.process.pid();
        let sampler = &self.spec.sampler;
        self.watch = Some(sampler.watch(pid, self.seen.sent_ns, self.before, &self.spec.meters));
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
            Happening::Frame(Err(ControlError::Closed))
                if procfs::is_exiting(self.live.process.pid()) =>
            {
                self.has_hung_up = true;
                None
            }
            Happening::Frame(Err(problem)) => Some(self.broken(verdict::of_control(problem))),
            Happening::Ended => match self.last_frame() {
                Some(frame) => self.frame(frame),
                None => Some(Event::Ended),
            },
        }
    }

    /// What a worker said before it ended still counts.
    fn last_frame(&mut self) -> Option<FromWorker> {
        let is_heard = self.state == State::Busy && !self.has_hung_up;
        if is_heard { self.live.control.next_now().ok() } else { None }
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
            FromWorker::Returned { id: of, returned, outputs, spent } if of == id => {
                let accounting = self.settle(spent);
                self.answer(Answer::Returned { value: returned, outputs, accounting })
            }
            FromWorker::Head { id: of, status, headers } if of == id => {
                let (sender, body) = answer_body();
                let is_first =
                    self.client.begin(sender, Answer::Streaming { status, headers, body });
                if is_first { None } else { self.confused("a second head") }
            }
            FromWorker::Chunk { id: of, data } if of == id => {
                if self.client.add(data) {
                    None
                } else {
                    self.confused("a body without a head")
                }
            }
            FromWorker::End { id: of, code, spent } if of == id => self.end(code, spent),
            FromWorker::Broken { id: of, message } if of == id => {
                Some(self.broken(Failure::Protocol(message)))
            }
            FromWorker::Log { level, message } => {
                verdict::log_line(&self.spec, self.call.id, level, &message);
                None
            }
            _ => self.confused("a frame that is not for this call"),
        }
    }

    fn end(&mut self, code: i32, spent: Spent) -> Option<Event> {
        let accounting = self.settle(spent);
        if self.client.finish() {
            self.count(CallOutcome::Ok, &accounting);
            return Some(Event::Answered);
        }
        self.answer(Answer::Code { code, accounting })
    }

    fn answer(&mut self, answer: Answer) -> Option<Event> {
        if !self.client.awaits_head() {
            return self.confused("a second answer");
        }
        let (outcome, accounting) = verdict::of_answer(&self.spec.function, &answer);
        self.count(outcome, &accounting);
        self.client.answer(Ok(answer));
        Some(Event::Answered)
    }

    fn settle(&mut self, spent: Spent) -> Accounting {
        self.seen.ended_ns = monotonic_ns();
        settle(self.seen, spent)
    }

    /// The call ends here without a whole answer; its client hears it now, whatever the worker does.
    fn cut(&mut self, failure: Failure) {
        let spent = self.spent_so_far();
        self.cut_having(failure, spent);
    }

    fn cut_having(&mut self, failure: Failure, spent: Spent) {
        let accounting = self.settle(spent);
        self.count(verdict::of_failure(&failure), &accounting);
        verdict::log_failure(&self.spec, self.call.id, &failure, &accounting, &self.live);
        self.client.answer(Err(failure));
    }

    /// What the kernel says of a worker that will not say it any more.
    fn spent_so_far(&self) -> Spent {
        let pid = self.live.process.pid();
        let now = procfs::sched(pid).unwrap_or(self.before);
        let cpu_ns = now.cpu_ns.saturating_sub(self.before.cpu_ns);
        let cpu_user_ns = (cpu_ns as f64 * procfs::user_share(pid).unwrap_or(1.0)) as u64;
        Spent {
            started_ns: self.seen.sent_ns,
            ended_ns: u64::MAX,
            cpu_user_ns,
            cpu_system_ns: cpu_ns - cpu_user_ns,
            runqueue_ns: now.runqueue_ns.saturating_sub(self.before.runqueue_ns),
        }
    }

    fn count(&mut self, outcome: CallOutcome, accounting: &Accounting) {
        let meters = &self.spec.meters;
        self.is_counted = true;
        meters.count_call(outcome);
        let since_slot = accounting.wall_ns - accounting.queue_ns;
        meters.call_duration.observe(since_slot as f64 / 1e9);
        match self.watch.take() {
            Some(watch) => watch.finish(accounting),
            None => count_whole(meters, accounting),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Wait => {}
            Action::AwaitEnd => self.allow_grace(),
            Action::Terminate(cause) => {
                self.allow_grace();
                self.is_killed = true;
                self.spec.meters.count_terminate(cause);
                self.live.process.terminate();
            }
            Action::Kill(cause) => {
                self.is_killed = true;
                self.spec.meters.count_kill(cause);
                self.live.process.kill();
            }
            Action::Reap => self.reap(),
        }
    }

    fn allow_grace(&mut self) {
        self.grace_over = Some(Instant::now() + self.spec.function.kill_grace);
    }

    fn reap(&mut self) {
        if let Some(watch) = &self.watch {
            watch.stop();
        }
        let spent = self.spent_so_far();
        let Some(reaped) = self.live.reap_now() else { return };
        let is_answered = self.is_counted;
        if !is_answered {
            self.cut_having(verdict::of_exit(reaped.exit), spent);
        }
        let meters = &self.spec.meters;
        meters.max_resident.set(meters.max_resident.get().max(reaped.max_resident_bytes as f64));
        verdict::exit_counter(meters, self.is_killed, is_answered, reaped.exit).inc();
        verdict::log_output(&self.spec, self.call.id, &self.live);
    }
}
