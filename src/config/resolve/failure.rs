//! What is a failure, and how it is told: `success`, `failure`; and `free`, which takes a returned string back.

use http::StatusCode;

use super::outputs;
use super::outputs::Output;
use super::response::status;
use super::{name, parsed, value};
use crate::config::function::Failing;
use crate::config::raw::{self, Field, OrErrno};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::ffi::callee::{Given, Message};
use crate::ffi::prototype::{self, CType, Pointee};
use crate::ffi::signature::Return;
use crate::ffi::success::{Subject, Success, Test};
use crate::ffi::value::{Scalar, Value};

const MEND: &str = "write ==, !=, <, <=, > or >= and a number or null, as \"== 0\"; before it `errno` or an \
                    output, where not the return is meant; `and` or `or` between tests";

/// What a test looks at.
enum Kind {
    Number(Scalar),
    Text,
    Nothing,
}

/// `success = "== 0"`.
pub(super) fn success(
    raw: &raw::Function,
    returns: Return,
    outputs: &[Output],
    source: &mut Source<'_>,
) -> Option<Success> {
    if let (Some(failure), None) = (&raw.failure, &raw.success) {
        let problem = Problem::at(&failure.span, "`failure` without `success` would never answer");
        source.wrong(problem.help("say which returns are a success: success = \"== 0\""));
    }
    parsed(raw.success.as_ref(), source, |text| {
        let names: Vec<_> = outputs.iter().map(|output| output.name.clone()).collect();
        let success = Success::parse(text, &names)
            .map_err(|error| Complaint::new(error.to_string(), MEND))?;
        success.tests.iter().try_for_each(|test| fits(test, returns, outputs))?;
        Ok(success)
    })
}

/// A number is compared with a number of its kind, a string with null.
fn fits(test: &Test, returns: Return, outputs: &[Output]) -> Result<(), Complaint> {
    let kind = match test.subject {
        Subject::Errno => Kind::Number(Scalar::I32),
        Subject::Return => match returns {
            Return::Scalar(scalar) => Kind::Number(scalar),
            Return::Text | Return::Bytes | Return::Pointer => Kind::Text,
            Return::Void => Kind::Nothing,
        },
        Subject::Output(place) => match outputs.get(usize::from(place)).map(|output| output.kind) {
            Some(outputs::Kind::Number(scalar)) => Kind::Number(scalar),
            Some(outputs::Kind::HandedText | outputs::Kind::HandedBytes) => Kind::Text,
            _ => Kind::Nothing,
        },
    };
    let wrong = |message: &str, mend: &str| Err(Complaint::new(message, mend));
    match (kind, &test.operand) {
        (Kind::Text, Value::Null) => Ok(()),
        (Kind::Text, _) => wrong(
            "what the library hands out is null or it is not",
            "write \"!= null\" or \"== null\", or test `errno`",
        ),
        (Kind::Nothing, _) => wrong(
            "only a number or what the library hands out can be tested",
            "remove the test, or test `errno`",
        ),
        (Kind::Number(_), Value::Null) => wrong("a number is never null", MEND),
        (Kind::Number(scalar), Value::Float(_))
            if scalar.range().is_some() || scalar == Scalar::Bool =>
        {
            wrong("this is a whole number", MEND)
        }
        (Kind::Number(_), _) => Ok(()),
    }
}

/// `failure = { status = 422, message = "resize_strerror" }`.
pub(super) fn failure(
    raw: &raw::Function,
    returns: Return,
    source: &mut Source<'_>,
) -> (Failing, Option<Message>) {
    let failure = value(raw.failure.as_ref());
    let written = failure.and_then(|failure| failure.status.as_ref());
    let status = match written.map(|field| (&field.value, &field.span)) {
        Some((Some(OrErrno::Errno), _)) => None,
        Some((Some(OrErrno::Is(number)), span)) => {
            let field = Field { value: Some(*number), span: span.clone() };
            status(Some(&field), 400..=599, source)
        }
        _ => Some(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let field = failure.and_then(|failure| failure.message.as_ref());
    let tells_errno = value(field).is_some_and(|text| text == "errno");
    let field = field.filter(|_| !tells_errno);
    let message = parsed(field, source, |text| {
        let message = message(text, returns)?;
        let needs_handle = message.given == Given::Handle && raw.init.is_none();
        let lacks = "nothing makes the handle that it takes";
        if needs_handle { Err(Complaint::new(lacks, "write `init`")) } else { Ok(message) }
    });
    (Failing { status, tells_errno }, message)
}

/// A symbol alone stands for `const char *SYMBOL(int)`.
fn message(text: &str, returns: Return) -> Result<Message, Complaint> {
    let code = |scalar| match returns {
        Return::Scalar(_) => Given::Returned(scalar),
        _ => Given::Errno(scalar),
    };
    if !text.contains('(') {
        let given = match returns {
            Return::Scalar(scalar) => Given::Returned(scalar),
            _ => Given::Errno(Scalar::I32),
        };
        return name::symbol(text).map(|symbol| Message { symbol, given });
    }
    let prototype = prototype::parse(text)
        .map_err(|error| Complaint::new(error.message, error.mend.to_string()).part(&error.span))?;
    let types: Vec<_> = prototype.parameters.iter().map(|parameter| parameter.ctype).collect();
    let given = match types.as_slice() {
        _ if prototype.returns != Return::Text => None,
        [] => Some(Given::Nothing),
        [CType::Scalar(scalar)] if scalar.range().is_some() => Some(code(*scalar)),
        [CType::Pointer { to: Pointee::Opaque | Pointee::Void, .. }] => Some(Given::Handle),
        _ => None,
    };
    let given = given.ok_or_else(|| {
        let message = "a function of messages returns a `const char *`, and takes the returned number, \
                       the handle, or nothing";
        Complaint::new(message, "write it as \"const char *resize_strerror(int code)\"")
    })?;
    Ok(Message { symbol: prototype.name, given })
}

/// `free = "free"`.
pub(super) fn free(
    raw: &raw::Function,
    hands_out: bool,
    source: &mut Source<'_>,
) -> Option<String> {
    if let (Some(field), false) = (&raw.free, hands_out) {
        let problem = Problem::at(
            &field.span,
            "`free` takes a string or bytes of the library's back, and this hands none out",
        );
        source.wrong(problem.help("remove it"));
    }
    parsed(raw.free.as_ref(), source, name::symbol)
}
