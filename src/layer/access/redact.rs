//! What a URL carries that lets its finder in is not written down.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

const REDACTED: &str = "[redacted]";

/// The names of query parameters whose values are not written, in lower case.
pub struct Redaction {
    names: Vec<String>,
}

impl Redaction {
    /// Of these names.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    /// A query: `name=value`s between `&` and `;`.
    #[must_use]
    pub fn query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        const BETWEEN: [char; 3] = ['&', ';', '#'];
        let is_part =
            |part: &str| part.split_once('=').is_some_and(|(name, _)| self.is_secret(name));
        if !query.split(BETWEEN).any(is_part) {
            return Cow::Borrowed(query);
        }
        let mut redacted = String::with_capacity(query.len());
        for part in query.split_inclusive(BETWEEN) {
            match part.split_once('=') {
                Some((name, value)) if self.is_secret(name) => {
                    redacted.push_str(name);
                    redacted.push('=');
                    redacted.push_str(REDACTED);
                    redacted.push_str(&value[value.trim_end_matches(BETWEEN).len()..]);
                }
                _ => redacted.push_str(part),
            }
        }
        Cow::Owned(redacted)
    }

    /// A URL: its query, and a fragment that holds one.
    #[must_use]
    pub fn url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let (before, after) = url.split_at(url.find(['?', '#']).map_or(url.len(), |at| at + 1));
        match self.query(after) {
            Cow::Borrowed(_) => Cow::Borrowed(url),
            Cow::Owned(after) => Cow::Owned(before.to_owned() + &after),
        }
    }

    /// Whether a parameter of this name is not written; `%74oken` is `token` to whoever reads it.
    #[must_use]
    pub fn is_secret(&self, name: &str) -> bool {
        let name = name.rsplit('?').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        let name = name.trim_matches('+');
        self.names.iter().any(|secret| secret.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_not_written() {
        let redaction = Redaction::new(vec!["token".into(), "sig".into()]);
        let rows = [
            ("", ""),
            ("a=1&b", "a=1&b"),
            ("token=s", "token=[redacted]"),
            ("a=1&token=s&b=2", "a=1&token=[redacted]&b=2"),
            ("TOKEN=s;sig=t;x", "TOKEN=[redacted];sig=[redacted];x"),
            ("%74oken=s", "%74oken=[redacted]"),
            ("token=s=t", "token=[redacted]"),
            ("token=&&token", "token=[redacted]&&token"),
            ("tokens=s", "tokens=s"),
        ];
        for (query, expected) in rows {
            assert_eq!(redaction.query(query), expected, "{query}");
        }
        let rows = [
            ("https://a/b", "https://a/b"),
            ("https://a/?b=c", "https://a/?b=c"),
            ("https://a/?token=s", "https://a/?token=[redacted]"),
            ("https://a/#token=s", "https://a/#token=[redacted]"),
            ("https://a/?x=1#token=s", "https://a/?x=1#token=[redacted]"),
            ("https://a/?token=s#x=1", "https://a/?token=[redacted]#x=1"),
            ("https://a/#/in?token=s?t", "https://a/#/in?token=[redacted]"),
            ("/token=s", "/token=s"),
        ];
        for (url, expected) in rows {
            assert_eq!(redaction.url(url), expected, "{url}");
        }
    }
}
