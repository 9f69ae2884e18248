//! The grammar of `host`.

use crate::config::HostMatch;
use crate::config::source::Complaint;

/// `api.example.com` or `*.example.com`; lower-cased.
pub(super) fn host(text: &str) -> Result<HostMatch, Complaint> {
    let mend = "write a host name alone, \"api.example.com\" or \"*.example.com\"";
    let wrong = |message: String| Complaint::new(message, mend);
    let lower = text.to_ascii_lowercase();
    let (star, name) = match lower.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, lower.as_str()),
    };
    if name.contains('*') {
        return Err(wrong("`*` stands for the first labels of a host, before a dot".into()));
    }
    let v6 = !star && name.starts_with('[') && name.ends_with(']');
    if v6 && name[1..name.len() - 1].parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(HostMatch::Exact(lower));
    }
    if name.contains(':') {
        return Err(wrong(format!(
            "`{text}` has a port or a scheme; a route matches the host alone"
        )));
    }
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(wrong(format!("`{text}` is no host name")));
    }
    Ok(if star { HostMatch::Suffix(format!(".{name}")) } else { HostMatch::Exact(lower) })
}

fn is_label(label: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !label.is_empty() && label.len() <= 63 && label.bytes().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("Api.Example.COM", HostMatch::Exact("api.example.com".into())),
            ("localhost", HostMatch::Exact("localhost".into())),
            ("127.0.0.1", HostMatch::Exact("127.0.0.1".into())),
            ("[::1]", HostMatch::Exact("[::1]".into())),
            ("*.example.com", HostMatch::Suffix(".example.com".into())),
        ] {
            assert_eq!(host(text), Ok(expected), "{text}");
        }
        for text in
            ["", "*", "*.", "a.*.b", "*a.b", "a:80", "http://a", "a..b", "a/b", "a b", "[x]"]
        {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
