//! What becomes of a return: `success`, `response`, `failure`, and the statuses they answer with.

use std::ops::RangeInclusive;

use http::{HeaderValue, StatusCode};

use super::{parsed, value};
use crate::config::function::{Number, Operator, Response, ResponseBody, Test};
use crate::config::raw::{self, Field, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::prototype::Prototype;
use crate::ffi::signature::Return;
use crate::ffi::value::Scalar;

/// Longer ones first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// `success = "== 0"`.
pub(super) fn success(
    raw: &raw::Function,
    returns: Return,
    source: &mut Source<'_>,
) -> Option<Test> {
    if let (Some(failure), None) = (&raw.failure, &raw.success) {
        let problem = Problem::at(&failure.span, "`failure` without `success` would never answer");
        source.wrong(problem.help("say which returns are a success: success = \"== 0\""));
    }
    parsed(raw.success.as_ref(), source, |text| test(text, returns))
}

fn test(text: &str, returns: Return) -> Result<Test, Complaint> {
    let Return::Scalar(scalar) = returns else {
        let message = "only a number that the function returns can be tested";
        return Err(Complaint::new(message, "remove `success`, or correct the return type"));
    };
    let mend = "write ==, !=, <, <=, > or >= and a number, as \"== 0\"";
    let trimmed = text.trim();
    let found = OPERATORS.iter().find_map(|(sign, operator)| {
        trimmed.strip_prefix(sign).map(|rest| (*operator, rest.trim()))
    });
    let (operator, operand) =
        found.ok_or_else(|| Complaint::new(format!("`{text}` is no test of a number"), mend))?;
    let operand = number(operand, scalar).ok_or_else(|| {
        Complaint::new(format!("`{operand}` is no number of the returned type"), mend)
    })?;
    Ok(Test { operator, operand })
}

fn number(text: &str, scalar: Scalar) -> Option<Number> {
    let plain = !text.is_empty() && !text.starts_with('+');
    match scalar {
        Scalar::F32 | Scalar::F64 => {
            Scalar::F64.parse(text).ok().and_then(|_| text.parse().ok()).map(Number::Float)
        }
        _ => text.parse().ok().filter(|_| plain).map(Number::Int),
    }
}

/// `failure = { status = 422 }`.
pub(super) fn failure_status(raw: &raw::Function, source: &mut Source<'_>) -> StatusCode {
    let written = value(raw.failure.as_ref()).and_then(|failure| failure.status.as_ref());
    status(written, 400..=599, source).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

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
        return Response { status: default, body: empty, content_type: None };
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
    Response { status, body, content_type }
}

fn body(name: &str, outputs: &[String], prototype: &Prototype) -> Result<ResponseBody, Complaint> {
    if name == "return" {
        let nothing = "the function returns nothing";
        return match prototype.returns {
            Return::Void => Err(Complaint::new(nothing, "remove `body`: the answer is a 204")),
            _ => Ok(ResponseBody::Return),
        };
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
            "write body = \"return\": no parameter is bound to { buffer = … } or \"out\"".into()
        }
        None => format!("write \"return\" or one of {}", list(outputs)),
    };
    Err(Complaint::new(message, mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_a_return() {
        let int = Return::Scalar(Scalar::I32);
        for (text, operator, operand) in [
            ("== 0", Operator::Equal, 0),
            ("!=-1", Operator::NotEqual, -1),
            (" <= 5 ", Operator::LessOrEqual, 5),
            (">3", Operator::Greater, 3),
        ] {
            assert_eq!(
                test(text, int),
                Ok(Test { operator, operand: Number::Int(operand) }),
                "{text}"
            );
        }
        let float = test("< 0.5", Return::Scalar(Scalar::F64)).unwrap();
        assert_eq!(float.operand, Number::Float(0.5));
        for text in ["", "0", "= 0", "== ", "== x", "== 0.5", "== +1", "=== 0", "<> 1"] {
            assert!(test(text, int).is_err(), "{text}");
        }
        assert!(test("== 0", Return::Void).is_err());
        assert!(test("== 0", Return::Text).is_err());
    }

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
