//! Reading one value: the wanted type comes back, or the problem is noted and the field stays empty.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::environment::expand;
use crate::config::report::{Problem, Span};
use crate::config::source::Source;
use crate::config::{duration, size};

/// A written value and its place. `value` is `None` when it was wrong: that has been reported already.
#[derive(Clone, Debug)]
pub(crate) struct Field<T> {
    pub(crate) value: Option<T>,
    pub(crate) span: Span,
}

/// One value as the file has it.
pub(crate) type Item<'i> = Spanned<DeValue<'i>>;

/// What a value of the file can be read as.
pub(crate) trait Read: Sized {
    /// As the reference names the type.
    fn kind() -> String;

    /// The value; `None` after saying what is wrong with it. `key` is for messages.
    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self>;
}

/// Reads a value with its place.
pub(crate) fn field<T: Read>(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Field<T> {
    Field { value: T::read(item, key, source), span: item.span() }
}

/// Says that a value has the wrong type.
pub(super) fn mismatch(item: &Item<'_>, key: &str, wanted: &str, mend: String) -> Problem {
    let found = match item.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Problem::at(&item.span(), format!("`{key}` must be {wanted}, not {found}")).help(mend)
}

impl Read for String {
    fn kind() -> String {
        "string".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let Some(text) = item.get_ref().as_str() else {
            let mend = format!("write it in quotes: {key} = \"…\"");
            source.wrong(mismatch(item, key, "a string", mend));
            return None;
        };
        match expand(text, source.environment) {
            Ok(text) => Some(text),
            Err(error) => {
                source.wrong(Problem::at(&item.span(), error.to_string()).help(error.mend()));
                None
            }
        }
    }
}

impl Read for bool {
    fn kind() -> String {
        "boolean".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let value = item.get_ref().as_bool();
        if value.is_none() {
            let mend = format!("write {key} = true or {key} = false");
            source.wrong(mismatch(item, key, "true or false", mend));
        }
        value
    }
}

impl Read for i64 {
    fn kind() -> String {
        "integer".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let Some(number) = item.get_ref().as_integer() else {
            let mend = format!("write a bare number: {key} = 10");
            source.wrong(mismatch(item, key, "an integer", mend));
            return None;
        };
        let value = integer(number).and_then(|number| i64::try_from(number).ok());
        if value.is_none() {
            source.wrong(Problem::at(&item.span(), format!("`{key}` is too large")));
        }
        value
    }
}

/// The number as written, in any base.
pub(super) fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

impl Read for Duration {
    fn kind() -> String {
        "duration".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let mend = || format!("write a number with its unit (h, m, s, ms, us): {key} = \"1m30s\"");
        let text = unit_string(item, key, "a duration in quotes", "s", mend, source)?;
        match duration::parse(&text) {
            Ok(Duration::ZERO) => {
                source.wrong(zero(item, key, "longer than 0"));
                None
            }
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("`{text}` is no duration: {error}");
                source.wrong(Problem::at(&item.span(), message).help(mend()));
                None
            }
        }
    }
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Read for Size {
    fn kind() -> String {
        "size".into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let mend =
            || format!("write a whole number with its unit (B, KiB, MiB, GiB): {key} = \"64KiB\"");
        let text = unit_string(item, key, "a size in quotes", "B", mend, source)?;
        match size::parse(&text) {
            Ok(0) => {
                source.wrong(zero(item, key, "more than 0"));
                None
            }
            Ok(bytes) => Some(Size(bytes)),
            Err(error) => {
                let message = format!("`{text}` is no size: {error}");
                source.wrong(Problem::at(&item.span(), message).help(mend()));
                None
            }
        }
    }
}

/// A string that must hold a unit; a bare number is shown with one.
fn unit_string(
    item: &Item<'_>,
    key: &str,
    wanted: &str,
    unit: &str,
    mend: impl Fn() -> String,
    source: &mut Source<'_>,
) -> Option<String> {
    match item.get_ref() {
        DeValue::String(_) => String::read(item, key, source),
        DeValue::Integer(number) => {
            let mend = format!("a number needs its unit: {key} = \"{}{unit}\"", number.as_str());
            source.wrong(mismatch(item, key, wanted, mend));
            None
        }
        _ => {
            source.wrong(mismatch(item, key, wanted, mend()));
            None
        }
    }
}

fn zero(item: &Item<'_>, key: &str, wanted: &str) -> Problem {
    Problem::at(&item.span(), format!("`{key}` must be {wanted}"))
        .help("where a thing can be turned off, that is written \"off\", never 0")
}

/// `"off"`, or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Off<T> {
    Off,
    On(T),
}

impl<T> Off<T> {
    /// `None` for off.
    pub(crate) fn on(self) -> Option<T> {
        match self {
            Off::Off => None,
            Off::On(value) => Some(value),
        }
    }
}

impl<T: Read> Read for Off<T> {
    fn kind() -> String {
        format!("{} or \"off\"", T::kind())
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        match item.get_ref() {
            DeValue::String(text) if text == "off" => Some(Off::Off),
            _ => T::read(item, key, source).map(Off::On),
        }
    }
}

/// A list.
impl<T: Read> Read for Vec<Field<T>> {
    fn kind() -> String {
        format!("list of {}s", T::kind())
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let Some(items) = item.get_ref().as_array() else {
            let mend = match item.get_ref() {
                DeValue::Table(_) => format!("write its header with two brackets: [[{key}]]"),
                _ => format!("write it in brackets: {key} = [ … ]"),
            };
            source.wrong(mismatch(item, key, &format!("a {}", Self::kind()), mend));
            return None;
        };
        Some(items.iter().map(|item| field(item, key, source)).collect())
    }
}

/// A table whose keys are names the operator chose, in the file's order.
#[derive(Clone, Debug)]
pub(crate) struct Named<T>(pub(crate) Vec<(Field<String>, Field<T>)>);

impl<T: Read> Read for Named<T> {
    fn kind() -> String {
        format!("table of {}s", T::kind())
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let Some(table) = item.get_ref().as_table() else {
            let mend = match item.get_ref() {
                DeValue::Array(_) => format!("write one table for each: [{key}.NAME]"),
                _ => format!("write it in braces: {key} = {{ name = … }}"),
            };
            source.wrong(mismatch(item, key, "a table", mend));
            return None;
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let read = |(name, item): (&Spanned<_>, &Item<'_>)| {
            let text: &str = AsRef::<str>::as_ref(name.get_ref());
            let key = Field { value: Some(text.to_owned()), span: name.span() };
            (key, field(item, text, source))
        };
        Some(Named(entries.into_iter().map(read).collect()))
    }
}
