//! A function's inputs out of a request: each value is checked here, so that a bad one costs no worker.

use bytes::Bytes;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::config::function::{Bound, Entry, Input as Wanted, Source, Target};
use crate::ffi::request::{Input, Request as HandlerRequest};
use crate::ffi::value::Value;
use crate::handler::{Context, Error};

/// Whether a function needs the request's body.
#[must_use]
pub fn needs_body(entry: &Entry) -> bool {
    match entry {
        Entry::Function(bound) => bound.inputs.iter().any(|input| input.source == Source::Body),
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
    let value = |wanted: &Wanted| {
        argument(wanted, head, context, &body)
            .map_err(|problem| Error::BadArgument { argument: wanted.parameter.clone(), problem })
    };
    bound.inputs.iter().map(value).collect()
}

fn argument(
    wanted: &Wanted,
    head: &Parts,
    context: &Context,
    body: &Bytes,
) -> Result<Value, String> {
    let found = match &wanted.source {
        Source::Constant(value) => return Ok(value.clone()),
        Source::Body => Some(body.to_vec()),
        Source::Query(name) => query(head, name),
        Source::Path(name) => {
            let param = context.params.iter().find(|(param, _)| param == name);
            param.map(|(_, value)| value.clone().into_bytes())
        }
        Source::Header(name) => head.headers.get(name).map(|value| value.as_bytes().to_vec()),
    };
    match (found, &wanted.default) {
        (Some(bytes), _) => convert(bytes, wanted.target),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!("missing: it is taken from {}", told(&wanted.source))),
    }
}

/// Decoded as a form is (`+` is a space); bytes that are no UTF-8 stay as they are.
fn query(head: &Parts, name: &str) -> Option<Vec<u8>> {
    let pairs = head.uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    let mut values = pairs.filter(|(key, _)| decode(key) == name.as_bytes());
    values.next().map(|(_, value)| decode(value))
}

fn told(source: &Source) -> String {
    match source {
        Source::Body => "the body".to_owned(),
        Source::Query(name) => format!("the query parameter `{name}`"),
        Source::Path(name) => format!("the path's `{{{name}}}`"),
        Source::Header(name) => format!("the header `{name}`"),
        Source::Constant(_) => "the configuration".to_owned(),
    }
}

/// Bytes of a request, or of a command line, as what the function takes.
///
/// # Errors
/// Why they do not fit.
pub fn convert(bytes: Vec<u8>, target: Target) -> Result<Value, String> {
    match target {
        Target::Bytes => Ok(Value::Bytes(bytes)),
        Target::Text if bytes.contains(&0) => Err("a string must not contain NUL".to_owned()),
        Target::Text => Ok(Value::Bytes(bytes)),
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
    }
}

/// `%XX` decoded; what is not UTF-8 then is replaced.
#[must_use]
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters() {
        let rows: [(&str, Option<&[u8]>); 8] = [
            ("/?w=7", Some(b"7")),
            ("/?a=1&w=7&w=8", Some(b"7")),
            ("/?w", Some(b"")),
            ("/?w=", Some(b"")),
            ("/?w=a+b%20c", Some(b"a b c")),
            ("/?w=%ff%00", Some(b"\xff\0")),
            ("/?%77=x", Some(b"x")),
            ("/?ww=1", None),
        ];
        for (target, expected) in rows {
            let (head, ()) = http::Request::get(target).body(()).unwrap().into_parts();
            assert_eq!(query(&head, "w").as_deref(), expected, "{target}");
        }
    }
}
