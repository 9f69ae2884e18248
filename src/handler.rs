//! HTTP in, HTTP out: what answers a request. Also the vocabulary of the HTTP floors above.
//! A handler never waits in `poll_ready`: waiting happens inside `call`, where it can be measured.

/// `poll_ready` of a service that is always ready.
macro_rules! always_ready {
    () => {
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }
    };
}
pub(crate) use always_ready;

pub mod arguments;
pub mod body;
pub mod call;
pub mod client;
pub mod error;
pub mod files;
pub mod gather;
pub mod headers;
pub mod idle;
pub mod problem;
pub mod proxy;
pub mod redirect;
pub mod respond;
pub mod returned;
pub mod sent;
pub mod target;
pub mod upgrade;
pub mod upload;
pub mod upstream;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::request::Parts;

use crate::call::{Hold, RequestId, Suspect, TraceContext};
use crate::config::Upstream;
use crate::ffi::request::Input;

pub use body::{Body, RequestBody};
pub use error::Error;

/// An answer on its way.
pub type Response = http::Response<Body>;

/// What every service of the HTTP floors returns.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// A request on its way to a handler: it passes through many hands, so they pass a pointer.
pub type Request = Box<Asked>;

/// What a client asks.
pub struct Asked {
    /// Method, target, headers.
    pub head: Parts,
    /// The body, limited.
    pub body: RequestBody,
    /// What the floors know of it.
    pub context: Context,
}

/// What is known of a request besides its own bytes.
pub struct Context {
    /// In logs, answers, workers.
    pub id: RequestId,
    /// The trace it belongs to, and this program's span in it.
    pub trace: Option<TraceContext>,
    /// The client; `None` over a unix socket.
    pub peer: Option<Peer>,
    /// The client speaks TLS to this program, whatever the target's scheme says.
    pub is_tls: bool,
    /// When its head was complete.
    pub arrived: Instant,
    /// Why no handler is to see it.
    pub refusal: Option<Error>,
    /// The `{name}`s of the route's path, percent-decoded.
    pub params: Vec<(String, String)>,
    /// When the route's time is over.
    pub deadline: Option<Instant>,
    /// What its function is given.
    pub input: Option<Box<Input>>,
    /// Its like, where those are remembered that kill.
    pub suspect: Option<Suspect>,
    /// Its slot.
    pub slot: Option<Granted>,
    /// How far it has come, where its route calls a function.
    pub progress: Option<Arc<Progress>>,
    /// Somebody wants to know what its upstream takes: a [`Waited`] is to lie beside the answer.
    pub is_timed: bool,
}

impl Context {
    /// It has come as far as `stage`.
    pub fn reach(&self, stage: Stage) {
        self.progress.iter().for_each(|progress| progress.0.store(stage as u8, Ordering::Relaxed));
    }
}

/// What a client that leaves leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// A request that is read, or answered by somebody else.
    Request,
    /// One that waits for a slot.
    Queue,
    /// A call.
    Call,
}

/// Whoever counts a request's end has the other half of this.
#[derive(Debug, Default)]
pub struct Progress(AtomicU8);

impl Progress {
    /// The last stage that was reached.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Request,
            1 => Stage::Queue,
            _ => Stage::Call,
        }
    }
}

/// What an upstream took for an answer: an extension of the response.
#[derive(Clone)]
pub struct Waited {
    /// Which.
    pub upstream: Arc<Upstream>,
    /// From the request sent to the answer's head.
    pub time: Duration,
}

/// A client's address.
#[derive(Clone)]
pub struct Peer {
    /// IPv4 where it is that in either form.
    pub address: IpAddr,
    /// As headers have it: written once a connection.
    pub text: HeaderValue,
}

impl Peer {
    /// At `address`.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let text = HeaderValue::from_str(&address.to_string());
        Self { address, text: text.unwrap_or(HeaderValue::from_static("unknown")) }
    }
}

/// A slot that was granted. Times are `CLOCK_MONOTONIC` nanoseconds.
#[derive(Clone)]
pub struct Granted {
    /// When the request began to wait.
    pub arrived_ns: u64,
    /// When it got the slot.
    pub granted_ns: u64,
    /// Keeps it.
    pub hold: Hold,
}
