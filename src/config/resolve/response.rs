//! `response`: how a success is answered; and the statuses and media types that answers may have.

use std::ops::RangeInclusive;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode};

use super::form::header;
use super::outputs::Output;
use super::{parsed, value};
use crate::config::function::{Held, Member, Response, ResponseBody};
use crate::config::raw::{self, Field, Named, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::callee::{RETURN, STDOUT};
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
    outputs: &[Output],
    (prototype, returns): (&Prototype, Return),
    source: &mut Source<'_>,
) -> Response {
    let empty = if returns == Return::Void { ResponseBody::Empty } else { ResponseBody::Return };
    let default = if returns == Return::Void { StatusCode::NO_CONTENT } else { StatusCode::OK };
    let Some(written) = value(raw.response.as_ref()) else {
        return Response { status: default, body: empty, content_type: None, headers: Vec::new() };
    };
    let named = match (&written.body, &written.json) {
        (Some(body), Some(json)) => {
            let problem = Problem::at(&json.span, "an answer has a `body` or is `json`, not both");
            source.wrong(problem.also(&body.span, "the body").help("keep one of them"));
            None
        }
        (None, Some(_)) => members(written.json.as_ref(), outputs, prototype, source),
        (body, None) => parsed(body.as_ref(), source, |name| self::body(name, outputs, prototype)),
    };
    let is_named = named.is_some();
    let body = named.unwrap_or(empty);
    let default = if body == ResponseBody::Empty { default } else { StatusCode::OK };
    let status = status(written.status.as_ref(), 200..=599, source).unwrap_or(default);
    let span = written.body.as_ref().map(|field| &field.span);
    let span = span.or(written.json.as_ref().map(|field| &field.span));
    if let (Some(span), true, true) = (span, is_named, is_bodiless(status)) {
        source.wrong(no_body(span, status));
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

fn body(name: &str, outputs: &[Output], prototype: &Prototype) -> Result<ResponseBody, Complaint> {
    Ok(match held(name, outputs, prototype)? {
        Held::Return => ResponseBody::Return,
        Held::Output(place) => ResponseBody::Output(place),
        Held::Stdout => ResponseBody::Stdout,
        Held::Errno => {
            let message = "`errno` is no body";
            return Err(Complaint::new(message, "write json = { errno = \"errno\" }"));
        }
    })
}

/// `json = { … }`; `None` after noting what is wrong.
fn members(
    written: Option<&Field<Named<String>>>,
    outputs: &[Output],
    prototype: &Prototype,
    source: &mut Source<'_>,
) -> Option<ResponseBody> {
    let Named(entries) = value(written)?;
    let member = |key: &Field<String>, holds: Held| {
        let is_text = match holds {
            Held::Return => prototype.returned.trim_end_matches(" *").ends_with("char"),
            Held::Output(place) => outputs.get(place).is_some_and(|output| output.kind.is_text()),
            Held::Stdout | Held::Errno => true,
        };
        let name = serde_json::Value::from(key.value.as_deref()?).to_string();
        Some(Member { name, holds, is_text })
    };
    let mut members = Vec::new();
    for (key, field) in entries {
        let holds = parsed(Some(field), source, |name| held(name, outputs, prototype));
        members.extend(holds.and_then(|holds| member(key, holds)));
    }
    Some(ResponseBody::Json(members))
}

/// What a name means.
fn held(name: &str, outputs: &[Output], prototype: &Prototype) -> Result<Held, Complaint> {
    match name {
        RETURN if prototype.returns == Return::Void => {
            let nothing = "the function returns nothing";
            return Err(Complaint::new(nothing, "remove it: without a body the answer is a 204"));
        }
        RETURN => return Ok(Held::Return),
        "errno" => return Ok(Held::Errno),
        STDOUT => return Ok(Held::Stdout),
        _ => {}
    }
    if let Some(index) = outputs.iter().position(|output| output.name == name) {
        return Ok(Held::Output(index));
    }
    let names: Vec<_> = outputs.iter().map(|output| output.name.as_str()).collect();
    let message = match prototype.parameters.iter().any(|parameter| parameter.name == name) {
        true => format!("`{name}` is no output"),
        false => format!("there is no parameter `{name}`"),
    };
    let mend = match closest(name, names.iter().copied()) {
        Some(close) => format!("did you mean \"{close}\"?"),
        None if names.is_empty() => {
            "write \"return\" or \"stdout\": no parameter is bound to { buffer = … } or \"out\""
                .into()
        }
        None => format!("write \"return\", \"stdout\" or one of {}", list(&names)),
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
