//! Durations as an operator writes them: `"250ms"`, `"2s"`, `"1m30s"`.

use std::time::Duration;

use thiserror::Error;

/// The longest that is taken: a year.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Greatest first: the order in which they may follow each other.
const UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1)];

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum DurationError {
    #[error("a number with its unit was expected")]
    Shape,
    #[error("the number has no unit")]
    NoUnit,
    #[error("this is no unit of time")]
    Unit,
    #[error("the units must go from great to small, each once")]
    Order,
    #[error("longer than a year")]
    TooLong,
}

/// Reads `text`: whole numbers, each with a unit of `h`, `m`, `s`, `ms`, `us`, from great to small.
///
/// # Errors
/// Whatever else is written, and more than [`LONGEST`].
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut micros: u64 = 0;
    loop {
        let (number, unit, after) = part(rest)?;
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(DurationError::Unit);
        }
        let scale = units.find(|(name, _)| *name == unit).ok_or(DurationError::Order)?.1;
        let part = number.checked_mul(scale).ok_or(DurationError::TooLong)?;
        micros = micros.checked_add(part).ok_or(DurationError::TooLong)?;
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    Some(Duration::from_micros(micros)).filter(|d| *d <= LONGEST).ok_or(DurationError::TooLong)
}

/// What a text that is refused probably means: seconds without a unit, blanks, capitals.
pub(super) fn meant(text: &str) -> Option<String> {
    let compact = text.replace(' ', "").to_ascii_lowercase();
    let bare = compact.bytes().all(|b| b.is_ascii_digit());
    let meant = if bare { format!("{compact}s") } else { compact };
    Some(meant).filter(|text| parse(text).is_ok())
}

/// The first number, its unit, and what follows.
fn part(text: &str) -> Result<(u64, &str, &str), DurationError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err(DurationError::Shape);
    }
    let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    if unit.is_empty() {
        return Err(DurationError::NoUnit);
    }
    Ok((number.parse().map_err(|_| DurationError::TooLong)?, unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_operator_writes() {
        for (text, micros) in [
            ("250ms", 250_000),
            ("2s", 2_000_000),
            ("1m30s", 90_000_000),
            ("1h1m1s1ms1us", 3_661_001_001),
            ("0s", 0),
            ("8760h", 31_536_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn guesses_what_was_meant() {
        for (text, guess) in
            [("30", Some("30s")), ("5 S", Some("5s")), ("5sec", None), ("1s1m", None)]
        {
            assert_eq!(meant(text).as_deref(), guess, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        use DurationError::*;
        for (text, error) in [
            ("", Shape),
            ("s", Shape),
            ("-1s", Shape),
            ("5", NoUnit),
            ("1m30", NoUnit),
            ("5 s", Unit),
            ("1.5s", Unit),
            ("5sec", Unit),
            ("5S", Unit),
            ("1s1m", Order),
            ("1s1s", Order),
            ("8761h", TooLong),
            ("99999999999999999999s", TooLong),
            ("18446744073709551615h", TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
