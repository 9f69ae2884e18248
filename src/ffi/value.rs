//! Values that cross between HTTP and C, and the C types they are cut to.

use thiserror::Error;

/// A C scalar by width and sign, as this machine's ABI has it (`long` is [`Scalar::I64`] on LP64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scalar {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

/// One value given to a function or taken from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// What a `void` function returns.
    Void,
    /// A null pointer.
    Null,
    /// `bool`.
    Bool(bool),
    /// Any signed integer.
    Int(i64),
    /// Any unsigned integer.
    Uint(u64),
    /// `float` or `double`.
    Float(f64),
    /// A string without its NUL, or a run of bytes.
    Bytes(Vec<u8>),
}

/// Why a text is no value of a C type.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ValueError {
    /// Not a plain decimal, or out of range.
    #[error("must be a whole number from {least} to {most}")]
    Integer {
        /// Of the type.
        least: i64,
        /// Of the type.
        most: u64,
    },
    /// Neither of `true false 1 0`.
    #[error("must be true or false")]
    Bool,
    /// Not a decimal number, or infinite.
    #[error("must be a finite decimal number")]
    Float,
}

impl Scalar {
    /// Reads a request's text, strictly: decimal digits, no blanks, no leading `+`, in range.
    ///
    /// # Errors
    /// What the text must be instead.
    pub fn parse(self, text: &str) -> Result<Value, ValueError> {
        match self {
            Scalar::Bool => match text {
                "true" | "1" => Ok(Value::Bool(true)),
                "false" | "0" => Ok(Value::Bool(false)),
                _ => Err(ValueError::Bool),
            },
            Scalar::F32 | Scalar::F64 => self.parse_float(text),
            _ => {
                let number = if text.starts_with('+') { None } else { text.parse().ok() };
                number.and_then(|number| self.fit(number)).ok_or_else(|| self.integer_error())
            }
        }
    }

    /// The value, if this integer type holds it.
    #[must_use]
    pub fn fit(self, number: i128) -> Option<Value> {
        let (least, most) = self.range()?;
        if number < i128::from(least) || number > i128::from(most) {
            return None;
        }
        match least {
            0 => u64::try_from(number).ok().map(Value::Uint),
            _ => i64::try_from(number).ok().map(Value::Int),
        }
    }

    /// The least and the greatest value of an integer type.
    #[must_use]
    pub fn range(self) -> Option<(i64, u64)> {
        Some(match self {
            Scalar::I8 => (i64::from(i8::MIN), i8::MAX.unsigned_abs().into()),
            Scalar::I16 => (i64::from(i16::MIN), i16::MAX.unsigned_abs().into()),
            Scalar::I32 => (i64::from(i32::MIN), i32::MAX.unsigned_abs().into()),
            Scalar::I64 => (i64::MIN, i64::MAX.unsigned_abs()),
            Scalar::U8 => (0, u8::MAX.into()),
            Scalar::U16 => (0, u16::MAX.into()),
            Scalar::U32 => (0, u32::MAX.into()),
            Scalar::U64 => (0, u64::MAX),
            Scalar::Bool | Scalar::F32 | Scalar::F64 => return None,
        })
    }

    fn integer_error(self) -> ValueError {
        let (least, most) = self.range().unwrap_or_default();
        ValueError::Integer { least, most }
    }

    fn parse_float(self, text: &str) -> Result<Value, ValueError> {
        let decimal = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
        if text.starts_with('+') || !text.bytes().all(decimal) {
            return Err(ValueError::Float);
        }
        let number: f64 = match self {
            Scalar::F32 => text.parse::<f32>().map(f64::from),
            _ => text.parse::<f64>(),
        }
        .map_err(|_| ValueError::Float)?;
        if number.is_finite() { Ok(Value::Float(number)) } else { Err(ValueError::Float) }
    }
}

impl Value {
    /// As a JSON text. What JSON cannot say is `null`: void, a null pointer, a number that is not finite.
    /// Bytes become a string, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Value::Void | Value::Null => "null".into(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Uint(value) => value.to_string(),
            Value::Float(value) => serde_json::Value::from(*value).to_string(),
            Value::Bytes(bytes) => {
                serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_s_text_becomes_a_value_of_the_type() {
        for (scalar, text, value) in [
            (Scalar::Bool, "true", Value::Bool(true)),
            (Scalar::Bool, "0", Value::Bool(false)),
            (Scalar::I8, "-128", Value::Int(-128)),
            (Scalar::U8, "255", Value::Uint(255)),
            (Scalar::I32, "-0", Value::Int(0)),
            (Scalar::I32, "007", Value::Int(7)),
            (Scalar::I64, "-9223372036854775808", Value::Int(i64::MIN)),
            (Scalar::U64, "18446744073709551615", Value::Uint(u64::MAX)),
            (Scalar::F64, "-1.5e3", Value::Float(-1500.0)),
            (Scalar::F32, "0.5", Value::Float(0.5)),
        ] {
            assert_eq!(scalar.parse(text), Ok(value), "{scalar:?} {text}");
        }
    }

    #[test]
    fn a_text_that_is_no_value_is_refused() {
        for (scalar, text) in [
            (Scalar::Bool, "yes"),
            (Scalar::Bool, "True"),
            (Scalar::I8, "128"),
            (Scalar::I8, "-129"),
            (Scalar::U8, "-1"),
            (Scalar::I32, ""),
            (Scalar::I32, "+1"),
            (Scalar::I32, " 1"),
            (Scalar::I32, "1 "),
            (Scalar::I32, "1.0"),
            (Scalar::I32, "0x10"),
            (Scalar::I32, "1e3"),
            (Scalar::U64, "18446744073709551616"),
            (Scalar::U64, "99999999999999999999999999999999999999999999"),
            (Scalar::F64, "nan"),
            (Scalar::F64, "inf"),
            (Scalar::F64, "1e999"),
            (Scalar::F32, "1e39"),
            (Scalar::F64, "+1"),
            (Scalar::F64, "1,5"),
            (Scalar::F64, ""),
        ] {
            assert!(scalar.parse(text).is_err(), "{scalar:?} {text}");
        }
    }

    #[test]
    fn an_error_says_the_range() {
        let message = Scalar::I8.parse("200").unwrap_err().to_string();
        assert_eq!(message, "must be a whole number from -128 to 127");
    }

    #[test]
    fn json_says_what_it_can() {
        for (value, json) in [
            (Value::Void, "null"),
            (Value::Bool(true), "true"),
            (Value::Int(-3), "-3"),
            (Value::Uint(u64::MAX), "18446744073709551615"),
            (Value::Float(1.5), "1.5"),
            (Value::Float(f64::NAN), "null"),
            (Value::Bytes(b"a\"b\n".to_vec()), r#""a\"b\n""#),
        ] {
            assert_eq!(value.to_json(), json);
        }
    }
}
