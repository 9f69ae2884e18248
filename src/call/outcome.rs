//! What came of a call, and where its time went.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::call::{AnswerBody, Reason};
use crate::ffi::callee::Returned;
use crate::ffi::phases::Phases;

/// A call that answered, or why it did not.
pub type Outcome = Result<Answer, Failure>;

/// What a call answered.
#[derive(Debug)]
pub enum Answer {
    /// A function returned.
    Returned {
        /// What it gave back.
        returned: Returned,
        /// What it took.
        accounting: Accounting,
    },
    /// A handler committed its head; the body follows while it runs.
    Streaming {
        /// HTTP status, 200–599.
        status: u16,
        /// As the handler set them.
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        /// Ends with the handler.
        body: AnswerBody,
        /// What it took until then: the queue and the start.
        accounting: Accounting,
        /// What the handler did until then.
        phases: Phases,
    },
    /// A handler handed over an open file, which is the body.
    File {
        /// HTTP status, 200–599.
        status: u16,
        /// As the handler set them.
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        /// As the worker handed it over: whatever it is.
        file: OwnedFd,
        /// Where the body begins in it.
        offset: u64,
        /// Bytes of the body.
        length: u64,
        /// What it took.
        accounting: Accounting,
        /// What the handler did.
        phases: Phases,
    },
    /// A handler failed without a head: it returned neither 0 nor an HTTP status, by rule -errno.
    Code {
        /// What it returned.
        code: i32,
        /// What it took.
        accounting: Accounting,
        /// What the handler did.
        phases: Phases,
    },
}

/// Where a call's time went, each in nanoseconds; the parts add up to [`Accounting::wall_ns`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// From its arrival to its slot.
    pub queue_ns: u64,
    /// From its slot to the function's entry.
    pub start_ns: u64,
    /// User CPU.
    pub cpu_user_ns: u64,
    /// System CPU.
    pub cpu_system_ns: u64,
    /// Runnable, waiting for a CPU.
    pub runqueue_ns: u64,
    /// Neither running nor runnable.
    pub blocked_ns: u64,
    /// From its arrival to the function's return, by the clock.
    pub wall_ns: u64,
}

impl Accounting {
    /// Both, one after the other.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        Self {
            queue_ns: self.queue_ns + later.queue_ns,
            start_ns: self.start_ns + later.start_ns,
            cpu_user_ns: self.cpu_user_ns + later.cpu_user_ns,
            cpu_system_ns: self.cpu_system_ns + later.cpu_system_ns,
            runqueue_ns: self.runqueue_ns + later.runqueue_ns,
            blocked_ns: self.blocked_ns + later.blocked_ns,
            wall_ns: self.wall_ns + later.wall_ns,
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The process could not be started.
    #[error("no worker could be started: {0}")]
    Start(String),
    /// The library, the symbol or `init` failed.
    #[error("the library could not be loaded: {0}")]
    Load(String),
    /// A signal that nobody here sent.
    #[error("the function crashed: {signal}")]
    Crash {
        /// As `signal(7)` names it.
        signal: String,
    },
    /// It ended its process before it answered.
    #[error("the function ended its process (exit status {0}) without an answer")]
    Exit(i32),
    /// The kernel killed it at its memory limit.
    #[error("the function used more memory than the {0} bytes that it may")]
    OutOfMemory(u64),
    /// A system call that the sandbox does not allow.
    #[error("the function made a system call that its sandbox `{0}` does not allow")]
    Violation(String),
    /// The control descriptor carried something else than one answer.
    #[error("the worker broke the protocol: {0}")]
    Protocol(String),
    /// A frame over the cap.
    #[error("the function's answer is larger than {0} bytes")]
    ReplyTooLarge(usize),
    /// The limit of the call, or of the route.
    #[error("the call did not end within {}", seconds(*.0))]
    Timeout(Duration),
    /// The client left.
    #[error("the client left")]
    Cancelled,
    /// The request's body, read while the call ran, did not come whole.
    #[error("the request's body did not come whole: {0}")]
    Input(Reason),
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

impl Failure {
    /// The word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Failure::Start(_) => Reason::StartFailed,
            Failure::Load(_) => Reason::LoadFailed,
            Failure::Crash { .. } => Reason::Crash,
            Failure::Exit(_) => Reason::Exit,
            Failure::OutOfMemory(_) => Reason::Oom,
            Failure::Violation(_) => Reason::SandboxViolation,
            Failure::Protocol(_) => Reason::Protocol,
            Failure::ReplyTooLarge(_) => Reason::ReplyTooLarge,
            Failure::Timeout(_) => Reason::Timeout,
            Failure::Cancelled => Reason::ClientGone,
            Failure::Input(reason) => *reason,
        }
    }
}
