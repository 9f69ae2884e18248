//! The grammar of texts with `{name}`s that are put together for each request: `rewrite` and a redirect's `to`.

use std::ops::Range;

use super::host;
use super::path::canonical;
use crate::config::raw::{closest, list};
use crate::config::source::Complaint;
use crate::config::{HostMatch, PathMatch, Piece, Segment};

/// `rewrite` of a route with this `path`: the whole new path.
pub(super) fn path(text: &str, of: &PathMatch) -> Result<Vec<Piece>, Complaint> {
    canonical(text)?;
    pieces(text, 0, &parameters(of))
}

/// A redirect's `to`, and whether the request's query goes along.
pub(super) fn url(text: &str, of: &PathMatch) -> Result<(Vec<Piece>, bool), Complaint> {
    if let Some(at) = text.find(|c: char| !c.is_ascii_graphic()) {
        let complaint = Complaint::new(
            "a URL has visible ASCII characters only",
            "write others percent-encoded, as %20",
        );
        return Err(complaint.part(&(at..text.len())));
    }
    let mut known = parameters(of);
    known.push(("path".into(), Piece::Path));
    let (mut found, rest) = authority(text)?;
    found.extend(pieces(&text[rest..], rest, &known)?);
    Ok((found, !text.contains('?')))
}

/// What stands before the path. A host that a client could put together would send its visitors anywhere.
fn authority(text: &str) -> Result<(Vec<Piece>, usize), Complaint> {
    let mend = "write \"https://{host}{path}\", \"https://www.example.com/…\" or \"/…\"";
    let wrong = |message: &str| Err(Complaint::new(message, mend));
    if text == "{path}" || text.starts_with('/') && !text.starts_with("//") {
        return Ok((Vec::new(), 0));
    }
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
    let Some(scheme) = scheme else {
        return wrong("a redirect goes to an http:// or https:// URL, or to a path");
    };
    let rest = &text[scheme.len()..];
    let end = ["/", "?", "#", "{path}"].into_iter().filter_map(|end| rest.find(end)).min();
    let end = end.unwrap_or(rest.len());
    let after_name = rest[..end].find(']').map_or(0, |bracket| bracket + 1);
    let colon = rest[after_name..end].find(':').map_or(end, |colon| after_name + colon);
    let (name, port) = rest[..end].split_at(colon);
    let is_port = port.is_empty() || port[1..].parse::<u16>().is_ok_and(|port| port != 0);
    let mut found = vec![Piece::Text(scheme.into())];
    match (name, host::host(name)) {
        _ if !is_port => return wrong("this is no port"),
        ("{host}", _) => found.push(Piece::Host),
        (name, Ok(HostMatch::Exact(_))) => found.push(Piece::Text(name.into())),
        _ => return wrong("the host of a redirect is {host} or a name that is written out"),
    }
    found.push(Piece::Text(port.into()));
    Ok((found, scheme.len() + end))
}

/// The `{name}`s of a path, and where in it they stand.
fn parameters(path: &PathMatch) -> Vec<(String, Piece)> {
    let PathMatch::Pattern(segments) = path else { return Vec::new() };
    let named = segments.iter().enumerate().filter_map(|(place, segment)| match segment {
        Segment::Literal(_) => None,
        Segment::Param(name) => Some((name.clone(), Piece::Segment(place))),
        Segment::Rest(name) => Some((name.clone(), Piece::Rest(place))),
    });
    named.collect()
}

/// `text` taken apart; it stands `offset` bytes behind the start of the string.
fn pieces(text: &str, offset: usize, known: &[(String, Piece)]) -> Result<Vec<Piece>, Complaint> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find(['{', '}']).map(|open| at + open) {
        found.push(Piece::Text(text[at..open].into()));
        let close = text[open..].find('}').map(|close| open + close);
        let (Some(close), true) = (close, text[open..].starts_with('{')) else {
            let complaint = Complaint::new("a brace without its other one", "write {name}");
            return Err(complaint.part(&(offset + open..offset + open + 1)));
        };
        let place = offset + open..offset + close + 1;
        let name = text[open + 1..close].trim_start_matches('*');
        found.push(piece(name, known).map_err(|complaint| complaint.part(&place))?);
        at = close + 1;
    }
    found.push(Piece::Text(text[at..].into()));
    found.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    Ok(found)
}

fn piece(name: &str, known: &[(String, Piece)]) -> Result<Piece, Complaint> {
    if let Some((_, piece)) = known.iter().find(|(other, _)| other == name) {
        return Ok(piece.clone());
    }
    let names: Vec<_> = known.iter().map(|(name, _)| name.as_str()).collect();
    let mend = match closest(name, names.iter().copied()) {
        Some(close) => format!("did you mean {{{close}}}?"),
        None if names.is_empty() => "write it without: the route's path has no {name}".into(),
        None => format!("the names here are {}", list(&names)),
    };
    Err(Complaint::new(format!("there is no `{{{name}}}` here"), mend))
}

/// The place of a `{` in a text that has no names.
pub(super) fn brace(text: &str) -> Option<Range<usize>> {
    text.find(['{', '}']).map(|at| at..text.len())
}

#[cfg(test)]
mod tests {
    use super::super::path as grammar;
    use super::*;

    #[test]
    fn names_become_places() {
        let route = grammar::path("/u/{id}/{*rest}").unwrap();
        let expected = [
            Piece::Text("/v-".into()),
            Piece::Segment(1),
            Piece::Text("/x/".into()),
            Piece::Rest(2),
        ];
        assert_eq!(path("/v-{id}/x/{*rest}", &route).unwrap(), expected);
        for wrong in ["/{idd}", "/{", "/}", "/{}", "x", "//a", "/a?b", "/a b", "/../{id}"] {
            assert!(path(wrong, &route).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_client_has_no_say_in_the_host_of_a_url() {
        let route = grammar::path("/u/{id}").unwrap();
        let good = [
            "https://{host}{path}",
            "https://{host}:8443{path}",
            "https://www.example.com",
            "http://example.com:81/x/{id}?a=b",
            "/u/{id}/",
            "{path}",
            "https://[::1]/",
        ];
        for text in good {
            assert!(url(text, &route).is_ok(), "{text}");
        }
        let bad = [
            "//evil.example/",
            "https://{id}.example.com/",
            "https://example.com{id}",
            "https://{host}.example.com/",
            "https://u@example.com/",
            "https:///x",
            "https://a:0/",
            "https://a:x/",
            "ftp://a/",
            "example.com",
            "https://a/ b",
            "https://a/\u{e9}",
            "",
        ];
        for text in bad {
            assert!(url(text, &route).is_err(), "{text}");
        }
    }

    #[test]
    fn a_query_that_is_written_stands_alone() {
        let keeps = |text| url(text, &PathMatch::Exact("/".into())).unwrap().1;
        assert!(keeps("https://a/b") && !keeps("https://a/b?c"));
    }
}
