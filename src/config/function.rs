//! A function as configured: what is called, with what, how it is limited, and how its result becomes an answer.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::config::Sandbox;
use crate::ffi::callee::Callee;
use crate::ffi::success::compare;
use crate::ffi::traits::Traits;
use crate::ffi::value::{Scalar, Value};
use crate::telemetry::log::counted;

/// `[functions.NAME]`, or the short form `call = "LIB:SYMBOL"` of a route.
#[derive(Clone, Debug)]
pub struct Function {
    /// The metric label.
    pub name: String,
    /// A path with a `/` is made absolute against the file's folder; a bare name is left to `dlopen(3)`.
    pub library: PathBuf,
    /// What is called in it.
    pub entry: Entry,
    /// How its calls run.
    pub mode: Mode,
    /// How its processes are made.
    pub spawn: Spawn,
    /// What the file says of it; the library may say more.
    pub traits: Traits,
    /// Calls at once.
    pub max_concurrency: usize,
    /// Who waits for a slot.
    pub queue: Queue,
    /// Refuses calls when nothing but crashes comes of them; `None` is "off".
    pub breaker: Option<Breaker>,
    /// How often a call that crashed before its answer began runs again; 0 is written "off".
    pub retry: usize,
    /// Refuses requests whose like killed workers; `None` is "off".
    pub poison: Option<Poison>,
    /// Workers started ahead, at least.
    pub spares: usize,
    /// Workers started ahead, at most; more than `spares`: as many as are needed.
    pub most_spares: usize,
    /// Of the call itself; `None` is "off".
    pub timeout: Option<Duration>,
    /// A call that takes longer is slow; `None` is "off".
    pub slow_log: Option<Duration>,
    /// Between SIGTERM and SIGKILL to the process group.
    pub kill_grace: Duration,
    /// What becomes of a call whose client left.
    pub on_disconnect: OnDisconnect,
    /// What its calls may reach.
    pub sandbox: Arc<Sandbox>,
}

impl Function {
    /// Whether its workers are forked from one.
    #[must_use]
    pub fn has_template(&self) -> bool {
        self.spawn == Spawn::Fork && self.mode.is_isolated()
    }
}

/// What a call runs.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A plain C function with its prototype.
    Function(Box<Bound>),
    /// `handler = "SYMBOL"`: the ABI of `cofferdam.h`.
    Handler {
        /// The symbol.
        symbol: String,
        /// It reads the request's body while that comes.
        is_streamed: bool,
    },
}

impl Entry {
    /// Whether each worker makes something before its calls.
    #[must_use]
    pub fn opens(&self) -> bool {
        matches!(self, Entry::Function(bound) if bound.callee.opening.is_some())
    }

    /// Whether what it prints is its answer.
    #[must_use]
    pub fn prints(&self) -> bool {
        matches!(self, Entry::Function(bound) if bound.callee.prints)
    }

    /// The C symbol.
    #[must_use]
    pub fn symbol(&self) -> &str {
        match self {
            Entry::Function(bound) => &bound.callee.symbol,
            Entry::Handler { symbol, .. } => symbol,
        }
    }
}

/// A prototype whose every parameter has a place to come from or to go to.
#[derive(Clone, Debug)]
pub struct Bound {
    /// As written, for messages.
    pub prototype: String,
    /// The prototype of `init`, as written or as it stands for a symbol alone.
    pub init: Option<String>,
    /// What the worker calls.
    pub callee: Callee,
    /// One for each taken slot, in slot order.
    pub inputs: Vec<Input>,
    /// One name for each output, in the order in which they come back.
    pub outputs: Vec<String>,
    /// How a success is answered.
    pub response: Response,
    /// How a return that is no success is answered.
    pub failure: Failing,
}

/// `failure = { … }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// `None`: by `errno`.
    pub status: Option<StatusCode>,
    /// `errno` is put into words, where the library has none.
    pub tells_errno: bool,
}

/// Where one C argument comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The parameter's name.
    pub parameter: String,
    /// What its text is cut to.
    pub target: Target,
    /// Where from.
    pub source: Source,
    /// What it must be within.
    pub bounds: Bounds,
    /// Taken where the source has none; `None`: absence is a 400.
    pub default: Option<Value>,
}

/// What an input becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A scalar, range-checked.
    Scalar(Scalar),
    /// A string: no NUL inside.
    Text,
    /// Bytes, as they come.
    Bytes,
}

/// The least and the most of an input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// `min`, of a number.
    pub least: Option<Value>,
    /// `max`, of a number.
    pub most: Option<Value>,
    /// `max_length`, of a string or bytes, in bytes.
    pub length: Option<u64>,
}

/// The part of a request an input is taken from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The whole body.
    Body,
    /// A query parameter, percent-decoded; the first of its name.
    Query(String),
    /// A `{name}` of the route's path, percent-decoded.
    Path(String),
    /// A header's value.
    Header(HeaderName),
    /// A cookie's value, as it is.
    Cookie(String),
    /// A field of a form in the body, decoded; the first of its name.
    Form(String),
    /// What a JSON Pointer (RFC 6901) finds in the body.
    Json(String),
    /// The request's id.
    RequestId,
    /// Written in the file.
    Constant(Value),
}

impl Bounds {
    /// Whether a value of the input's type lies within.
    ///
    /// # Errors
    /// What it must be.
    pub fn hold(&self, value: &Value) -> Result<(), String> {
        if let (Some(most), Value::Bytes(bytes)) = (self.length, value)
            && u64::try_from(bytes.len()).is_ok_and(|length| length > most)
        {
            let most = counted(usize::try_from(most).unwrap_or(usize::MAX), "byte");
            return Err(format!("must have at most {most}"));
        }
        let within = |bound: &Option<Value>, beyond: Ordering| {
            bound.as_ref().is_none_or(|bound| compare(value, bound) != Some(beyond))
        };
        if within(&self.least, Ordering::Less) && within(&self.most, Ordering::Greater) {
            return Ok(());
        }
        let told = |bound: &Option<Value>| bound.as_ref().map(Value::to_json);
        Err(match (told(&self.least), told(&self.most)) {
            (Some(least), Some(most)) => format!("must be from {least} to {most}"),
            (Some(least), None) => format!("must be at least {least}"),
            (None, most) => format!("must be at most {}", most.unwrap_or_default()),
        })
    }
}

/// `response = { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Default 200; 204 where nothing is answered.
    pub status: StatusCode,
    /// What the body is.
    pub body: ResponseBody,
    /// `None`: by the body (JSON for a value, octet-stream for a buffer, text for a string).
    pub content_type: Option<HeaderValue>,
    /// More headers of the answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// `void` and no `response`: 204.
    Empty,
    /// The return value, as JSON (numbers, bool) or as it stands (a string with `content_type`).
    Return,
    /// The output in this place of [`Bound::outputs`].
    Output(usize),
    /// What the function printed: the last output.
    Stdout,
    /// One object.
    Json(Vec<Member>),
}

impl ResponseBody {
    /// Whether what the function prints belongs to it.
    #[must_use]
    pub fn prints(&self) -> bool {
        match self {
            ResponseBody::Stdout => true,
            ResponseBody::Json(members) => {
                members.iter().any(|member| member.holds == Held::Stdout)
            }
            _ => false,
        }
    }
}

/// A member of an answer that is a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// As JSON has it, in quotes.
    pub name: String,
    /// Its value.
    pub holds: Held,
    /// Bytes are a string; else base64 (RFC 4648 section 4).
    pub is_text: bool,
}

/// What a [`Member`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The return value.
    Return,
    /// `errno(3)`.
    Errno,
    /// The output in this place of [`Bound::outputs`].
    Output(usize),
    /// What the function printed: the last output.
    Stdout,
}

/// How a function's calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A process that has never served another call.
    Process,
    /// Processes that serve one call after another.
    Pool(Recycle),
    /// A thread of the proxy itself.
    Thread,
    /// The event loop itself.
    Inline,
    /// As [`Mode::Process`], and nobody waits for the answer.
    Detached,
}

impl Mode {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Mode::Process => "process",
            Mode::Pool(_) => "pool",
            Mode::Thread => "thread",
            Mode::Inline => "inline",
            Mode::Detached => "detached",
        }
    }

    /// Whether calls run in processes other than the proxy's.
    #[must_use]
    pub fn is_isolated(self) -> bool {
        !matches!(self, Mode::Thread | Mode::Inline)
    }
}

/// When a worker that serves one call after another is replaced. What is `None` is "off".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recycle {
    /// After so many calls, or up to a tenth fewer: each worker draws its own.
    pub max_calls: Option<u64>,
    /// So long after its start, or up to a tenth earlier.
    pub max_age: Option<Duration>,
    /// Above so many bytes of resident memory after a call.
    pub max_memory: Option<u64>,
    /// So long without a call; `spares` of them stay.
    pub idle_timeout: Option<Duration>,
}

impl Recycle {
    /// As the file has it where it says nothing.
    pub const DEFAULT: Recycle = Recycle {
        max_calls: Some(10_000),
        max_age: Some(Duration::from_secs(3600)),
        max_memory: Some(256 * 1024 * 1024),
        idle_timeout: Some(Duration::from_secs(60)),
    };
}

/// How the process of a worker is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spawn {
    /// The worker program is started afresh.
    Exec,
    /// A worker that has loaded the library forks itself.
    Fork,
}

/// Who waits for a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Waiting at once; 0 is written "off".
    pub length: usize,
    /// In the queue; `None` is "off".
    pub timeout: Option<Duration>,
    /// Who is next.
    pub order: Order,
    /// Who takes turns; `None`: nobody.
    pub fair_by: Option<FairBy>,
}

/// What tells those apart who take turns in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FairBy {
    /// The client, by address.
    Client,
    /// The value of a header.
    Header(HeaderName),
}

/// `breaker = { … }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Calls that crashed, one after the other.
    pub crashes: usize,
    /// Starts that failed, one after the other.
    pub starts: usize,
    /// The time in which they did.
    pub within: Duration,
    /// From one try to the next.
    pub lasts: Duration,
}

/// `poison = { … }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poison {
    /// Workers that requests alike have killed.
    pub deaths: usize,
    /// The time in which they died, and how long such requests are refused then.
    pub within: Duration,
}

/// Of [`Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Who waited longest.
    Fifo,
    /// Who came last.
    Lifo,
    /// Whose route's time ends first.
    Deadline,
}

/// Of a call whose client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// End it; its slot is free at once.
    Kill,
    /// Let it end.
    Finish,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_within_its_bounds() {
        let range = |least: Option<i64>, most: Option<i64>| Bounds {
            least: least.map(Value::Int),
            most: most.map(Value::Int),
            length: None,
        };
        let short = || Bounds { length: Some(2), ..Bounds::default() };
        for (bounds, value, expected) in [
            (range(Some(1), Some(9)), Value::Int(1), Ok(())),
            (range(Some(1), Some(9)), Value::Uint(9), Ok(())),
            (range(Some(1), Some(9)), Value::Int(0), Err("must be from 1 to 9")),
            (range(Some(1), None), Value::Float(0.5), Err("must be at least 1")),
            (range(None, Some(9)), Value::Uint(10), Err("must be at most 9")),
            (short(), Value::Bytes(b"ab".to_vec()), Ok(())),
            (short(), Value::Bytes(b"abc".to_vec()), Err("must have at most 2 bytes")),
            (Bounds::default(), Value::Int(i64::MAX), Ok(())),
        ] {
            assert_eq!(
                bounds.hold(&value),
                expected.map_err(str::to_owned),
                "{bounds:?} {value:?}"
            );
        }
    }
}
