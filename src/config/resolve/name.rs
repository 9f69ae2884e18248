//! Names that the operator gives: metric labels, C symbols.

use crate::config::source::Complaint;

/// The longest, in bytes: a metric label is stored for each of its combinations.
const MAX_LENGTH: usize = 64;

/// `[a-z0-9][a-z0-9_-]*`.
pub(super) fn label(name: &str) -> Result<String, Complaint> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if first && name.len() <= MAX_LENGTH && name.bytes().all(is_label) {
        return Ok(name.to_owned());
    }
    let mend = match derive(name) {
        mended if mended.is_empty() => "write letters and digits".to_owned(),
        mended => format!("write \"{mended}\""),
    };
    let message =
        format!("`{name}` is no name: a name is [a-z0-9][a-z0-9_-]*, at most {MAX_LENGTH} bytes");
    Err(Complaint::new(message, mend))
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
}

/// The nearest name to a text: `/resize/{id}` becomes `resize-id`; empty where nothing is left.
pub(super) fn derive(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes().map(|byte| byte.to_ascii_lowercase()) {
        if byte.is_ascii_alphanumeric() || is_label(byte) && !name.is_empty() {
            name.push(byte.into());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(MAX_LENGTH - 4);
    name.trim_end_matches('-').to_owned()
}

/// A C identifier.
pub(super) fn symbol(name: &str) -> Result<String, Complaint> {
    let start = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let valid = name.bytes().next().is_some_and(start)
        && name.bytes().all(|b| start(b) || b.is_ascii_digit())
        && name.len() <= 255;
    if valid {
        return Ok(name.to_owned());
    }
    Err(Complaint::new(
        format!("`{name}` is no C symbol"),
        "write the function's name alone, as \"main\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_from_paths() {
        for (path, name) in [
            ("/slow", "slow"),
            ("/", ""),
            ("/resize/{id}", "resize-id"),
            ("/a/{*rest}", "a-rest"),
            ("/API/v1.2", "api-v1-2"),
            ("/_x", "x"),
            ("/%20", "20"),
            ("//", ""),
        ] {
            assert_eq!(derive(path), name, "{path}");
        }
        assert_eq!(derive(&"a".repeat(100)).len(), 60);
    }

    #[test]
    fn labels_and_symbols() {
        for name in ["a", "0", "a-b_c9"] {
            assert!(label(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "_a", "A", "a b", "é", "a.b"] {
            assert!(label(name).is_err(), "{name}");
        }
        assert!(symbol("_f9").is_ok());
        for name in ["", "9f", "f-g", "f()", "é"] {
            assert!(symbol(name).is_err(), "{name}");
        }
    }
}
