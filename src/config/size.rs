//! Sizes as an operator writes them: `"512B"`, `"64KiB"`, `"8MiB"`.

use thiserror::Error;

const UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Why a text is no size.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum SizeError {
    #[error("a whole number with its unit was expected")]
    Shape,
    #[error("the number has no unit")]
    NoUnit,
    #[error("this is no unit of size")]
    Unit,
    #[error("too large")]
    TooLarge,
}

/// Reads a whole number of `B`, `KiB`, `MiB` or `GiB`, in bytes.
///
/// # Errors
/// Whatever else is written, and more than an `i64` of bytes.
pub(super) fn parse(text: &str) -> Result<u64, SizeError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    match (number, unit) {
        ("", _) => return Err(SizeError::Shape),
        (_, "") => return Err(SizeError::NoUnit),
        _ => {}
    }
    let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or(SizeError::Unit)?.1;
    let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
    let bytes = number.checked_mul(scale).filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.ok_or(SizeError::TooLarge)
}

/// What a text that is refused probably means: bytes without a unit, blanks, `64k`, `8MB`.
pub(super) fn meant(text: &str) -> Option<String> {
    let compact = text.replace(' ', "");
    let digits = compact.find(|c: char| !c.is_ascii_digit()).unwrap_or(compact.len());
    let (number, unit) = compact.split_at(digits);
    let unit = match unit.to_ascii_lowercase().trim_end_matches(['b', 'i']) {
        "" => "B",
        "k" => "KiB",
        "m" => "MiB",
        "g" => "GiB",
        _ => return None,
    };
    Some(format!("{number}{unit}")).filter(|text| parse(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_operator_writes() {
        for (text, bytes) in
            [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("8MiB", 8_388_608), ("1GiB", 1 << 30)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn guesses_what_was_meant() {
        for (text, guess) in
            [("64", Some("64B")), ("64k", Some("64KiB")), ("8 MB", Some("8MiB")), ("8T", None)]
        {
            assert_eq!(meant(text).as_deref(), guess, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        use SizeError::*;
        for (text, error) in [
            ("", Shape),
            ("KiB", Shape),
            ("-1B", Shape),
            ("64", NoUnit),
            ("64K", Unit),
            ("64KB", Unit),
            ("64 KiB", Unit),
            ("1.5MiB", Unit),
            ("99999999999999999999B", TooLarge),
            ("99999999999GiB", TooLarge),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
