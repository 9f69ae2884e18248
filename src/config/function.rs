//! A function as configured: what is called, with what, how it is limited, and how its result becomes an answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::config::Sandbox;
use crate::ffi::signature::Signature;
use crate::ffi::value::{Scalar, Value};

/// `[functions.NAME]`, or the short form `call = "LIB:SYMBOL"` of a route.
#[derive(Debug)]
pub struct Function {
    /// The metric label.
    pub name: String,
    /// A path with a `/` is made absolute against the file's folder; a bare name is left to `dlopen(3)`.
    pub library: PathBuf,
    /// What is called in it.
    pub entry: Entry,
    /// How its calls run.
    pub mode: Mode,
    /// Calls at once.
    pub max_concurrency: usize,
    /// Who waits for a slot.
    pub queue: Queue,
    /// Workers started ahead.
    pub spares: usize,
    /// Of the call itself; `None` is "off".
    pub timeout: Option<Duration>,
    /// Between SIGTERM and SIGKILL to the process group.
    pub kill_grace: Duration,
    /// What becomes of a call whose client left.
    pub on_disconnect: OnDisconnect,
    /// What its calls may reach.
    pub sandbox: Arc<Sandbox>,
}

/// What a call runs.
#[derive(Debug)]
pub enum Entry {
    /// A plain C function with its prototype.
    Function(Box<Bound>),
    /// `handler = "SYMBOL"`: the ABI of `cofferdam.h`.
    Handler {
        /// The symbol.
        symbol: String,
    },
}

/// A prototype whose every parameter has a place to come from or to go to.
#[derive(Debug)]
pub struct Bound {
    /// The C symbol.
    pub symbol: String,
    /// As written, for messages.
    pub prototype: String,
    /// How the worker calls it.
    pub signature: Signature,
    /// One for each taken slot, in slot order.
    pub inputs: Vec<Input>,
    /// One name for each output slot, in slot order.
    pub outputs: Vec<String>,
    /// `success`; `None`: every return is a success.
    pub success: Option<Test>,
    /// How a success is answered.
    pub response: Response,
    /// The status of a return that fails [`Bound::success`].
    pub failure_status: StatusCode,
}

impl Bound {
    /// Whether a return value passes `success`.
    #[must_use]
    pub fn is_success(&self, returned: &Value) -> bool {
        self.success.is_none_or(|test| test.passes(returned))
    }
}

/// Where one C argument comes from.
#[derive(Debug, PartialEq)]
pub struct Input {
    /// The parameter's name.
    pub parameter: String,
    /// What its text is cut to.
    pub target: Target,
    /// Where from.
    pub source: Source,
    /// Taken where the source has none; `None`: absence is a 400.
    pub default: Option<Value>,
}

/// What an input becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A scalar, range-checked.
    Scalar(Scalar),
    /// A string: no NUL inside.
    Text,
    /// Bytes, as they come.
    Bytes,
}

/// The part of a request an input is taken from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The whole body.
    Body,
    /// A query parameter, percent-decoded; the first of its name.
    Query(String),
    /// A `{name}` of the route's path, percent-decoded.
    Path(String),
    /// A header's value.
    Header(HeaderName),
    /// Written in the file.
    Constant(Value),
}

/// `success = "== 0"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The comparison.
    pub operator: Operator,
    /// With this number; integers are compared exactly.
    pub operand: Number,
}

impl Test {
    /// Whether `value` passes; what is no number never does.
    #[must_use]
    pub fn passes(&self, value: &Value) -> bool {
        let ordering = match (number(value), self.operand) {
            (Some(Number::Int(value)), Number::Int(operand)) => value.partial_cmp(&operand),
            (Some(value), operand) => value.as_float().partial_cmp(&operand.as_float()),
            (None, _) => None,
        };
        ordering.is_some_and(|ordering| match self.operator {
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterOrEqual => ordering.is_ge(),
        })
    }
}

fn number(value: &Value) -> Option<Number> {
    match *value {
        Value::Bool(value) => Some(Number::Int(value.into())),
        Value::Int(value) => Some(Number::Int(value.into())),
        Value::Uint(value) => Some(Number::Int(value.into())),
        Value::Float(value) => Some(Number::Float(value)),
        Value::Void | Value::Null | Value::Bytes(_) => None,
    }
}

impl Number {
    fn as_float(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Float(value) => value,
        }
    }
}

/// A number as written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Number {
    Int(i128),
    Float(f64),
}

/// Of [`Test`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// `response = { … }`.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// Default 200; 204 where nothing is answered.
    pub status: StatusCode,
    /// What the body is.
    pub body: ResponseBody,
    /// `None`: by the body (JSON for a value, octet-stream for a buffer, text for a string).
    pub content_type: Option<HeaderValue>,
}

/// The body of a success.
#[derive(Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// `void` and no `response`: 204.
    Empty,
    /// The return value, as JSON (numbers, bool) or as it stands (a string with `content_type`).
    Return,
    /// The output in this place of [`Bound::outputs`].
    Output(usize),
}

/// How a function's calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A process that has never served another call.
    Process,
}

/// Who waits for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Waiting at once; 0 is written "off".
    pub length: usize,
    /// In the queue; `None` is "off".
    pub timeout: Option<Duration>,
    /// Who is next.
    pub order: Order,
}

/// Of [`Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Who waited longest.
    Fifo,
    /// Who came last.
    Lifo,
}

/// Of a call whose client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// End it; its slot is free at once.
    Kill,
    /// Let it end.
    Finish,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_value_is_tested() {
        use Operator::*;
        let rows = [
            (Equal, Number::Int(0), Value::Int(0), true),
            (Equal, Number::Int(0), Value::Int(-1), false),
            (NotEqual, Number::Int(0), Value::Uint(u64::MAX), true),
            (GreaterOrEqual, Number::Int(0), Value::Int(-1), false),
            (Less, Number::Float(0.5), Value::Float(0.25), true),
            (Greater, Number::Float(0.5), Value::Int(1), true),
            (Equal, Number::Int(1), Value::Bool(true), true),
            (NotEqual, Number::Int(0), Value::Null, false),
            (Equal, Number::Float(f64::NAN), Value::Float(f64::NAN), false),
            (LessOrEqual, Number::Int(3), Value::Int(3), true),
        ];
        for (operator, operand, value, expected) in rows {
            let test = Test { operator, operand };
            assert_eq!(test.passes(&value), expected, "{test:?} {value:?}");
        }
    }
}
