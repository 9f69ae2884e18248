//! Mode `inline`: calls on the event loop itself, for functions that are done within a millisecond. Nothing is isolated, and
//! while a call runs every other request on its loop waits: one that holds it for long is logged and counted.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prometheus::IntCounter;
use tracing::warn;

use crate::call::{Accounting, Answer, Call, Failure, Outcome, RequestId, answer_body};
use crate::child::Spec;
use crate::child::account::{Seen, settle};
use crate::child::meters::Counted;
use crate::child::run::verdict::{log_line, of_outcome};
use crate::child::sample::count_whole;
use crate::executor::{Executor, Running};
use crate::ffi::phases::Phases;
use crate::ffi::request::Input;
use crate::sys::clock::monotonic_ns;
use crate::wire::{CallFrame, FromWorker, Spent};
use crate::worker::control::{ControlError, Link, Piece};
use crate::worker::resident::Resident;

/// Bytes of an answer: it is in memory as a whole before any of it is sent.
const MOST: usize = 16 * 1024 * 1024;

/// One function.
pub struct Inline(Arc<Desk>);

struct Desk {
    spec: Arc<Spec>,
    resident: Resident,
    stall_after: Duration,
    stalls: IntCounter,
}

impl Inline {
    /// Of a library that is loaded.
    #[must_use]
    pub fn new(
        spec: Arc<Spec>,
        resident: Resident,
        stall_after: Duration,
        stalls: IntCounter,
    ) -> Self {
        Self(Arc::new(Desk { spec, resident, stall_after, stalls }))
    }
}

impl Executor for Inline {
    fn execute(&self, call: Call) -> Running<'static, Outcome> {
        let desk = Arc::clone(&self.0);
        Box::pin(async move { desk.run(call) })
    }

    fn drain(&self) {}

    fn at_once(&self) -> usize {
        super::at_once(&self.0.spec.function, &self.0.resident)
    }
}

impl Desk {
    fn run(&self, mut call: Call) -> Outcome {
        let _busy = Counted::new(&self.spec.meters.workers_busy);
        let sent_ns = monotonic_ns();
        let input = std::mem::replace(&mut call.input, Input::Values(Vec::new()));
        let left = |at: u64| at.saturating_sub(sent_ns) / 1_000_000;
        let time_left_ms = call.deadline_ns.map_or(u64::MAX, left);
        let page = Page::default();
        let _always_heard =
            self.resident.answer(&page, CallFrame { id: call.id.low(), time_left_ms, input });
        let seen = Seen {
            arrived_ns: call.arrived_ns,
            granted_ns: call.granted_ns,
            sent_ns,
            ended_ns: monotonic_ns(),
        };
        let (outcome, accounting) = self.read(page, call.id, seen);
        self.count(&call, &outcome, &accounting);
        self.tell(&call, &outcome, Duration::from_nanos(seen.ended_ns - sent_ns));
        outcome
    }

    /// The outcome of all frames of a call.
    fn read(&self, page: Page, id: RequestId, seen: Seen) -> (Outcome, Accounting) {
        let written = page.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut answered =
            Answered { file: written.file, size: written.size, ..Answered::default() };
        for frame in written.frames {
            match frame {
                FromWorker::Returned { returned, spent, .. } => {
                    let accounting = settle(seen, spent);
                    return (Ok(Answer::Returned { returned, accounting }), accounting);
                }
                FromWorker::Log { level, message } => log_line(&self.spec, id, level, &message),
                FromWorker::End { code, spent, .. } => {
                    let accounting = settle(seen, spent);
                    return (answered.end(code, accounting), accounting);
                }
                FromWorker::Broken { message, .. } => {
                    return (Err(Failure::Protocol(message)), settle(seen, unknown(seen)));
                }
                other => answered.add(other),
            }
        }
        let silent = Failure::Protocol("a call without an answer".to_owned());
        (Err(silent), settle(seen, unknown(seen)))
    }

    fn count(&self, call: &Call, outcome: &Outcome, accounting: &Accounting) {
        let meters = &self.spec.meters;
        let word = of_outcome(&self.spec.function, outcome);
        meters.count_call(word);
        call.hold.ended(word.ending());
        let since_slot = (accounting.wall_ns - accounting.queue_ns) as f64 / 1e9;
        meters.call_duration.observe(since_slot, call.trace);
        count_whole(meters, accounting);
    }

    fn tell(&self, call: &Call, outcome: &Outcome, held: Duration) {
        let (function, route) = (&self.spec.function.name, &*call.route);
        if let Err(failure) = outcome {
            let reason = failure.reason();
            warn!(request_id = %call.id, function, route, reason = %reason, "{failure}");
        }
        if held > self.stall_after {
            self.stalls.inc();
            warn!(
                request_id = %call.id, function, route,
                "the call held its event loop for {held:?}, and every request on it waited: mode = \"inline\" is for calls under 1 ms"
            );
        }
    }
}

/// Status and headers.
type Head = (u16, Vec<(Vec<u8>, Vec<u8>)>);

/// A handler's answer, put together.
#[derive(Default)]
struct Answered {
    head: Option<Head>,
    body: Vec<u8>,
    size: usize,
    file: Option<OwnedFd>,
    bytes: Option<(u64, u64)>,
}

impl Answered {
    fn add(&mut self, frame: FromWorker) {
        match frame {
            FromWorker::Head { status, headers, .. } => self.head = Some((status, headers)),
            FromWorker::Chunk { data, .. } => self.body.extend_from_slice(&data),
            FromWorker::File { status, headers, offset, length, .. } => {
                self.head = Some((status, headers));
                self.bytes = Some((offset, length));
            }
            _ => {}
        }
    }

    fn end(self, code: i32, accounting: Accounting) -> Outcome {
        // Of so short a call nobody asks for phases.
        let phases = Phases::default();
        let (Some((status, headers)), 0..) = (self.head, code) else {
            return Ok(Answer::Code { code, accounting, phases });
        };
        if self.size > MOST {
            return Err(Failure::ReplyTooLarge(MOST));
        }
        if let (Some(file), Some((offset, length))) = (self.file, self.bytes) {
            return Ok(Answer::File { status, headers, file, offset, length, accounting, phases });
        }
        let (mut sender, body) = answer_body(None);
        sender.add(Bytes::from(self.body));
        sender.finish();
        Ok(Answer::Streaming { status, headers, body, accounting, phases })
    }
}

/// Of a call that does not say what it took.
fn unknown(seen: Seen) -> Spent {
    Spent { started_ns: seen.sent_ns, ended_ns: seen.ended_ns, ..Spent::default() }
}

/// What a call writes, kept until it returns.
#[derive(Default)]
struct Page(Mutex<Written>);

#[derive(Default)]
struct Written {
    frames: Vec<FromWorker>,
    file: Option<OwnedFd>,
    size: usize,
}

impl Link for Page {
    fn send(&self, message: &FromWorker) -> Result<(), ControlError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).frames.push(message.clone());
        Ok(())
    }

    fn send_file(&self, message: &FromWorker, file: BorrowedFd<'_>) -> Result<(), ControlError> {
        let file = file.try_clone_to_owned()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).file = Some(file);
        self.send(message)
    }

    fn send_chunk(&self, id: u64, data: &[u8]) -> Result<(), ControlError> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.size += data.len();
        if written.size > MOST {
            return Err(ControlError::Closed);
        }
        written.frames.push(FromWorker::Chunk { id, data: data.to_vec() });
        Ok(())
    }

    /// The loop that would read it is held; its function is not configured so.
    fn next_piece(&self, _: u64) -> Result<Piece, ControlError> {
        Err(ControlError::Closed)
    }

    /// Nobody can leave while the loop is held.
    fn is_closed(&self) -> bool {
        false
    }

    fn raw(&self) -> RawFd {
        -1
    }
}
