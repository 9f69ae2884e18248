//! What a function gave back as an answer: a success by `response`, a failure by `failure`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use crate::call::Failure;
use crate::config::function::{Bound, Held, Member, ResponseBody};
use crate::ffi::callee::{MAX_MESSAGE, Returned};
use crate::ffi::signature::Return;
use crate::ffi::value::Value;
use crate::handler::{Body, Error, Response};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The answer to a call that returned.
///
/// # Errors
/// [`Error::Failed`] where it is no success; a worker that gave back something else than its function can.
pub fn response(bound: &Bound, mut returned: Returned) -> Result<Response, Error> {
    if returned.outputs.len() != bound.callee.outputs() {
        return Err(Failure::Protocol("an answer with the wrong number of outputs".into()).into());
    }
    if !bound.callee.is_success(&returned) {
        return Err(failed(bound, &returned));
    }
    let value = match &bound.response.body {
        ResponseBody::Json(members) => return Ok(object(bound, members, &returned)),
        ResponseBody::Empty => Value::Void,
        ResponseBody::Return => returned.value,
        ResponseBody::Output(place) if *place < returned.outputs.len() => {
            returned.outputs.swap_remove(*place)
        }
        ResponseBody::Stdout => returned.outputs.pop().unwrap_or(Value::Void),
        ResponseBody::Output(_) => return Err(Error::Internal("an output that is not there")),
    };
    Ok(answer(bound, value))
}

fn answer(bound: &Bound, value: Value) -> Response {
    let response = &bound.response;
    let (bytes, default) = match value {
        Value::Bytes(bytes) if is_of_bytes(bound) => (bytes, Some(BYTES)),
        Value::Bytes(bytes) => (bytes, Some(TEXT)),
        // Whatever media type is promised, nothing is none of it.
        Value::Null if response.content_type.is_some() => {
            return empty(bound, StatusCode::NO_CONTENT);
        }
        Value::Void => return empty(bound, response.status),
        other => (format!("{}\n", other.to_json()).into_bytes(), Some(JSON)),
    };
    full(bound, bytes, default)
}

fn full(bound: &Bound, bytes: Vec<u8>, default: Option<HeaderValue>) -> Response {
    let response = &bound.response;
    let mut answer = empty(bound, response.status).map(|_| Body::full(Bytes::from(bytes)));
    if let Some(content_type) = response.content_type.clone().or(default) {
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    answer
}

fn is_of_bytes(bound: &Bound) -> bool {
    match bound.response.body {
        ResponseBody::Output(_) => true,
        ResponseBody::Return => bound.callee.signature.returns == Return::Bytes,
        _ => false,
    }
}

/// All that a function gave back, in one JSON object.
fn object(bound: &Bound, members: &[Member], returned: &Returned) -> Response {
    let member = |member: &Member| {
        let errno = Value::Int(returned.errno.into());
        let value = match member.holds {
            Held::Return => Some(&returned.value),
            Held::Errno => Some(&errno),
            Held::Output(place) => returned.outputs.get(place),
            Held::Stdout => returned.outputs.last(),
        };
        let json = match value {
            Some(Value::Bytes(bytes)) if !member.is_text => format!("\"{}\"", BASE64.encode(bytes)),
            Some(value) => value.to_json(),
            None => Value::Null.to_json(),
        };
        format!("{}:{json}", member.name)
    };
    let members: Vec<_> = members.iter().map(member).collect();
    full(bound, format!("{{{}}}\n", members.join(",")).into_bytes(), Some(JSON))
}

fn empty(bound: &Bound, status: StatusCode) -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    for (name, value) in &bound.response.headers {
        answer.headers_mut().append(name, value.clone());
    }
    answer
}

fn failed(bound: &Bound, returned: &Returned) -> Error {
    let status = bound.failure.status.unwrap_or_else(|| status_of_errno(returned.errno));
    let what = match &returned.value {
        Value::Void | Value::Bytes(_) => "the function failed".to_owned(),
        value => format!("the function returned {}", value.to_json()),
    };
    let why = match &returned.message {
        Some(words) => Some(told(words)),
        None if bound.failure.tells_errno => Some(told_errno(returned.errno)),
        None => None,
    };
    Error::Failed { status, detail: why.map_or(what.clone(), |why| format!("{what}: {why}")) }
}

/// The library's words are hostile: bounded, and on one line.
fn told(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words.get(..MAX_MESSAGE).unwrap_or(words));
    text.trim().replace(char::is_control, " ")
}

/// As `strerror(3)` has it.
fn told_errno(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The fixed map of `errno(3)` values to what the client gets.
#[must_use]
pub fn status_of_errno(errno: i32) -> StatusCode {
    match errno {
        libc::ENOENT => StatusCode::NOT_FOUND,
        libc::EACCES => StatusCode::FORBIDDEN,
        libc::EINVAL => StatusCode::BAD_REQUEST,
        libc::EFBIG => StatusCode::PAYLOAD_TOO_LARGE,
        libc::EBUSY => StatusCode::SERVICE_UNAVAILABLE,
        libc::ETIMEDOUT => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
