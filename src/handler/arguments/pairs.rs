//! Names and values as a query or a form has them (`a=1&b=2`), and as `Cookie` has them (`a=1; b=2`): the first of its name.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The value of `name` in `a=1&b=2`, decoded as a form is (`+` is a space); bytes that are no UTF-8 stay as they are.
#[must_use]
pub fn query(text: &str, name: &str) -> Option<Vec<u8>> {
    field(text.as_bytes(), name)
}

/// As [`query`], of a body.
pub(super) fn field(form: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs.find_map(|pair| {
        let (key, value) = split(pair, b'=').unwrap_or((pair, b""));
        (*decoded(key) == *name.as_bytes()).then(|| decoded(value).into_owned())
    })
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..place], &bytes[place + 1..]))
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| b"%+".contains(byte)) {
        return text.into();
    }
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

/// The value of a cookie (RFC 6265 section 4.2.1), as it is but for quotes around it.
pub(super) fn cookie<'a>(lines: impl Iterator<Item = &'a [u8]>, name: &str) -> Option<&'a [u8]> {
    let mut cookies = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    cookies.find_map(|pair| {
        let (key, value) = split(pair.trim_ascii(), b'=')?;
        (key == name.as_bytes()).then_some(match value {
            [b'"', inner @ .., b'"'] => inner,
            value => value,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters() {
        let rows: [(&str, Option<&[u8]>); 9] = [
            ("w=7", Some(b"7")),
            ("a=1&w=7&w=8", Some(b"7")),
            ("w", Some(b"")),
            ("w=", Some(b"")),
            ("w=a+b%20c%2Bd", Some(b"a b c+d")),
            ("w=%ff%00", Some(b"\xff\0")),
            ("%77=x", Some(b"x")),
            ("ww=1", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(query(text, "w").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn cookies() {
        for (lines, expected) in [
            (&["s=7"][..], Some("7")),
            (&["a=1; s=7; s=8"], Some("7")),
            (&["a=1", "s=7"], Some("7")),
            (&["s=\"7\""], Some("7")),
            (&["s="], Some("")),
            (&["s=a=b"], Some("a=b")),
            (&["ss=7;s"], None),
            (&["S=7"], None),
        ] {
            let found = cookie(lines.iter().map(|line| line.as_bytes()), "s");
            assert_eq!(found, expected.map(str::as_bytes), "{lines:?}");
        }
    }
}
