//! Paths and URLs put together from a request's own: what a handler gets instead, and where a client is sent.

use http::Uri;
use http::uri::PathAndQuery;

use crate::config::{Piece, Rewrite};
use crate::handler::Error;

/// The target with the path that `rewrite` makes of it; the query stays.
///
/// # Errors
/// [`Error::BadRequest`] where no path comes of it that means the same to everybody.
pub fn rewritten(uri: &Uri, rewrite: &Rewrite) -> Result<Uri, Error> {
    let path = match rewrite {
        Rewrite::Prefix { from, to } => replaced(uri.path(), from, to)?,
        Rewrite::Path(pieces) => tidy(&filled(pieces, uri.path(), None))?,
    };
    with_path(uri, path)
}

/// The target with another path.
///
/// # Errors
/// [`Error::BadRequest`]: this is no path.
pub fn with_path(uri: &Uri, mut path: String) -> Result<Uri, Error> {
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let unfit = Error::BadRequest("the path cannot be rewritten");
    let Ok(target) = PathAndQuery::try_from(path) else { return Err(unfit) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| unfit)
}

/// A path lies under its route's prefix in one of two readings; only the plain one says what comes after it.
fn replaced(path: &str, from: &str, to: &str) -> Result<String, Error> {
    let rest = path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let rest = rest.ok_or(Error::BadRequest("an encoded slash stands where the prefix ends"))?;
    match [to, rest].concat() {
        empty if empty.is_empty() => Ok("/".to_owned()),
        path => Ok(path),
    }
}

/// `pieces` with what the request has of each; `host` is without its port.
#[must_use]
pub fn filled(pieces: &[Piece], path: &str, host: Option<&str>) -> String {
    let mut text = String::with_capacity(path.len() + 32);
    for piece in pieces {
        text.push_str(match piece {
            Piece::Text(text) => text,
            Piece::Host => host.unwrap_or_default(),
            Piece::Path => path,
            Piece::Segment(place) => path.split('/').nth(place + 1).unwrap_or_default(),
            Piece::Rest(place) => path.splitn(place + 2, '/').nth(place + 1).unwrap_or_default(),
        });
    }
    text
}

/// An empty `{*rest}` leaves two slashes, and `//host` is no path to whoever takes it for a URL.
///
/// # Errors
/// [`Error::BadRequest`]: pieces came together to a dot segment.
pub fn tidy(path: &str) -> Result<String, Error> {
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Error::BadRequest("the rewritten path has dot segments"));
    }
    let mut tidy = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !tidy.ends_with('/') {
            tidy.push(character);
        }
    }
    Ok(tidy)
}

/// `[::1]:80` and `name:80` without the port.
#[must_use]
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(from: &str, to: &str, target: &str) -> Option<String> {
        let rewrite = Rewrite::Prefix { from: from.into(), to: to.into() };
        rewritten(&target.parse().unwrap(), &rewrite).ok().map(|uri| uri.to_string())
    }

    #[test]
    fn a_prefix_is_replaced_by_whole_segments() {
        let rows = [
            ("/v1", "", "/v1/x?q=1", Some("/x?q=1")),
            ("/v1", "", "/v1", Some("/")),
            ("/v1", "", "/v1/", Some("/")),
            ("/v1", "/v2/api", "/v1/x", Some("/v2/api/x")),
            ("/v1", "/v2", "/v1", Some("/v2")),
            ("", "/app", "/x", Some("/app/x")),
            ("", "/app", "/", Some("/app/")),
            ("/v1", "", "/v1/a%2Fb", Some("/a%2Fb")),
            ("/v1", "", "/v1%2Fx", None),
            ("/v1", "", "/x%2F..%2Fv1", None),
            ("/v1", "", "http://h/v1/x", Some("http://h/x")),
        ];
        for (from, to, target, expected) in rows {
            assert_eq!(prefix(from, to, target).as_deref(), expected, "{from} {to} {target}");
        }
    }

    #[test]
    fn pieces_are_cut_from_the_path() {
        let pieces =
            [Piece::Text("/x/".into()), Piece::Segment(1), Piece::Text("/".into()), Piece::Rest(2)];
        let rewrite = Rewrite::Path(pieces.to_vec());
        for (path, expected) in [
            ("/u/7/a/b", "/x/7/a/b"),
            ("/u/7/", "/x/7/"),
            ("/u/7", "/x/7/"),
            ("/u/%2F/a", "/x/%2F/a"),
        ] {
            let uri = rewritten(&path.parse().unwrap(), &rewrite).unwrap();
            assert_eq!(uri.path(), expected, "{path}");
        }
        let pieces = [Piece::Host, Piece::Path];
        assert_eq!(filled(&pieces, "/a", Some("h")), "h/a");
    }

    #[test]
    fn no_path_becomes_a_host() {
        let rewrite =
            Rewrite::Path(vec![Piece::Text("/".into()), Piece::Rest(1), Piece::Text("/h".into())]);
        assert_eq!(rewritten(&"/f/".parse().unwrap(), &rewrite).unwrap(), "/h");
        let dotted = Rewrite::Path(vec![Piece::Text("/.".into()), Piece::Rest(1)]);
        assert!(rewritten(&"/f/".parse().unwrap(), &dotted).is_err());
    }

    #[test]
    fn ports_and_brackets() {
        for (host, name) in [("a:1", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            assert_eq!(without_port(host), name);
        }
    }
}
