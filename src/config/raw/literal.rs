//! Values that take several shapes: a constant of any type, and what an argument is bound to.

use toml::de::DeValue;

use super::read::{Item, Read, integer, mismatch};
use super::{Argument, section};
use crate::config::report::Problem;
use crate::config::source::Source;

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
}

impl Read for Literal {
    fn kind() -> String {
        "string, number or boolean".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        match item.get_ref() {
            DeValue::Boolean(value) => Some(Literal::Bool(*value)),
            DeValue::String(_) => String::read(item, key, source).map(Literal::Text),
            DeValue::Integer(number) => {
                let value = integer(number).map(Literal::Int);
                if value.is_none() {
                    source.wrong(Problem::at(&item.span(), format!("`{key}` is too large")));
                }
                value
            }
            DeValue::Float(number) => number.as_str().parse().ok().map(Literal::Float),
            _ => {
                let mend = format!("write a string, a number, true or false: {key} = 0");
                source.wrong(mismatch(item, key, "a plain value", mend));
                None
            }
        }
    }
}

/// `"errno"`, or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrErrno<T> {
    Errno,
    Is(T),
}

impl<T: Read> Read for OrErrno<T> {
    fn kind() -> String {
        format!("{} or \"errno\"", T::kind())
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        match item.get_ref() {
            DeValue::String(text) if text == "errno" => Some(OrErrno::Errno),
            _ => T::read(item, key, source).map(OrErrno::Is),
        }
    }
}

/// What an argument is bound to.
#[derive(Clone, Debug)]
pub(crate) enum Binding {
    /// A short form: "body" or "out".
    Word(String),
    /// A bare number or boolean.
    Constant(Literal),
    /// The long form.
    Table(Box<Argument>),
}

impl Read for Binding {
    fn kind() -> String {
        "argument".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        match item.get_ref() {
            DeValue::String(_) => String::read(item, key, source).map(Binding::Word),
            DeValue::Table(_) => {
                section::read(item, key, source).map(|table| Binding::Table(Box::new(table)))
            }
            DeValue::Array(_) | DeValue::Datetime(_) => {
                let mend = format!("write where it comes from: {key} = {{ query = \"{key}\" }}");
                source.wrong(mismatch(item, key, "an argument", mend));
                None
            }
            _ => Literal::read(item, key, source).map(Binding::Constant),
        }
    }
}
