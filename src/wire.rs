//! The frames between the proxy and a worker: plain values here, bytes in [`codec`].
//! A frame is a `u32` little-endian length, a kind byte and a payload; the length is capped before anything is allocated.

pub mod codec;
pub mod confinement;
pub mod fault;

use crate::ffi::callee::{Callee, Returned};

pub use crate::ffi::request::{Input, Request};
pub use confinement::{Confinement, Group};
pub use fault::{Fault, Module};

/// Both programs must speak the same version; a worker that hears another one answers [`FromWorker::Failed`].
pub const VERSION: u32 = 5;

/// The variable that marks a worker and all that it starts: a number of [`MARK_DIGITS`] digits.
pub const MARK: &str = "COFFERDAM_CALL";

/// All marks are as long, so that a forked worker can write its own in the place of its template's.
pub const MARK_DIGITS: usize = 20;

/// Bytes of data in one [`FromWorker::Chunk`] or [`ToWorker::Body`], at most.
pub const MAX_CHUNK: usize = 64 * 1024;

/// Bytes of the message in [`FromWorker::Log`], at most.
pub const MAX_LOG: usize = 8 * 1024;

/// The headers of a handler's head: names, values and 32 bytes for each, as HTTP/2 counts (RFC 9113 section 6.5.2).
pub const MAX_HEAD: usize = 64 * 1024;

/// What a header takes of [`MAX_HEAD`].
#[must_use]
pub fn header_size((name, value): &(Vec<u8>, Vec<u8>)) -> usize {
    name.len() + value.len() + 32
}

/// What the proxy tells a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum ToWorker {
    /// Once, first: who you are and what to load. The library's bytes may come along, as a descriptor (SCM_RIGHTS).
    Hello(Hello),
    /// Run it.
    Call(CallFrame),
    /// A piece of a request's body, where the call said that it is streamed.
    Body {
        /// Of the call.
        id: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// There is no more of it.
    BodyEnd {
        /// Of the call.
        id: u64,
        /// The client has sent all of it.
        is_whole: bool,
    },
    /// To a template: fork. Three descriptors come along (SCM_RIGHTS): the child's control socket, its standard output
    /// and error.
    Fork {
        /// What [`MARK`] is to say in the child.
        mark: u64,
    },
}

/// What to load, and how to live.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The proxy's process id: a worker whose parent is another by now ends itself.
    pub parent: u32,
    /// The process name to take, at most 15 bytes (`prctl(2)` PR_SET_NAME).
    pub name: String,
    /// Path of the library, as `dlopen(3)` takes it.
    pub library: Vec<u8>,
    /// What `LD_LIBRARY_PATH` is to be for the library, where the loader was started with another one; empty for none.
    pub search_path: Option<Vec<u8>>,
    /// What to call in it.
    pub entry: Entry,
    /// What to give up before.
    pub confinement: Confinement,
    /// How many calls a worker serves.
    pub life: Life,
    /// It serves none itself: it forks one for each [`ToWorker::Fork`], which lives so.
    pub is_template: bool,
    /// It tells of a crash what it can: [`FromWorker::Fault`].
    pub reports: bool,
}

/// How many calls a worker serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// One.
    Once,
    /// One after another, until the proxy hangs up.
    Many,
}

/// The symbol a call runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A plain C function.
    Function(Box<Callee>),
    /// A handler of `cofferdam.h`: `int SYMBOL(cof_request *, cof_response *)`.
    Handler {
        /// Its symbol.
        symbol: String,
    },
}

impl Entry {
    /// Its symbol.
    #[must_use]
    pub fn symbol(&self) -> &str {
        match self {
            Entry::Function(callee) => &callee.symbol,
            Entry::Handler { symbol } => symbol,
        }
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallFrame {
    /// Repeated in each answering frame.
    pub id: u64,
    /// Milliseconds until the proxy gives up; `u64::MAX` for never.
    pub time_left_ms: u64,
    /// The inputs.
    pub input: Input,
}

/// What a worker tells the proxy. Everything in it is hostile until checked.
#[derive(Clone, Debug, PartialEq)]
pub enum FromWorker {
    /// The library is loaded and `init` is done.
    Ready(Ready),
    /// A template has forked.
    Forked {
        /// The child, which is the proxy's own.
        pid: u32,
    },
    /// It will never be ready; the worker ends.
    Failed {
        /// Where it stopped.
        phase: Phase,
        /// Why, for the operator.
        message: String,
    },
    /// A function returned.
    Returned {
        /// Of the call.
        id: u64,
        /// What it gave back.
        returned: Returned,
        /// What it took.
        spent: Spent,
    },
    /// The call could not be made, or the function broke its prototype: there is no result.
    Broken {
        /// Of the call.
        id: u64,
        /// Why, for the operator.
        message: String,
    },
    /// A handler committed its head.
    Head {
        /// Of the call.
        id: u64,
        /// HTTP status.
        status: u16,
        /// Response headers.
        headers: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// A piece of a handler's body, after [`FromWorker::Head`].
    Chunk {
        /// Of the call.
        id: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// A handler's head, and an open file that is its body: a descriptor comes along (SCM_RIGHTS). Nothing but
    /// [`FromWorker::End`] follows.
    File {
        /// Of the call.
        id: u64,
        /// HTTP status.
        status: u16,
        /// Response headers.
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        /// Where the body begins in it.
        offset: u64,
        /// Bytes of the body.
        length: u64,
    },
    /// A handler says what it does from now on.
    Phase {
        /// Of the call.
        id: u64,
        /// Since when: `CLOCK_MONOTONIC` nanoseconds.
        at_ns: u64,
        /// Its own word; empty for nothing in particular.
        name: String,
    },
    /// A handler returned; its body is complete.
    End {
        /// Of the call.
        id: u64,
        /// What the handler returned: 0, an HTTP status, or -errno.
        code: i32,
        /// What it took.
        spent: Spent,
    },
    /// A line the handler logs.
    Log {
        /// Syslog severity, 0 to 7 (RFC 5424 section 6.2.1).
        level: u8,
        /// The line.
        message: String,
    },
    /// Its last word: it crashes.
    Fault(Box<Fault>),
}

/// The worker's own start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Nanoseconds in `dlopen` and `dlsym`.
    pub load_ns: u64,
    /// Nanoseconds in `NAME_init`.
    pub init_ns: u64,
    /// CPU time of the calling thread so far, nanoseconds.
    pub cpu_ns: u64,
    /// Run-queue wait of the calling thread so far, nanoseconds.
    pub runqueue_ns: u64,
    /// `NAME_traits` of the library; 0 where it has none.
    pub traits: u32,
}

/// What one call took on the worker's calling thread. Times are `CLOCK_MONOTONIC` nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The moment before the function was entered.
    pub started_ns: u64,
    /// The moment after it returned.
    pub ended_ns: u64,
    /// User CPU, nanoseconds.
    pub cpu_user_ns: u64,
    /// System CPU, nanoseconds.
    pub cpu_system_ns: u64,
    /// Runnable but waiting for a CPU, nanoseconds.
    pub runqueue_ns: u64,
}

/// Where a worker's start can fail; the label `phase` of `cofferdam_worker_start_failures_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The process could not be started, or said nothing.
    Spawn,
    /// Confining itself.
    Confine,
    /// `dlopen` or `dlsym`.
    Load,
    /// `NAME_init`.
    Init,
}
