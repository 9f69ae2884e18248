//! Reading one value: the wanted type comes back, or the problem is noted and the field stays empty.

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::environment::expand;
use crate::config::report::{Problem, Span};
use crate::config::source::Source;

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
            let written = match item.get_ref() {
                DeValue::Array(_) | DeValue::Table(_) => "…",
                _ => source.text.get(item.span()).unwrap_or_default(),
            };
            let mend = format!("write it in quotes: {key} = \"{written}\"");
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
            let digits = item.get_ref().as_str().filter(|text| text.parse::<i64>().is_ok());
            let mend = format!("write a bare number: {key} = {}", digits.unwrap_or("10"));
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
                DeValue::Table(_) => {
                    let header = source.text.get(item.span()).filter(|text| text.starts_with('['));
                    let header = header.map_or(format!("[{key}]"), str::to_owned);
                    format!("write its header with two brackets: [{header}]")
                }
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
