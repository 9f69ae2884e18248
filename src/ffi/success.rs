//! `success = "…"`: tests of what a call gave back. The worker asks it before it asks for a message, the proxy before it answers.
//!
//! `TEST [and TEST]…` or `TEST [or TEST]…`; a test is `[return | errno | OUTPUT] OPERATOR OPERAND`.

use std::cmp::Ordering;

use thiserror::Error;

use crate::ffi::callee::Returned;
use crate::ffi::value::Value;

/// The most tests of one success.
pub const MAX_TESTS: usize = 8;

/// Tests, and whether one of them is enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// `or` instead of `and`.
    pub one_is_enough: bool,
    /// At least one.
    pub tests: Vec<Test>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What is compared.
    pub subject: Subject,
    /// How.
    pub operator: Operator,
    /// With a number, exactly; or with [`Value::Null`].
    pub operand: Value,
}

/// What a test compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The return value.
    Return,
    /// `errno(3)`.
    Errno,
    /// The output in this place.
    Output(u16),
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

/// Why a text is no success.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SuccessError {
    /// Not a test.
    #[error("`{0}` is no test")]
    Test(String),
    /// Neither a number nor `null`.
    #[error("`{0}` is no number")]
    Operand(String),
    /// Neither `return`, nor `errno`, nor an output.
    #[error("there is no output `{0}` to test")]
    Subject(String),
    /// `and` beside `or`.
    #[error("`and` and `or` in one success leave open which goes first")]
    Mixed,
    /// Over [`MAX_TESTS`].
    #[error("more than {MAX_TESTS} tests")]
    TooMany,
    /// `< null`.
    #[error("`null` is equal or it is not")]
    Null,
}

/// Longer ones first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Success {
    /// Reads the text; `outputs` are the names of the outputs, in order.
    ///
    /// # Errors
    /// What it is not.
    pub fn parse(text: &str, outputs: &[String]) -> Result<Self, SuccessError> {
        let words: Vec<_> = text.split_whitespace().collect();
        let one_is_enough = words.contains(&"or");
        if one_is_enough && words.contains(&"and") {
            return Err(SuccessError::Mixed);
        }
        let parts = words.split(|word| ["and", "or"].contains(word));
        let tests: Vec<_> =
            parts.map(|part| test(&part.join(" "), outputs)).collect::<Result<_, _>>()?;
        if tests.len() > MAX_TESTS {
            return Err(SuccessError::TooMany);
        }
        Ok(Self { one_is_enough, tests })
    }

    /// Whether a call succeeded.
    #[must_use]
    pub fn holds(&self, returned: &Returned) -> bool {
        let mut results = self.tests.iter().map(|test| test.holds(returned));
        if self.one_is_enough { results.any(|holds| holds) } else { results.all(|holds| holds) }
    }
}

fn test(text: &str, outputs: &[String]) -> Result<Test, SuccessError> {
    let wrong = || SuccessError::Test(text.to_owned());
    let at = text.find(['=', '!', '<', '>']).ok_or_else(wrong)?;
    let (subject, rest) = (text[..at].trim(), &text[at..]);
    let found = OPERATORS.iter().find_map(|(sign, operator)| {
        rest.strip_prefix(sign).map(|operand| (*operator, operand.trim()))
    });
    let (operator, operand) = found.ok_or_else(wrong)?;
    let subject = match subject {
        "" | "return" => Subject::Return,
        "errno" => Subject::Errno,
        name => {
            let place = outputs.iter().position(|output| output == name);
            let place = place.and_then(|place| u16::try_from(place).ok());
            Subject::Output(place.ok_or_else(|| SuccessError::Subject(name.to_owned()))?)
        }
    };
    let operand = self::operand(operand)?;
    let is_null = operand == Value::Null;
    if is_null && !matches!(operator, Operator::Equal | Operator::NotEqual) {
        return Err(SuccessError::Null);
    }
    Ok(Test { subject, operator, operand })
}

fn operand(text: &str) -> Result<Value, SuccessError> {
    let wrong = || SuccessError::Operand(text.to_owned());
    let decimal = |b: u8| b.is_ascii_digit() || b"-.eE".contains(&b);
    match text {
        "null" => return Ok(Value::Null),
        "true" => return Ok(Value::Int(1)),
        "false" => return Ok(Value::Int(0)),
        _ if !text.bytes().all(decimal) => return Err(wrong()),
        _ => {}
    }
    let signed = text.parse().map(Value::Int);
    let number = signed.or_else(|_| text.parse().map(Value::Uint));
    match number {
        Ok(number) => Ok(number),
        Err(_) => {
            let float = text.parse().ok().filter(|float: &f64| float.is_finite());
            float.map(Value::Float).ok_or_else(wrong)
        }
    }
}

impl Test {
    /// Whether what a call gave back passes; what cannot be compared never does.
    #[must_use]
    pub fn holds(&self, returned: &Returned) -> bool {
        let errno = Value::Int(returned.errno.into());
        let value = match self.subject {
            Subject::Return => Some(&returned.value),
            Subject::Errno => Some(&errno),
            Subject::Output(place) => returned.outputs.get(usize::from(place)),
        };
        value.is_some_and(|value| self.passes(value))
    }

    fn passes(&self, value: &Value) -> bool {
        if self.operand == Value::Null {
            return (*value == Value::Null) == (self.operator == Operator::Equal);
        }
        compare(value, &self.operand).is_some_and(|ordering| match self.operator {
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterOrEqual => ordering.is_ge(),
        })
    }
}

/// Integers exactly; `None` where one of them is no number.
#[must_use]
pub fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => float(one)?.partial_cmp(&float(other)?),
    }
}

fn integer(value: &Value) -> Option<i128> {
    match *value {
        Value::Bool(value) => Some(value.into()),
        Value::Int(value) => Some(value.into()),
        Value::Uint(value) => Some(value.into()),
        Value::Float(_) | Value::Void | Value::Null | Value::Bytes(_) => None,
    }
}

#[allow(clippy::cast_precision_loss)]
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        other => integer(other).map(|value| value as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(value: Value, errno: i32) -> Returned {
        Returned { value, outputs: vec![Value::Int(7), Value::Float(0.5)], errno, message: None }
    }

    fn holds(text: &str, value: Value, errno: i32) -> bool {
        let outputs = ["count", "rate"].map(str::to_owned);
        Success::parse(text, &outputs).unwrap().holds(&returned(value, errno))
    }

    #[test]
    fn what_a_call_gave_back_is_tested() {
        let text = || Value::Bytes(b"x".to_vec());
        for (success, value, errno, expected) in [
            ("== 0", Value::Int(0), 0, true),
            ("==0", Value::Int(-1), 0, false),
            ("return != -1", Value::Int(-1), 0, false),
            (" >= 0 ", Value::Int(-1), 0, false),
            ("!= 0", Value::Uint(u64::MAX), 0, true),
            ("== 18446744073709551615", Value::Uint(u64::MAX), 0, true),
            ("< 0.5", Value::Float(0.25), 0, true),
            ("> 0.5", Value::Int(1), 0, true),
            ("== 1", Value::Bool(true), 0, true),
            ("== true", Value::Bool(false), 0, false),
            ("!= 0", Value::Null, 0, false),
            ("!= null", text(), 0, true),
            ("!= null", Value::Null, 0, false),
            ("== null", Value::Null, 0, true),
            ("errno == 0", Value::Void, 0, true),
            ("errno == 0", Value::Void, 2, false),
            ("!= null or errno == 0", Value::Null, 0, true),
            ("!= null or errno == 0", Value::Null, 2, false),
            (">= 0 and errno == 0", Value::Int(1), 1, false),
            ("count == 7 and rate < 1", Value::Int(1), 1, true),
            ("== 0", Value::Float(f64::NAN), 0, false),
            ("!= 0", Value::Float(f64::NAN), 0, false),
        ] {
            assert_eq!(holds(success, value.clone(), errno), expected, "{success} {value:?}");
        }
    }

    #[test]
    fn the_rest_is_no_success() {
        for (text, problem) in [
            ("", "`` is no test"),
            ("0", "`0` is no test"),
            ("= 0", "`= 0` is no test"),
            ("== ", "`` is no number"),
            ("== x", "`x` is no number"),
            ("== +1", "`+1` is no number"),
            ("=== 0", "`= 0` is no number"),
            ("<> 1", "`> 1` is no number"),
            ("== nan", "`nan` is no number"),
            ("== 1e999", "`1e999` is no number"),
            ("size == 0", "there is no output `size`"),
            ("< null", "`null` is equal"),
            ("== 0 and", "`` is no test"),
            ("== 0 and > 1 or < 2", "`and` and `or`"),
        ] {
            let error = Success::parse(text, &[]).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
        assert_eq!(Success::parse(&["== 0"; 9].join(" and "), &[]), Err(SuccessError::TooMany));
    }
}
