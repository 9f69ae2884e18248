//! The settings, resolved: every value is checked and has its default, so that an invalid state cannot be written.
//! [`load`] reads a file; all that is wrong with it is reported at once.

mod duration;
pub mod filter;
pub mod function;
mod load;
mod raw;
mod report;
mod resolve;
pub mod sandbox;
mod size;
mod source;
pub mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;

pub use filter::{Edits, Files, Filters, Piece, Priority, RateLimit, Redirect, Rewrite};
pub use function::Function;
pub use load::{load, parse};
pub use raw::{Key, keys};
pub use report::{Problem, Report, Span};
pub use sandbox::Sandbox;
pub use source::Environment;
pub use upstream::{Origin, Upstream};

/// A whole configuration file.
#[derive(Debug)]
pub struct Config {
    /// The file, as given.
    pub path: PathBuf,
    /// `[server]` and its listeners.
    pub server: Server,
    /// `[admin]`; `None` when it is "off".
    pub admin: Option<Admin>,
    /// `[upstreams.NAME]` and the short forms, each once.
    pub upstreams: Vec<Arc<Upstream>>,
    /// `[functions.NAME]` and the short forms `call = "LIB:SYMBOL"`, each once.
    pub functions: Vec<Arc<Function>>,
    /// In file order; precedence is the router's.
    pub routes: Vec<Route>,
    /// `[accounting]`.
    pub accounting: Accounting,
    /// `[log]`.
    pub log: Log,
    /// `[trace]`.
    pub trace: Trace,
    /// `[dossiers]`; `None`: none are written.
    pub dossiers: Option<Dossiers>,
}

/// Accepting connections. A time that is `None` is "off".
#[derive(Debug)]
pub struct Server {
    /// At least one.
    pub listeners: Vec<Listener>,
    /// Event loops; never 0 here (0 in the file means one per core).
    pub workers: usize,
    /// Client connections at once, all listeners together.
    pub max_connections: usize,
    /// To receive a request's whole head.
    pub header_timeout: Option<Duration>,
    /// Of a keep-alive connection without a request.
    pub idle_timeout: Option<Duration>,
    /// Between two reads of a request body.
    pub body_timeout: Option<Duration>,
    /// Of a whole request body.
    pub body_total_timeout: Option<Duration>,
    /// Of a client that takes nothing of what waits for it.
    pub send_timeout: Option<Duration>,
    /// Of a drain: what still runs then is cut.
    pub drain_timeout: Duration,
    /// For a successor to get ready.
    pub handover_timeout: Duration,
    /// Requests of one connection; `None`: any number.
    pub max_requests_per_connection: Option<usize>,
    /// Bytes of a request's head.
    pub max_header_size: usize,
    /// Headers of a request.
    pub max_headers: usize,
    /// Bytes of a request's body; `None` is unlimited (and then only for streamed bodies).
    pub max_body_size: Option<u64>,
    /// Peers whose X-Forwarded-* are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// One place to accept at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Named in logs and in the line `listening NAME URL`.
    pub name: String,
    /// Where.
    pub address: Address,
    /// Speaks TLS.
    pub tls: Option<Tls>,
    /// Connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
}

impl Listener {
    /// For HTTP and nothing else.
    #[must_use]
    pub fn plain(name: &str, address: Address) -> Self {
        Self { name: name.to_owned(), address, tls: None, proxy_protocol: false }
    }
}

/// TLS of a listener: PEM files, by absolute paths. They are not read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `FILE:LINE`, for messages.
    pub defined_at: String,
    /// The chain, the listener's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What is asked of clients; `None`: nothing.
    pub client: Option<ClientAuth>,
}

/// Certificates of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Who may vouch for them.
    pub ca: PathBuf,
    /// A client without one is turned away; a wrong one always is.
    pub is_required: bool,
}

/// A listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// The operator's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where.
    pub address: Address,
    /// The address was not written in the file: when it is taken, a free port will do.
    pub is_default: bool,
}

impl Action {
    /// What is called.
    #[must_use]
    pub fn function(&self) -> Option<&Arc<Function>> {
        match self {
            Action::Call(function) | Action::Detach(function, _) => Some(function),
            _ => None,
        }
    }
}

/// One routing rule.
#[derive(Debug)]
pub struct Route {
    /// The metric label.
    pub name: String,
    /// `FILE:LINE` of its `[[routes]]`, for messages.
    pub defined_at: String,
    /// `host`.
    pub host: HostMatch,
    /// `path` or `prefix`.
    pub path: PathMatch,
    /// `scheme`; `None`: any.
    pub scheme: Option<Scheme>,
    /// Empty: any.
    pub methods: Vec<Method>,
    /// All must be present with this value.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What answers.
    pub action: Action,
    /// What is done on the way to it and back.
    pub filters: Filters,
    /// Queue + start + call + answer; `None` is "off".
    pub timeout: Option<Duration>,
}

/// How a client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scheme {
    Http,
    Https,
}

/// `host = "…"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostMatch {
    /// Not written.
    Any,
    /// `*.example.com`, held as `.example.com`, lower case; one or more labels stand for the star.
    Suffix(String),
    /// Lower case, no port.
    Exact(String),
}

/// `path = "…"` or `prefix = "…"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// `path` without a parameter.
    Exact(String),
    /// `path` with parameters.
    Pattern(Vec<Segment>),
    /// `prefix`, element-wise: `/v1` matches `/v1` and `/v1/x`, not `/v10`.
    Prefix(String),
}

/// One element of a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Itself.
    Literal(String),
    /// `{name}`: one non-empty segment.
    Param(String),
    /// `{*name}`: the rest, last; may be empty.
    Rest(String),
}

/// What answers a route's requests.
#[derive(Clone, Debug)]
pub enum Action {
    /// `call = …` or `handler = …`: a function in isolation.
    Call(Arc<Function>),
    /// The same with `mode = "detached"`: with the route's own `respond`, or the default answer.
    Detach(Arc<Function>, Option<Arc<Respond>>),
    /// `proxy = …`.
    Proxy(Arc<Upstream>),
    /// `respond = { … }`.
    Respond(Arc<Respond>),
    /// `redirect = { … }`.
    Redirect(Arc<Redirect>),
    /// `files = { … }`.
    Files(Arc<Files>),
}

/// A fixed answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Respond {
    /// 200–599.
    pub status: StatusCode,
    /// Sent as it stands.
    pub body: String,
    /// Default `text/plain; charset=utf-8`.
    pub content_type: HeaderValue,
}

/// `[accounting]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// Busy workers older than this are sampled, and again after each such time.
    pub interval: Duration,
    /// An event loop held longer than this is a stall.
    pub stall_after: Duration,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `error | warn | info | debug | trace`.
    pub level: Level,
    /// `[log] format`.
    pub format: LogFormat,
    /// `[log.access]`.
    pub access: Access,
}

/// `[log.access]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// How lines look.
    pub format: AccessFormat,
    /// Where they go; `None`: to standard error.
    pub file: Option<PathBuf>,
    /// Query parameters whose values are not written, in lower case.
    pub redact: Vec<String>,
}

/// `[trace]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `x-request-id`.
    pub request_id: bool,
    /// `traceparent`.
    pub traceparent: bool,
    /// Traces that begin here ask to be recorded.
    pub sampled: bool,
}

/// `[dossiers]`: a file for each death of a worker by a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dossiers {
    /// The folder, by an absolute path.
    pub directory: PathBuf,
    /// Files that are kept.
    pub keep: usize,
    /// Bytes of all of them.
    pub size: u64,
    /// What of a request is written.
    pub inputs: Inputs,
}

/// What of a request a dossier has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Numbers, and of strings and bodies their lengths.
    Redacted,
    /// All but what lets its finder in.
    Whole,
}

/// The least serious event that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How access lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// None are written.
    Off,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// NCSA combined, as Apache and nginx write it.
    Combined,
}
