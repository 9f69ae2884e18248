//! The vocabulary of a call: what is asked, what came of it, what it took. Plain values, no HTTP.

pub mod body;
pub mod feed;
pub mod id;
pub mod outcome;
pub mod poison;
pub mod reason;
pub mod trace;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ffi::request::Input;

pub use body::{AnswerBody, BodySender, answer_body};
pub use feed::{Fed, Feed};
pub use id::RequestId;
pub use outcome::{Accounting, Answer, Failure, Outcome};
pub use poison::{Poison, Suspect};
pub use reason::Reason;
pub use trace::TraceContext;

/// Whatever holds this keeps the call's slot taken.
pub type Hold = Arc<dyn Held>;

/// A call's slot.
pub trait Held: fmt::Debug + Send + Sync {
    /// The call has ended so; its slot is not free yet.
    fn ended(&self, ending: Ending);
}

/// Of a call that nobody else waits for.
impl Held for () {
    fn ended(&self, _: Ending) {}
}

/// What the end of a call says of its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It answers, be it with a failure of its own.
    Answered,
    /// Its process did not live to answer, or broke the protocol.
    Crashed,
    /// Its process could not be started.
    Unstarted,
    /// Its library could not be loaded.
    Unloaded,
    /// Nothing: the call was cut off.
    Cut,
}

/// One run of a function, asked for. Times are `CLOCK_MONOTONIC` nanoseconds.
pub struct Call {
    /// Of the request it serves, for logs.
    pub id: RequestId,
    /// The trace of that request, where somebody records it.
    pub trace: Option<u128>,
    /// The route that it came by.
    pub route: Arc<str>,
    /// What the function is given.
    pub input: Input,
    /// The body of a request that is handed on while the call runs.
    pub feed: Feed,
    /// When it began to wait for a slot.
    pub arrived_ns: u64,
    /// When it got its slot.
    pub granted_ns: u64,
    /// When the client gives up; `None`: never.
    pub deadline_ns: Option<u64>,
    /// Its slot.
    pub hold: Hold,
    /// What is left of it when its process dies; `None`: nothing.
    pub kept: Option<Box<Kept>>,
    /// Its like, where those are remembered that kill.
    pub suspect: Option<Suspect>,
}

/// What is left of a call when its process dies.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The request's method; empty where there is none.
    pub method: String,
    /// The request's path and query.
    pub target: String,
    /// What the function is given, once more.
    pub input: Input,
    /// How often it may run again.
    pub retries: usize,
    /// What came before, where this is not its first run.
    pub earlier: Option<Earlier>,
}

/// The runs of a call whose processes have died.
#[derive(Clone, Copy, Debug)]
pub struct Earlier {
    /// How many.
    pub runs: usize,
    /// What they took.
    pub accounting: Accounting,
    /// When the last one ended.
    pub ended_ns: u64,
    /// The limit of all runs together, as the client is told.
    pub limit: Duration,
    /// When it is reached; `None`: never.
    pub until: Option<Instant>,
}
