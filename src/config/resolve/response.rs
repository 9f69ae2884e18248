//! `response`: how a success is answered; and the statuses and media types that answers may have.

use std::ops::RangeInclusive;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode};

use super::form::header;
use super::{parsed, value};
use crate::config::function::{Response, ResponseBody};
use crate::config::raw::{self, Field, Named, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::callee::STDOUT;
use crate::ffi::prototype::Prototype;
use crate::ffi::signature::Return;

/// A status, if written.
pub(super) fn status(
    field: Option<&Field<i64>>,
    limits: RangeInclusive<u16>,
    source: &mut Source<'_>,
) -> Option<StatusCode> {
    let field = field?;
    let number = u16::try_from(*field.value.as_ref()?).unwrap_or(0);
    if limits.contains(&number) {
        return StatusCode::from_u16(number).ok();
    }
    let message = format!("a status here is from {} to {}", limits.start(), limits.end());
    source.wrong(
        Problem::at(&field.span, message).help(format!("write status = {}", limits.start())),
    );
    None
}

/// Statuses whose answers have no body (RFC 9110 section 6.4.1).
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Says that an answer with this status cannot have the body that is written.
pub(super) fn no_body(span: &Span, status: StatusCode) -> Problem {
    let message = format!("an answer with status {} has no body", status.as_u16());
    Problem::at(span, message).help("remove `body`, or choose another status")
}

/// A media type with its parameters.
pub(super) fn content_type(text: &str) -> Result<HeaderValue, Complaint> {
    let (kind, subtype) =
        text.split(';').next().unwrap_or_default().split_once('/').unwrap_or_default();
    let token = |part: &str| {
        !part.is_empty()
            && part
                .trim_end()
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let value = HeaderValue::from_str(text).ok().filter(|_| token(kind) && token(subtype));
    value.ok_or_else(|| {
        let mend = "write it as \"image/png\" or \"text/html; charset=utf-8\"";
        Complaint::new(format!("`{text}` is no media type"), mend)
    })
}

/// `response = { … }`.
pub(super) fn response(
    raw: &raw::Function,
    outputs: &[String],
    prototype: &Prototype,
    source: &mut Source<'_>,
) -> Response {
    let returns = prototype.returns;
    let empty = if returns == Return::Void { ResponseBody::Empty } else { ResponseBody::Return };
    let default = if returns == Return::Void { StatusCode::NO_CONTENT } else { StatusCode::OK };
    let Some(written) = value(raw.response.as_ref()) else {
        return Response { status: default, body: empty, content_type: None, headers: Vec::new() };
    };
    let named = parsed(written.body.as_ref(), source, |name| body(name, outputs, prototype));
    let is_named = named.is_some();
    let body = named.unwrap_or(empty);
    let default = if body == ResponseBody::Empty { default } else { StatusCode::OK };
    let status = status(written.status.as_ref(), 200..=599, source).unwrap_or(default);
    if let (Some(field), true, true) = (&written.body, is_named, is_bodiless(status)) {
        source.wrong(no_body(&field.span, status));
    }
    let content_type = parsed(written.content_type.as_ref(), source, content_type);
    let headers = headers(written.headers.as_ref(), source);
    Response { status, body, content_type, headers }
}

/// What the proxy writes itself, or has a key of its own.
const OWN: [HeaderName; 5] = [
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
    HeaderName::from_static("server-timing"),
];

fn headers(
    written: Option<&Field<Named<String>>>,
    source: &mut Source<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let entries = value(written).map(|Named(entries)| entries.as_slice()).unwrap_or_default();
    let mut headers = Vec::new();
    for (key, field) in entries {
        let name = parsed(Some(key), source, |text| {
            let name = header(text)?;
            match OWN.contains(&name) {
                true if name == CONTENT_TYPE => Err(Complaint::new(
                    "the media type has a key of its own",
                    "write content_type = \"…\" beside `headers`",
                )),
                true => Err(Complaint::new(format!("`{text}` is the proxy's own"), "remove it")),
                false => Ok(name),
            }
        });
        let content = parsed(Some(field), source, |text| {
            HeaderValue::from_str(text).map_err(|_| {
                Complaint::new("this is no header's value", "write visible characters on one line")
            })
        });
        headers.extend(name.zip(content));
    }
    headers
}

fn body(name: &str, outputs: &[String], prototype: &Prototype) -> Result<ResponseBody, Complaint> {
    if name == "return" {
        let nothing = "the function returns nothing";
        return match prototype.returns {
            Return::Void => Err(Complaint::new(nothing, "remove `body`: the answer is a 204")),
            _ => Ok(ResponseBody::Return),
        };
    }
    if name == STDOUT {
        return Ok(ResponseBody::Stdout);
    }
    if let Some(index) = outputs.iter().position(|output| output == name) {
        return Ok(ResponseBody::Output(index));
    }
    let message = match prototype.parameters.iter().any(|parameter| parameter.name == name) {
        true => format!("`{name}` is no output"),
        false => format!("there is no parameter `{name}`"),
    };
    let mend = match closest(name, outputs.iter().map(String::as_str)) {
        Some(close) => format!("did you mean \"{close}\"?"),
        None if outputs.is_empty() => {
            "write body = \"return\" or \"stdout\": no parameter is bound to { buffer = … } or \"out\"".into()
        }
        None => format!("write \"return\", \"stdout\" or one of {}", list(outputs)),
    };
    Err(Complaint::new(message, mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for text in ["image/png", "text/html; charset=utf-8", "application/problem+json"] {
            assert!(content_type(text).is_ok(), "{text}");
        }
        for text in ["", "png", "/png", "image/", "image/p ng", "a/b\n"] {
            assert!(content_type(text).is_err(), "{text}");
        }
    }
}
