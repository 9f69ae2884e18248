//! Durations and sizes: numbers in quotes, with their unit, never 0.

use std::time::Duration;

use toml::de::DeValue;

use super::read::{Item, Read, mismatch};
use crate::config::report::Problem;
use crate::config::source::Source;
use crate::config::{duration, size};

/// A kind of number with a unit, as messages speak of it.
struct Quantity {
    name: &'static str,
    shape: &'static str,
    example: &'static str,
    /// What a bare number is shown with.
    unit: &'static str,
    meant: fn(&str) -> Option<String>,
}

const DURATION: Quantity = Quantity {
    name: "duration",
    shape: "a number with its unit (h, m, s, ms, us)",
    example: "1m30s",
    unit: "s",
    meant: duration::meant,
};

const SIZE: Quantity = Quantity {
    name: "size",
    shape: "a whole number with its unit (B, KiB, MiB, GiB)",
    example: "64KiB",
    unit: "B",
    meant: size::meant,
};

impl Quantity {
    /// Reads the text and what it says.
    fn read<T, E: std::fmt::Display>(
        &self,
        item: &Item<'_>,
        key: &str,
        source: &mut Source<'_>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(item, key, source)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(_) if text == "off" => {
                let message = format!("`{key}` cannot be turned off");
                let mend = format!("write {}: {key} = \"{}\"", self.shape, self.example);
                source.wrong(Problem::at(&item.span(), message).help(mend));
                None
            }
            Err(error) => {
                let meant = (self.meant)(&text).unwrap_or_else(|| self.example.into());
                let message = format!("`{text}` is no {}: {error}", self.name);
                let mend = format!("write {}: {key} = \"{meant}\"", self.shape);
                source.wrong(Problem::at(&item.span(), message).help(mend));
                None
            }
        }
    }

    /// The string; anything else is shown how to be one.
    fn text(&self, item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<String> {
        let example = match item.get_ref() {
            DeValue::String(_) => return String::read(item, key, source),
            DeValue::Integer(number) => format!("{}{}", number.as_str(), self.unit),
            _ => self.example.to_owned(),
        };
        let mend = format!("write {}: {key} = \"{example}\"", self.shape);
        let wanted = format!("a {} in quotes", self.name);
        source.wrong(mismatch(item, key, &wanted, mend));
        None
    }
}

fn zero(item: &Item<'_>, key: &str, wanted: &str) -> Problem {
    Problem::at(&item.span(), format!("`{key}` must be {wanted}"))
        .help("where a thing can be turned off, that is written \"off\", never 0")
}

impl Read for Duration {
    fn kind() -> String {
        DURATION.name.into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let value = DURATION.read(item, key, source, duration::parse)?;
        if value.is_zero() {
            source.wrong(zero(item, key, "longer than 0"));
            return None;
        }
        Some(value)
    }
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Read for Size {
    fn kind() -> String {
        SIZE.name.into()
    }

    fn read(item: &Item<'_>, key: &str, source: &mut Source<'_>) -> Option<Self> {
        let value = SIZE.read(item, key, source, size::parse)?;
        if value == 0 {
            source.wrong(zero(item, key, "more than 0"));
            return None;
        }
        Some(Size(value))
    }
}
