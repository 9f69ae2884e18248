//! Everything that can go wrong with a request, and the one table of what the client is told.

use std::time::Duration;

use http::StatusCode;

use crate::call::poison::Killer;
use crate::call::{Ending, Failure, Reason, Suspect};
use crate::config::Function;

/// Why a request has no answer of its handler.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing matches.
    #[error("no route matches this host, path, method and headers")]
    NoRoute,
    /// The folder has none of this name.
    #[error("there is no such file")]
    NoFile,
    /// Files are read, not written.
    #[error("files are read by GET and HEAD only")]
    FileMethod,
    /// Against the rules of HTTP.
    #[error("{0}")]
    BadRequest(&'static str),
    /// CONNECT, TRACE.
    #[error("this method is not passed on")]
    MethodRefused,
    /// `Transfer-Encoding` is not one `chunked`.
    #[error("the body's transfer coding is not understood: only chunked is")]
    CodingRefused,
    /// `Expect` is not `100-continue`.
    #[error("only 100-continue can be expected")]
    ExpectationRefused,
    /// An argument of a function.
    #[error("argument `{argument}`: {problem}")]
    BadArgument {
        /// Its name in the prototype.
        argument: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The head took too long.
    #[error("the head was not whole within {0:?}")]
    HeadTimeout(Duration),
    /// The head is over a limit.
    #[error("the head is larger than {size} bytes, or has more than {count} headers")]
    HeadTooLarge {
        /// `max_header_size`.
        size: usize,
        /// `max_headers`.
        count: usize,
    },
    /// The body paused too long.
    #[error("no byte of the body arrived for {0:?}")]
    BodyTimeout(Duration),
    /// The whole body took too long.
    #[error("the body was not whole within {0:?}")]
    BodyTooSlow(Duration),
    /// The body is over the limit.
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(u64),
    /// More requests than the route's `rate_limit` allows.
    #[error("too many requests: the next one is taken in {again:?}")]
    RateLimited {
        /// Until then none is.
        again: Duration,
    },
    /// No slot and no place to wait.
    #[error("all slots of `{function}` are taken ({slots}) and its queue is full ({length})")]
    QueueFull {
        /// The function.
        function: String,
        /// Its `max_concurrency`.
        slots: usize,
        /// Its `queue.length`.
        length: usize,
        /// Seconds until those who wait have been served.
        again: u64,
    },
    /// Waited too long for a slot.
    #[error("no slot of `{function}` became free within {limit:?}")]
    QueueTimeout {
        /// The function.
        function: String,
        /// Its `queue.timeout`.
        limit: Duration,
        /// Seconds until those who wait have been served.
        again: u64,
    },
    /// Waited until less time was left than a call takes.
    #[error(
        "no slot of `{function}` became free in time: its calls usually take {usual:?}, and less is left of the route's limit"
    )]
    TooLate {
        /// The function.
        function: String,
        /// The median of the last calls.
        usual: Duration,
        /// Seconds until those who wait have been served.
        again: u64,
    },
    /// Nothing but crashes: none is tried for now.
    #[error("{}", broken(.function, *.because, *.again))]
    Broken {
        /// The function.
        function: String,
        /// How its calls ended.
        because: Ending,
        /// Until the next is tried.
        again: Duration,
    },
    /// Its like have killed workers.
    #[error(
        "requests like this one have killed {deaths} processes of `{function}`: it is not tried again for {again:?}"
    )]
    Poisoned {
        /// The function.
        function: String,
        /// How many.
        deaths: usize,
        /// Until it may be.
        again: Duration,
    },
    /// The route's own limit.
    #[error("the route's limit of {0:?} was reached")]
    Timeout(Duration),
    /// The call has no answer.
    #[error("{0}")]
    Call(#[from] Failure),
    /// The function says that it failed.
    #[error("{detail}")]
    Failed {
        /// What the client gets.
        status: StatusCode,
        /// What the function returned.
        detail: String,
    },
    /// The app cannot be reached.
    #[error("upstream `{upstream}`: {problem}")]
    UpstreamConnect {
        /// Its name.
        upstream: String,
        /// Why.
        problem: String,
    },
    /// The app hung up.
    #[error("upstream `{upstream}`: {problem}")]
    UpstreamReset {
        /// Its name.
        upstream: String,
        /// Why.
        problem: String,
    },
    /// The app is too slow.
    #[error("upstream `{upstream}` sent nothing within {limit:?}")]
    UpstreamTimeout {
        /// Its name.
        upstream: String,
        /// Its `response_timeout`.
        limit: Duration,
    },
    /// As many requests at the app as may be, and no place to wait.
    #[error(
        "upstream `{upstream}` has as many requests as it may ({limit}) and its queue is full ({length})"
    )]
    UpstreamFull {
        /// Its name.
        upstream: String,
        /// Its `max_connections`.
        limit: usize,
        /// Its `queue.length`.
        length: usize,
    },
    /// Waited too long for another request to end.
    #[error("no request at upstream `{upstream}` ended within {limit:?}")]
    UpstreamQueueTimeout {
        /// Its name.
        upstream: String,
        /// Its `queue.timeout`.
        limit: Duration,
    },
    /// The client hung up while it sent its body.
    #[error("the client left")]
    ClientGone,
    /// A defect of the proxy.
    #[error("a defect of the proxy: {0}")]
    Internal(&'static str),
}

/// Not registered: the client is gone, only logs and metrics see it (nginx's word).
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Error {
    /// The refusal of a request whose like have killed workers, counted.
    #[must_use]
    pub fn poisoned(function: &Function, suspect: &Suspect) -> Option<Self> {
        let Killer { deaths, again } = suspect.refuse()?;
        Some(Error::Poisoned { function: function.name.clone(), deaths, again })
    }

    /// What the client gets, and the one word for it.
    #[must_use]
    pub fn status_and_reason(&self) -> (StatusCode, Reason) {
        match self {
            Error::NoRoute => (StatusCode::NOT_FOUND, Reason::NoRoute),
            Error::NoFile => (StatusCode::NOT_FOUND, Reason::NoFile),
            Error::FileMethod => (StatusCode::METHOD_NOT_ALLOWED, Reason::BadRequest),
            Error::BadRequest(_) => (StatusCode::BAD_REQUEST, Reason::BadRequest),
            Error::MethodRefused => (StatusCode::METHOD_NOT_ALLOWED, Reason::BadRequest),
            Error::CodingRefused => (StatusCode::NOT_IMPLEMENTED, Reason::BadRequest),
            Error::ExpectationRefused => (StatusCode::EXPECTATION_FAILED, Reason::BadRequest),
            Error::BadArgument { .. } => (StatusCode::BAD_REQUEST, Reason::BadArgument),
            Error::HeadTimeout(_) => (StatusCode::REQUEST_TIMEOUT, Reason::HeadTimeout),
            Error::HeadTooLarge { .. } => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Reason::HeadTooLarge)
            }
            Error::BodyTimeout(_) | Error::BodyTooSlow(_) => {
                (StatusCode::REQUEST_TIMEOUT, Reason::BodyTimeout)
            }
            Error::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, Reason::BodyTooLarge),
            Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, Reason::RateLimited),
            Error::QueueFull { .. } | Error::UpstreamFull { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, Reason::QueueFull)
            }
            Error::QueueTimeout { .. }
            | Error::TooLate { .. }
            | Error::UpstreamQueueTimeout { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, Reason::QueueTimeout)
            }
            Error::Broken { because, .. } => (StatusCode::SERVICE_UNAVAILABLE, broken_by(*because)),
            Error::Poisoned { .. } => (StatusCode::UNPROCESSABLE_ENTITY, Reason::Poisoned),
            Error::Timeout(_) => (StatusCode::GATEWAY_TIMEOUT, Reason::Timeout),
            Error::Call(failure) => (status_of(failure), failure.reason()),
            Error::Failed { status, .. } => (*status, Reason::Failed),
            Error::UpstreamConnect { .. } => (StatusCode::BAD_GATEWAY, Reason::UpstreamConnect),
            Error::UpstreamReset { .. } => (StatusCode::BAD_GATEWAY, Reason::UpstreamReset),
            Error::UpstreamTimeout { .. } => (StatusCode::GATEWAY_TIMEOUT, Reason::UpstreamTimeout),
            Error::ClientGone => (client_closed_request(), Reason::ClientGone),
            Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, Reason::Internal),
        }
    }

    /// The message itself was refused: where the next one begins is anybody's guess, so the connection is to be closed
    /// (HTTP/2 has streams for that, and no such header).
    #[must_use]
    pub fn is_about_the_message(&self) -> bool {
        matches!(
            self,
            Error::BadRequest(_)
                | Error::MethodRefused
                | Error::CodingRefused
                | Error::ExpectationRefused
                | Error::BodyTimeout(_)
                | Error::BodyTooLarge(_)
        )
    }

    /// Seconds until a refused client may come again.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Error::RateLimited { again } | Error::Broken { again, .. } => {
                Some((again.as_secs_f64().ceil() as u64).max(1))
            }
            Error::QueueFull { again, .. }
            | Error::QueueTimeout { again, .. }
            | Error::TooLate { again, .. } => Some(*again),
            other => (other.status_and_reason().0 == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
        }
    }

    /// The methods that would be taken, where this one is not.
    #[must_use]
    pub fn allowed(&self) -> Option<&'static str> {
        match self {
            Error::FileMethod => Some("GET, HEAD"),
            // Not TRACE, not CONNECT.
            Error::MethodRefused => Some("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),
            _ => None,
        }
    }

    /// What the client may read of it: nothing that names files of this machine.
    #[must_use]
    pub fn public_detail(&self) -> Option<String> {
        match self {
            Error::Call(Failure::Start(_) | Failure::Load(_) | Failure::Protocol(_))
            | Error::UpstreamConnect { .. }
            | Error::UpstreamReset { .. } => None,
            other => Some(other.to_string()),
        }
    }
}

fn broken(function: &str, because: Ending, again: Duration) -> String {
    let what = match because {
        Ending::Unstarted => "no worker could be started for the last calls of",
        Ending::Unloaded => "the library could not be loaded for the last calls of",
        _ => "nothing but crashes came of the last calls of",
    };
    format!("{what} `{function}`: the next is tried in {again:?}")
}

/// A start that fails keeps its own word, tried or not.
fn broken_by(because: Ending) -> Reason {
    match because {
        Ending::Unstarted => Reason::StartFailed,
        Ending::Unloaded => Reason::LoadFailed,
        _ => Reason::BreakerOpen,
    }
}

fn status_of(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Start(_) | Failure::Load(_) => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Crash { .. }
        | Failure::Exit(_)
        | Failure::OutOfMemory(_)
        | Failure::Violation(_)
        | Failure::Protocol(_)
        | Failure::ReplyTooLarge(_) => StatusCode::BAD_GATEWAY,
        Failure::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        Failure::Cancelled | Failure::Input(_) => client_closed_request(),
    }
}

fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_status() {
        let again = Duration::from_secs(1);
        let poisoned = Error::Poisoned { function: "f".into(), deaths: 3, again };
        let rows = [
            (Error::NoRoute, 404, "no_route"),
            (Error::BodyTooLarge(1), 413, "body_too_large"),
            (Error::RateLimited { again: Duration::ZERO }, 429, "rate_limited"),
            (poisoned, 422, "poisoned"),
            (Error::Timeout(Duration::from_secs(1)), 504, "timeout"),
            (Error::Call(Failure::Timeout(Duration::from_secs(1))), 504, "timeout"),
            (Error::Call(Failure::Crash { signal: "SIGSEGV".into() }), 502, "crash"),
            (Error::Call(Failure::Load("x".into())), 503, "load_failed"),
            (Error::Call(Failure::OutOfMemory(1)), 502, "oom"),
            (Error::Call(Failure::Violation("strict".into())), 502, "sandbox_violation"),
            (Error::Call(Failure::Cancelled), 499, "client_gone"),
            (Error::ClientGone, 499, "client_gone"),
        ];
        for (error, status, reason) in rows {
            let (actual, word) = error.status_and_reason();
            assert_eq!((actual.as_u16(), word.as_str()), (status, reason));
        }
    }

    #[test]
    fn files_of_this_machine_stay_private() {
        let secret = Error::Call(Failure::Load("/opt/secret/libx.so: not found".into()));
        assert_eq!(secret.public_detail(), None);
        assert!(Error::NoRoute.public_detail().is_some());
    }
}
