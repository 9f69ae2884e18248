//! `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$` inside strings.

use thiserror::Error;

use crate::config::source::Environment;

/// Why a string cannot be expanded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum ExpandError {
    #[error("a `$` that stands for itself is written `$$`")]
    Lone,
    #[error("`${{` is never closed")]
    Open,
    #[error("`{0}` is no name of an environment variable")]
    Name(String),
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    #[error("{0}: {1}")]
    Demanded(String, String),
}

impl ExpandError {
    /// What to write instead.
    pub(super) fn mend(&self) -> String {
        match self {
            ExpandError::Unset(name) => {
                format!("set {name}, or give it a default: \"${{{name}:-default}}\"")
            }
            ExpandError::Demanded(name, _) => format!("set {name} and start again"),
            _ => "write ${VAR}, ${VAR:-default}, ${VAR:?message}, or $$ for a dollar sign".into(),
        }
    }
}

/// Replaces each variable once; what it holds is not expanded again.
pub(super) fn expand(text: &str, environment: Environment<'_>) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else {
            let inner = after.strip_prefix('{').ok_or(ExpandError::Lone)?;
            let (inner, after) = inner.split_once('}').ok_or(ExpandError::Open)?;
            out.push_str(&variable(inner, environment)?);
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The inside of one `${…}`. As in a shell, `:` takes an empty variable for an unset one.
fn variable(inner: &str, environment: Environment<'_>) -> Result<String, ExpandError> {
    let (name, otherwise) = inner.split_once(':').map_or((inner, None), |(n, o)| (n, Some(o)));
    if !is_name(name) {
        return Err(ExpandError::Name(name.into()));
    }
    let value = environment(name);
    match (otherwise, value) {
        (None, Some(value)) => Ok(value),
        (None, None) => Err(ExpandError::Unset(name.into())),
        (Some(_), Some(value)) if !value.is_empty() => check(otherwise, value),
        (Some(otherwise), _) => absent(name, otherwise),
    }
}

fn check(otherwise: Option<&str>, value: String) -> Result<String, ExpandError> {
    let otherwise = otherwise.unwrap_or_default();
    match otherwise.as_bytes().first() {
        Some(b'-' | b'?') => Ok(value),
        _ => Err(ExpandError::Name(format!(":{otherwise}"))),
    }
}

fn absent(name: &str, otherwise: &str) -> Result<String, ExpandError> {
    if let Some(default) = otherwise.strip_prefix('-') {
        return Ok(default.into());
    }
    match otherwise.strip_prefix('?') {
        Some("") => Err(ExpandError::Unset(name.into())),
        Some(message) => Err(ExpandError::Demanded(name.into(), message.into())),
        None => Err(ExpandError::Name(format!("{name}:{otherwise}"))),
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOME" => Some("/root".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOME}".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_once() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${HOME}/x", "/root/x"),
            ("a${HOME}b${HOME}c", "a/rootb/rootc"),
            ("${NO:-/tmp}/x", "/tmp/x"),
            ("${NO:-}", ""),
            ("${EMPTY:-full}", "full"),
            ("${EMPTY}", ""),
            ("${HOME:?say}", "/root"),
            ("5$$", "5$"),
            ("$${HOME}", "${HOME}"),
            ("${NESTED}", "${HOME}"),
        ] {
            assert_eq!(expand(text, &environment), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn the_rest_is_refused() {
        for (text, error) in [
            ("5$", ExpandError::Lone),
            ("$HOME", ExpandError::Lone),
            ("${HOME", ExpandError::Open),
            ("${}", ExpandError::Name(String::new())),
            ("${1A}", ExpandError::Name("1A".into())),
            ("${HOME:+x}", ExpandError::Name(":+x".into())),
            ("${NO}", ExpandError::Unset("NO".into())),
            ("${NO:?}", ExpandError::Unset("NO".into())),
            ("${NO:?set it}", ExpandError::Demanded("NO".into(), "set it".into())),
            ("${NO:x}", ExpandError::Name("NO:x".into())),
        ] {
            assert_eq!(expand(text, &environment), Err(error), "{text}");
        }
    }
}
