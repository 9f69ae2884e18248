//! `call = …` and `handler = …`: runs a function in isolation and makes its result an answer.

use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tower::Service;

use crate::call::{Accounting, Answer, AnswerBody, Call as AskedCall, Failure, Kept};
use crate::config::Function;
use crate::config::function::Entry;
use crate::executor::Executor;
use crate::ffi::phases::Phases;
use crate::ffi::request::Input;
use crate::handler::returned::status_of_errno;
use crate::handler::sent;
use crate::handler::upload::Upload;
use crate::handler::{Answering, Asked, Body, Error, Request, Response};
use crate::sys::clock::monotonic_ns;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Runs one function.
#[derive(Clone)]
pub struct Call {
    route: Arc<str>,
    function: Arc<Function>,
    executor: Arc<dyn Executor>,
    keeps: bool,
}

impl Call {
    /// Of `function` by `executor`, for requests of `route`. It `keeps` what is to be left of a call whose process dies.
    #[must_use]
    pub fn new(
        route: Arc<str>,
        function: Arc<Function>,
        executor: Arc<dyn Executor>,
        keeps: bool,
    ) -> Self {
        Self { route, function, executor, keeps }
    }

    fn asked(&self, request: Request) -> Result<(AskedCall, Upload), Error> {
        let Asked { head, context, body } = *request;
        let (Some(input), Some(slot)) = (context.input, context.slot) else {
            return Err(Error::Internal("a call without its input or its slot"));
        };
        // Others like it may have run while it waited.
        let poisoned =
            context.suspect.as_ref().and_then(|one| Error::poisoned(&self.function, one));
        if let Some(refusal) = poisoned {
            return Err(refusal);
        }
        let now = Instant::now();
        let from_now = |at: Instant| at.saturating_duration_since(now).as_nanos() as u64;
        let (upload, feed) = match &*input {
            Input::Request(request) if request.is_streamed => Upload::begin(body),
            _ => Default::default(),
        };
        let call = AskedCall {
            id: context.id,
            trace: context.trace.and_then(|trace| trace.recorded()),
            route: Arc::clone(&self.route),
            kept: self.keeps.then(|| kept(&head, &input, self.function.retry)),
            input: *input,
            feed,
            arrived_ns: slot.arrived_ns,
            granted_ns: slot.granted_ns,
            deadline_ns: context.deadline.map(|at| monotonic_ns() + from_now(at)),
            hold: slot.hold,
            suspect: context.suspect,
        };
        Ok((call, upload))
    }
}

/// What is to be left of a call when its process dies. A body that is read while it comes is gone then: such a call does not
/// run again.
#[must_use]
pub fn kept(head: &Parts, input: &Input, retries: usize) -> Box<Kept> {
    let is_streamed = matches!(input, Input::Request(request) if request.is_streamed);
    let target = head.uri.path_and_query().map(|target| target.as_str().to_owned());
    Box::new(Kept {
        method: head.method.as_str().to_owned(),
        target: target.unwrap_or_default(),
        input: input.clone(),
        retries: if is_streamed { 0 } else { retries },
        earlier: None,
    })
}

impl Service<Request> for Call {
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, request: Request) -> Answering {
        let asking = self.clone();
        Box::pin(async move {
            let wants_timing = request.head.headers.contains_key(&SERVER_TIMING);
            let is_head = request.head.method == Method::HEAD;
            let (call, upload) = asking.asked(request)?;
            let Self { function, executor, .. } = asking;
            let hold = Arc::clone(&call.hold);
            let answer = executor.execute(call).await.map_err(|failure| upload.explain(failure))?;
            let timing = wants_timing.then(|| server_timing(&answer));
            let mut response = respond(&function, answer, is_head).await?;
            if let Some(timing) = timing {
                response.headers_mut().insert(SERVER_TIMING, timing);
            }
            Ok(response.map(|body| body.holding(hold)))
        })
    }
}

/// The times of an answer that is whole, and of one that is still written those that are known by then; then the handler's
/// own phases.
fn server_timing(answer: &Answer) -> HeaderValue {
    let none = Phases::default();
    let (times, phases) = match answer {
        Answer::Returned { accounting, .. } => (whole(accounting), &none),
        Answer::Code { accounting, phases, .. } | Answer::File { accounting, phases, .. } => {
            (whole(accounting), phases)
        }
        Answer::Streaming { accounting, phases, .. } => (begun(accounting), phases),
    };
    let phases = phases.iter().map(|(name, ns)| format!(", {name};dur={:.6}", ms(ns)));
    let text = times + &phases.collect::<String>();
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("total"))
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

fn begun(accounting: &Accounting) -> String {
    let Accounting { queue_ns, start_ns, .. } = *accounting;
    format!("queue;dur={:.6}, start;dur={:.6}", ms(queue_ns), ms(start_ns))
}

/// `queue`, `start`, `cpu`, `runqueue` and `blocked` add up to `total`; milliseconds (W3C Server Timing).
fn whole(accounting: &Accounting) -> String {
    format!(
        "{}, cpu;dur={:.6}, runqueue;dur={:.6}, blocked;dur={:.6}, total;dur={:.6}",
        begun(accounting),
        ms(accounting.cpu_user_ns + accounting.cpu_system_ns),
        ms(accounting.runqueue_ns),
        ms(accounting.blocked_ns),
        ms(accounting.wall_ns),
    )
}

async fn respond(function: &Function, answer: Answer, is_head: bool) -> Result<Response, Error> {
    match (answer, &function.entry) {
        (Answer::Returned { returned, .. }, Entry::Function(bound)) => {
            crate::handler::returned::response(bound, returned)
        }
        (Answer::Streaming { status, headers, body, .. }, _) => {
            let length = said_length(&headers).filter(|_| is_head);
            let head = with_length(streaming(status, headers)?, length);
            let is_bodiless = is_head || has_no_body(head.status());
            Ok(head.map(|()| if is_bodiless { unread(body) } else { Body::answer(body) }))
        }
        (Answer::File { status, headers, file, offset, length, .. }, _) => {
            let body = sent::body(file, offset, length).await?;
            let head = with_length(streaming(status, headers)?, is_head.then_some(length));
            let is_bodiless = is_head || has_no_body(head.status());
            Ok(head.map(|()| if is_bodiless { Body::empty() } else { body }))
        }
        (Answer::Code { code, .. }, _) => Err(code_error(code)),
        (Answer::Returned { .. }, Entry::Handler { .. }) => {
            Err(Failure::Protocol("a handler answered like a function".into()).into())
        }
    }
}

/// Of a body that the answer to a HEAD does not have; the exchange has found it to be a number.
fn said_length(headers: &[(Vec<u8>, Vec<u8>)]) -> Option<u64> {
    let is_length = |(name, _): &&(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"content-length");
    let (_, value) = headers.iter().find(is_length)?;
    str::from_utf8(value).ok()?.parse().ok()
}

fn with_length(mut head: http::Response<()>, length: Option<u64>) -> http::Response<()> {
    if let Some(length) = length {
        head.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    head
}

/// RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
fn has_no_body(status: StatusCode) -> bool {
    [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// What the handler still writes is nobody's, yet the client has not left: its call goes on to its end.
fn unread(body: AnswerBody) -> Body {
    tokio::spawn(body.discard());
    Body::empty()
}

/// A handler's head is hostile: the framing is the proxy's, and so is what belongs to the connection.
fn streaming(status: u16, headers: Vec<(Vec<u8>, Vec<u8>)>) -> Result<http::Response<()>, Error> {
    let broken = |what: &str| Error::Call(Failure::Protocol(what.to_owned()));
    let mut response = http::Response::new(());
    *response.status_mut() = match StatusCode::from_u16(status) {
        Ok(status) if (200..600).contains(&status.as_u16()) => status,
        _ => return Err(broken("a status outside 200–599")),
    };
    for (name, value) in headers {
        let name = HeaderName::from_bytes(&name).map_err(|_| broken("a bad header name"))?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| broken("a bad header value"))?;
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            response.headers_mut().append(name, value);
        }
    }
    crate::handler::headers::strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

/// A handler that wrote nothing and returned neither 0 nor an HTTP status: -errno, or nonsense.
fn code_error(code: i32) -> Error {
    let status = status_of_errno(code.checked_neg().unwrap_or(0));
    Error::Failed { status, detail: format!("the handler returned {code}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_handler_returns_has_a_status() {
        for (code, expected) in [(-2, 404), (-22, 400), (-110, 504), (-5, 500), (7, 500)] {
            let (status, _) = code_error(code).status_and_reason();
            assert_eq!(status.as_u16(), expected, "{code}");
        }
    }

    #[test]
    fn a_hostile_head_is_refused_or_stripped() {
        let header = |name: &str, value: &str| vec![(name.into(), value.into())];
        assert!(streaming(42, vec![]).is_err());
        assert!(streaming(101, vec![]).is_err());
        assert!(streaming(200, header("a b", "c")).is_err());
        assert!(streaming(200, header("a", "x\r\ny: z")).is_err());
        let stripped = streaming(200, header("Content-Length", "5")).unwrap();
        assert!(stripped.headers().is_empty());
        assert!(streaming(200, header("Connection", "close")).unwrap().headers().is_empty());
    }

    #[test]
    fn timing_adds_up_in_print() {
        let accounting =
            Accounting { queue_ns: 1_000_000, wall_ns: 2_500_000, ..Default::default() };
        let mut phases = Phases::default();
        assert!(phases.begin("fetch", 0) && phases.begin("", 1_000));
        let text = server_timing(&Answer::Code { code: 0, accounting, phases });
        let text = text.to_str().unwrap();
        assert!(text.starts_with("queue;dur=1.000000, "), "{text}");
        assert!(text.ends_with("total;dur=2.500000, fetch;dur=0.001000"), "{text}");
    }
}
