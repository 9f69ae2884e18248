//! What the end of a call is called: in its outcome, in the counters, in the log.

use http::{HeaderName, HeaderValue};
use prometheus::IntCounter;
use tracing::{debug, info, warn};

use crate::call::{Accounting, Answer, Failure, Outcome, RequestId};
use crate::child::Spec;
use crate::child::control::ControlError;
use crate::child::meters::{CallOutcome, Meters};
use crate::config::Function;
use crate::config::function::Entry;
use crate::config::sandbox::Level;
use crate::ffi::phases::Phases;
use crate::sys::process::{Exit, signal_name};
use crate::telemetry::log::escape;
use crate::wire::codec::CodecError;
use crate::wire::{MAX_HEAD, header_size};

/// A complete answer: whether its function calls it a success, and what it took.
pub(super) fn of_answer(function: &Function, answer: &Answer) -> (CallOutcome, Accounting) {
    let ok = |is_ok| if is_ok { CallOutcome::Ok } else { CallOutcome::Failed };
    match (answer, &function.entry) {
        (Answer::Returned { returned, accounting }, Entry::Function(bound)) => {
            (ok(bound.callee.is_success(returned)), *accounting)
        }
        (Answer::Returned { accounting, .. }, Entry::Handler { .. }) => {
            (CallOutcome::Ok, *accounting)
        }
        (Answer::File { accounting, .. }, _) => (CallOutcome::Ok, *accounting),
        (Answer::Code { accounting, .. }, _) => (CallOutcome::Failed, *accounting),
        (Answer::Streaming { .. }, _) => (CallOutcome::Ok, Accounting::default()),
    }
}

/// What a whole outcome is called.
#[must_use]
pub fn of_outcome(function: &Function, outcome: &Outcome) -> CallOutcome {
    match outcome {
        Ok(answer) => of_answer(function, answer).0,
        Err(failure) => of_failure(failure),
    }
}

pub(super) fn of_failure(failure: &Failure) -> CallOutcome {
    match failure {
        Failure::Start(_) => CallOutcome::StartFailed,
        Failure::Load(_) => CallOutcome::LoadFailed,
        Failure::Crash { .. } => CallOutcome::Crash,
        Failure::Exit(_) => CallOutcome::Exit,
        Failure::OutOfMemory(_) => CallOutcome::Oom,
        Failure::Violation(_) => CallOutcome::SandboxViolation,
        Failure::Protocol(_) => CallOutcome::Protocol,
        Failure::ReplyTooLarge(_) => CallOutcome::ReplyTooLarge,
        Failure::Timeout(_) => CallOutcome::Timeout,
        Failure::Cancelled | Failure::Input(_) => CallOutcome::Cancelled,
    }
}

pub(super) fn of_control(problem: ControlError) -> Failure {
    match problem {
        ControlError::Codec(CodecError::TooLong { cap, .. }) => Failure::ReplyTooLarge(cap),
        other => Failure::Protocol(other.to_string()),
    }
}

/// Whether HTTP has such a head, and a handler may give it: it is final.
pub(super) fn is_head(status: u16, headers: &[(Vec<u8>, Vec<u8>)]) -> bool {
    let is_header = |(name, value): &(Vec<u8>, Vec<u8>)| {
        HeaderName::from_bytes(name).is_ok() && HeaderValue::from_bytes(value).is_ok()
    };
    let size: usize = headers.iter().map(header_size).sum();
    (200..600).contains(&status) && size <= MAX_HEAD && headers.iter().all(is_header)
}

/// Under an allow list SIGSYS is the kernel's word for a system call that is not on it.
pub(super) fn of_exit(function: &Function, exit: Exit, was_out_of_memory: bool) -> Failure {
    let sandbox = &function.sandbox;
    match exit {
        _ if was_out_of_memory => Failure::OutOfMemory(sandbox.memory.unwrap_or_default()),
        Exit::Signal(libc::SIGSYS) if sandbox.level == Level::Strict => {
            Failure::Violation(sandbox.name.clone())
        }
        Exit::Signal(signal) => Failure::Crash { signal: signal_name(signal) },
        Exit::Code(code) => Failure::Exit(code),
    }
}

pub(super) fn exit_counter(
    meters: &Meters,
    is_killed: bool,
    is_answered: bool,
    exit: Exit,
) -> &IntCounter {
    match exit {
        _ if is_killed => &meters.exits_killed,
        Exit::Signal(_) => &meters.exits_crash,
        Exit::Code(0) if is_answered => &meters.exits_done,
        Exit::Code(_) => &meters.exits_exit,
    }
}

pub(super) fn log_failure(
    spec: &Spec,
    (id, pid): (RequestId, u32),
    failure: &Failure,
    accounting: &Accounting,
    (stderr, phases): (Option<&str>, &Phases),
) {
    let seconds = |ns: u64| ns as f64 / 1e9;
    warn!(
        request_id = %id,
        function = %spec.function.name,
        reason = %failure.reason(),
        pid,
        queue = seconds(accounting.queue_ns),
        cpu = seconds(accounting.cpu_user_ns + accounting.cpu_system_ns),
        runqueue = seconds(accounting.runqueue_ns),
        blocked = seconds(accounting.blocked_ns),
        stderr,
        phases = phases.text(),
        "{failure}"
    );
}

/// Where the time of a call went, for who asks for that much.
pub(super) fn log_end(
    spec: &Spec,
    id: RequestId,
    outcome: CallOutcome,
    accounting: &Accounting,
    phases: &Phases,
) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let seconds = |ns: u64| ns as f64 / 1e9;
    debug!(
        request_id = %id,
        function = %spec.function.name,
        queue = seconds(accounting.queue_ns),
        start = seconds(accounting.start_ns),
        cpu = seconds(accounting.cpu_user_ns + accounting.cpu_system_ns),
        runqueue = seconds(accounting.runqueue_ns),
        blocked = seconds(accounting.blocked_ns),
        total = seconds(accounting.wall_ns),
        phases = phases.text(),
        "the call ended: {outcome:?}"
    );
}

/// A client must not take half an answer for a whole one.
pub(super) fn log_cut(spec: &Spec, id: RequestId, code: i32) {
    let function = &spec.function.name;
    warn!(request_id = %id, function, "the handler returned {code} amid its answer, which is cut");
}

pub(super) fn log_output(spec: &Spec, id: RequestId, printed: &[Option<String>; 2]) {
    for (stream, text) in ["stdout", "stderr"].into_iter().zip(printed) {
        if let Some(text) = text {
            info!(request_id = %id, function = %spec.function.name, stream, "library output: {text}");
        }
    }
}

/// A line that a handler logs: syslog severities (RFC 5424 section 6.2.1) to ours.
pub fn log_line(spec: &Spec, id: RequestId, level: u8, message: &str) {
    let message = escape(message.as_bytes());
    let function = &spec.function.name;
    match level {
        0..=4 => warn!(request_id = %id, function, "handler: {message}"),
        5 | 6 => info!(request_id = %id, function, "handler: {message}"),
        _ => debug!(request_id = %id, function, "handler: {message}"),
    }
}
