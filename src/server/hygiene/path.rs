//! One spelling for each path: what routes are matched on is what the upstream gets, so that no rule is walked around.

use std::borrow::Cow;

/// The canonical form of an absolute path (RFC 3986 section 6.2.2): unreserved characters decoded, `%XX` in upper case,
/// `//` merged, dot segments resolved; with `%2F` read as a slash it has a meaning too. A path that is canonical already is
/// borrowed.
///
/// # Errors
/// Why no two parties would agree on what it means.
pub fn canonical(path: &str) -> Result<Cow<'_, str>, &'static str> {
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    let resolved = resolve(&respell(path)?)?;
    if resolved.contains("%2F") {
        resolve(&resolved.replace("%2F", "/"))?;
    }
    Ok(Cow::Owned(resolved))
}

/// The canonical form with `%2F` read as a slash, as an upstream may; `None` where there is none.
#[must_use]
pub fn unslashed(canonical_path: &str) -> Option<String> {
    let decoded = canonical_path.contains("%2F").then(|| canonical_path.replace("%2F", "/"))?;
    resolve(&decoded).ok()
}

/// Nothing in it needs a look: the common case, without an allocation.
fn is_plain(path: &str) -> bool {
    let is_plain_byte = |byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'%' | b'\\');
    path.starts_with('/')
        && path.as_bytes().iter().all(is_plain_byte)
        && !path.contains("//")
        && !path.contains("/.")
}

fn respell(path: &str) -> Result<String, &'static str> {
    let mut spelled = String::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' { Spelled::decode(&mut rest)? } else { Spelled::Plain(byte) };
        match byte {
            Spelled::Plain(b'\\') | Spelled::Encoded(b'\\') => {
                return Err("a path with a backslash");
            }
            Spelled::Plain(0..=0x20 | 0x7f..) => {
                return Err("a path with a character that must be encoded");
            }
            Spelled::Encoded(0..=0x1f | 0x7f) => return Err("a path with a control character"),
            Spelled::Encoded(byte) if is_unreserved(byte) => spelled.push(char::from(byte)),
            Spelled::Encoded(byte) => spelled.push_str(&format!("%{byte:02X}")),
            Spelled::Plain(byte) => spelled.push(char::from(byte)),
        }
    }
    Ok(spelled)
}

enum Spelled {
    Plain(u8),
    Encoded(u8),
}

impl Spelled {
    fn decode(rest: &mut std::str::Bytes<'_>) -> Result<Self, &'static str> {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => Ok(Spelled::Encoded((high * 16 + low) as u8)),
            _ => Err("a path with a % that is no %XX"),
        }
    }
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Merges slashes and resolves dot segments (RFC 3986 section 5.2.4).
fn resolve(path: &str) -> Result<String, &'static str> {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for segment in path.strip_prefix('/').ok_or("a path that does not begin with /")?.split('/') {
        ends_open = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop().ok_or("a path that climbs above its root")?),
            _ if is_dotted_parameter(segment) => return Err("a dot segment with a parameter"),
            _ => segments.push(segment),
        }
    }
    let mut resolved: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
    if ends_open || resolved.is_empty() {
        resolved.push('/');
    }
    Ok(resolved)
}

/// `..;x`: some upstreams cut the parameter off, before or after they decode, and climb.
fn is_dotted_parameter(segment: &str) -> bool {
    let name = segment.strip_prefix("..").or(segment.strip_prefix('.'));
    name.is_some_and(|rest| rest.starts_with(';') || rest.starts_with("%3B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        let rows = [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("/a//b", "/a/b"),
            ("//", "/"),
            ("//a", "/a"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/%61", "/a"),
            ("/%7e", "/~"),
            ("/%2e%2e/a", "!"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/%2E/b", "/a/b"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%20b", "/a%20b"),
            ("/%e2%82%ac", "/%E2%82%AC"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a.b", "/a.b"),
            ("/..", "!"),
            ("/a/../../b", "!"),
            ("/a/..;/b", "!"),
            ("/a/.;x/b", "!"),
            ("/a/..%3bx/b", "!"),
            ("/a/.%3B", "!"),
            ("/a/...;x", "/a/...;x"),
            ("/a%2F..;%2Fb", "!"),
            ("/%2f..%2fb", "!"),
            ("/..%2fb", "!"),
            ("/a%2f..%2fb", "/a%2F..%2Fb"),
            ("/a\\b", "!"),
            ("/a%5cb", "!"),
            ("/a%00", "!"),
            ("/a%0a", "!"),
            ("/a%7f", "!"),
            ("/a%", "!"),
            ("/a%2", "!"),
            ("/a%zz", "!"),
            ("/a b", "!"),
            ("/caf\u{e9}", "!"),
            ("a", "!"),
            ("", "!"),
        ];
        for (path, expected) in rows {
            let told = canonical(path).map_or_else(|_| "!".to_owned(), Cow::into_owned);
            assert_eq!(told, expected, "{path}");
        }
    }

    #[test]
    fn canonical_paths_stay_as_they_are() {
        for path in ["/", "/a/b", "/a%2Fb", "/%E2%82%AC/", "/a;v=1"] {
            let once = canonical(path).unwrap().into_owned();
            assert_eq!(canonical(&once).unwrap(), once, "{path}");
        }
        assert!(matches!(canonical("/a/b.c"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn an_encoded_slash_may_be_one() {
        assert_eq!(unslashed("/a"), None);
        assert_eq!(unslashed("/admin%2Fx").unwrap(), "/admin/x");
        assert_eq!(unslashed("/x%2F..%2Fadmin").unwrap(), "/admin");
        assert_eq!(unslashed("/%2F..%2F..%2Fa"), None);
    }
}
