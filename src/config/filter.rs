//! What is done to a route's requests and answers on their way, and the answers that need no app: redirects and files.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

/// What is done on the way to a route's handler and back.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// `strip_prefix` or `rewrite`.
    pub rewrite: Option<Rewrite>,
    /// `request_headers`.
    pub request: Edits,
    /// `response_headers`.
    pub response: Edits,
    /// `compress`.
    pub compress: bool,
    /// `rate_limit`.
    pub rate_limit: Option<RateLimit>,
    /// `priority`.
    pub priority: Priority,
}

/// Who goes first in the queue of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Before the others.
    High,
    /// Neither.
    #[default]
    Normal,
    /// After the others.
    Low,
}

/// Another path for the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// This much of the path, whole segments, is replaced. Neither ends in a `/`.
    Prefix {
        /// The route's prefix.
        from: String,
        /// What stands there instead; may be empty.
        to: String,
    },
    /// The whole path is replaced.
    Path(Vec<Piece>),
}

/// A piece of a path or of a URL that is put together anew for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Itself.
    Text(String),
    /// The request's host, without its port.
    Host,
    /// The request's path.
    Path,
    /// One segment of the request's path; the first is 0.
    Segment(usize),
    /// The request's path from this segment on, without the slash before it.
    Rest(usize),
}

/// Changes to headers: first what goes, then what is set, then what is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Go.
    pub remove: Vec<HeaderName>,
    /// Get this one value.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Get one more value.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

impl Edits {
    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// How often one client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests for each period.
    pub count: NonZeroU32,
    /// A second, a minute or an hour.
    pub period: Duration,
    /// Requests at once, after a silence.
    pub burst: NonZeroU32,
}

/// `redirect = { … }`.
#[derive(Debug, PartialEq, Eq)]
pub struct Redirect {
    /// As written, for people.
    pub written: String,
    /// Where to; whatever the request, its host is one that is written here or the request's own.
    pub to: Vec<Piece>,
    /// The request's query goes along.
    pub keeps_query: bool,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// `files = { … }`.
#[derive(Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder.
    pub root: PathBuf,
    /// The file that answers for a folder; `None`: none does.
    pub index: Option<String>,
    /// `Cache-Control` of the files.
    pub cache_control: Option<HeaderValue>,
    /// `.br`, `.zst` and `.gz` beside a file are looked for.
    pub precompressed: bool,
}
