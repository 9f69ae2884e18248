//! A function's inputs out of a request: each value is checked here, so that a bad one costs no worker.

mod body;
mod pairs;

use std::borrow::Cow;

use bytes::Bytes;
use http::header::COOKIE;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::config::function::{Bound, Entry, Input as Wanted, Source, Target};
use crate::ffi::request::{Input, Request as HandlerRequest};
use crate::ffi::value::Value;
use crate::handler::{Context, Error};
use body::Read;
pub use pairs::query;

/// Whether a function needs the request's body.
#[must_use]
pub fn needs_body(entry: &Entry) -> bool {
    let is_body =
        |source: &Source| matches!(source, Source::Body | Source::Form(_) | Source::Json(_));
    match entry {
        Entry::Function(bound) => bound.inputs.iter().any(|input| is_body(&input.source)),
        Entry::Handler { .. } => true,
    }
}

/// What the function is given.
///
/// # Errors
/// [`Error::BadArgument`] names the first argument that does not fit.
pub fn input(entry: &Entry, head: &Parts, context: &Context, body: Bytes) -> Result<Input, Error> {
    match entry {
        Entry::Function(bound) => values(bound, head, context, body).map(Input::Values),
        Entry::Handler { .. } => Ok(Input::Request(request(head, context, &body))),
    }
}

fn values(
    bound: &Bound,
    head: &Parts,
    context: &Context,
    body: Bytes,
) -> Result<Vec<Value>, Error> {
    let mut body = Read::new(head, body);
    let value = |wanted: &Wanted| {
        argument(wanted, head, context, &mut body)
            .map_err(|problem| Error::BadArgument { argument: wanted.parameter.clone(), problem })
    };
    bound.inputs.iter().map(value).collect()
}

fn argument(
    wanted: &Wanted,
    head: &Parts,
    context: &Context,
    body: &mut Read<'_>,
) -> Result<Value, String> {
    let found: Option<Cow<'_, [u8]>> = match &wanted.source {
        Source::Constant(value) => return Ok(value.clone()),
        Source::RequestId => Some(context.id.to_string().into_bytes().into()),
        Source::Body => Some(body.bytes().into()),
        Source::Form(name) => body.form(name)?.map(Cow::Owned),
        Source::Json(pointer) => match body.json(pointer, wanted.target)? {
            Some(value) => return within(wanted, value),
            None => None,
        },
        Source::Query(name) => query(head.uri.query().unwrap_or_default(), name).map(Cow::Owned),
        Source::Path(name) => {
            let param = context.params.iter().find(|(param, _)| param == name);
            param.map(|(_, value)| value.as_bytes().into())
        }
        Source::Header(name) => head.headers.get(name).map(|value| value.as_bytes().into()),
        Source::Cookie(name) => {
            let lines = head.headers.get_all(COOKIE).iter().map(|line| line.as_bytes());
            pairs::cookie(lines, name).map(Cow::Borrowed)
        }
    };
    match (found, &wanted.default) {
        (Some(bytes), _) => within(wanted, convert(bytes, wanted.target)?),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!("missing: it is taken from {}", told(&wanted.source))),
    }
}

fn within(wanted: &Wanted, value: Value) -> Result<Value, String> {
    wanted.bounds.hold(&value).map(|()| value)
}

fn told(source: &Source) -> String {
    match source {
        Source::Body => "the body".to_owned(),
        Source::Query(name) => format!("the query parameter `{name}`"),
        Source::Path(name) => format!("the path's `{{{name}}}`"),
        Source::Header(name) => format!("the header `{name}`"),
        Source::Cookie(name) => format!("the cookie `{name}`"),
        Source::Form(name) => format!("the form's field `{name}`"),
        Source::Json(pointer) => format!("`{pointer}` of the JSON body"),
        Source::RequestId => "the request".to_owned(),
        Source::Constant(_) => "the configuration".to_owned(),
    }
}

/// Bytes of a request, or of a command line, as what the function takes.
///
/// # Errors
/// Why they do not fit.
pub fn convert(bytes: Cow<'_, [u8]>, target: Target) -> Result<Value, String> {
    match target {
        Target::Bytes => Ok(Value::Bytes(bytes.into_owned())),
        Target::Text if bytes.contains(&0) => Err("a string must not contain NUL".to_owned()),
        Target::Text => Ok(Value::Bytes(bytes.into_owned())),
        Target::Scalar(scalar) => {
            let text = String::from_utf8_lossy(&bytes);
            scalar.parse(&text).map_err(|problem| problem.to_string())
        }
    }
}

fn request(head: &Parts, context: &Context, body: &Bytes) -> HandlerRequest {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())
    };
    HandlerRequest {
        id: context.id.to_string(),
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        peer: context.peer.as_ref().map(|peer| peer.address.to_string()).unwrap_or_default(),
        headers: head.headers.iter().map(header).collect(),
        params: context.params.iter().filter(|(_, value)| !value.contains('\0')).cloned().collect(),
        body: body.to_vec(),
        is_streamed: false,
    }
}

/// `%XX` decoded; what is not UTF-8 then is replaced.
#[must_use]
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
