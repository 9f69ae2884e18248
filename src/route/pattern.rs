//! Paths against patterns, and which of two patterns is the more specific one.

use std::cmp::Ordering;

use crate::config::{PathMatch, Segment};

/// The `{name}`s of a path that matched, still percent-encoded.
pub type Captures<'a> = Vec<(&'a str, &'a str)>;

/// Matches `path`; `None`: it does not.
#[must_use]
pub fn matches<'a>(pattern: &'a PathMatch, path: &'a str) -> Option<Captures<'a>> {
    match pattern {
        PathMatch::Exact(exact) => (exact == path).then(Vec::new),
        PathMatch::Prefix(prefix) => is_under(prefix, path).then(Vec::new),
        PathMatch::Pattern(segments) => captures(segments, path),
    }
}

/// Element-wise: `/v1` holds `/v1` and `/v1/x`, not `/v10`.
fn is_under(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn captures<'a>(segments: &'a [Segment], path: &'a str) -> Option<Captures<'a>> {
    let mut found = Vec::new();
    let mut rest = Some(path.strip_prefix('/')?);
    for segment in segments {
        if let Segment::Rest(name) = segment {
            found.push((name.as_str(), rest.unwrap_or_default()));
            return Some(found);
        }
        let (element, after) = split(rest?);
        rest = after;
        match segment {
            Segment::Literal(literal) if literal == element => {}
            Segment::Param(name) if !element.is_empty() => found.push((name.as_str(), element)),
            _ => return None,
        }
    }
    rest.is_none().then_some(found)
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((element, rest)) => (element, Some(rest)),
        None => (path, None),
    }
}

/// Less: more specific, to be tried first. Exact before pattern (literal before parameter before rest, element by
/// element) before the longest prefix.
#[must_use]
pub fn by_precedence(a: &PathMatch, b: &PathMatch) -> Ordering {
    match (a, b) {
        (PathMatch::Pattern(a), PathMatch::Pattern(b)) => segments_by_precedence(a, b),
        (PathMatch::Prefix(a), PathMatch::Prefix(b)) => b.len().cmp(&a.len()),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(path: &PathMatch) -> u8 {
    match path {
        PathMatch::Exact(_) => 0,
        PathMatch::Pattern(_) => 1,
        PathMatch::Prefix(_) => 2,
    }
}

fn segments_by_precedence(a: &[Segment], b: &[Segment]) -> Ordering {
    let ranks = |segments: &[Segment]| segments.iter().map(segment_rank).collect::<Vec<_>>();
    let (a, b) = (ranks(a), ranks(b));
    let elements = a.iter().zip(&b).map(|(a, b)| a.cmp(b));
    elements.fold(Ordering::Equal, Ordering::then).then(b.len().cmp(&a.len()))
}

fn segment_rank(segment: &Segment) -> u8 {
    match segment {
        Segment::Literal(_) => 0,
        Segment::Param(_) => 1,
        Segment::Rest(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathMatch {
        let segment = |element: &str| match element.strip_prefix('{') {
            Some(name) => match name.strip_prefix('*') {
                Some(rest) => Segment::Rest(rest.trim_end_matches('}').into()),
                None => Segment::Param(name.trim_end_matches('}').into()),
            },
            None => Segment::Literal(element.into()),
        };
        PathMatch::Pattern(text[1..].split('/').map(segment).collect())
    }

    #[test]
    fn paths_and_patterns() {
        let rows: [(&str, &str, Option<Captures>); 12] = [
            ("/u/{id}", "/u/7", Some(vec![("id", "7")])),
            ("/u/{id}", "/u/", None),
            ("/u/{id}", "/u", None),
            ("/u/{id}", "/u/7/", None),
            ("/u/{id}", "/u/7/x", None),
            ("/u/{id}/x", "/u/7/x", Some(vec![("id", "7")])),
            ("/f/{*rest}", "/f/a/b", Some(vec![("rest", "a/b")])),
            ("/f/{*rest}", "/f/", Some(vec![("rest", "")])),
            ("/f/{*rest}", "/f", Some(vec![("rest", "")])),
            ("/f/{*rest}", "/g", None),
            ("/{a}/{b}", "/1/2", Some(vec![("a", "1"), ("b", "2")])),
            ("/{a}/{b}", "/1//", None),
        ];
        for (text, path, expected) in rows {
            assert_eq!(matches(&pattern(text), path), expected, "{text} {path}");
        }
    }

    #[test]
    fn prefixes_are_element_wise() {
        for (prefix, path, expected) in [
            ("/v1", "/v1", true),
            ("/v1", "/v1/x", true),
            ("/v1", "/v10", false),
            ("/v1/", "/v1", true),
            ("/", "/anything", true),
            ("/", "/", true),
        ] {
            let matched = matches(&PathMatch::Prefix(prefix.into()), path).is_some();
            assert_eq!(matched, expected, "{prefix} {path}");
        }
    }

    #[test]
    fn the_more_specific_comes_first() {
        let in_order = [
            PathMatch::Exact("/a".into()),
            pattern("/a/b/{x}"),
            pattern("/a/{x}/c"),
            pattern("/a/{x}"),
            pattern("/a/{*x}"),
            pattern("/{x}/b"),
            PathMatch::Prefix("/a/b".into()),
            PathMatch::Prefix("/".into()),
        ];
        for (place, a) in in_order.iter().enumerate() {
            for b in &in_order[place + 1..] {
                assert_eq!(by_precedence(a, b), Ordering::Less, "{a:?} {b:?}");
                assert_eq!(by_precedence(b, a), Ordering::Greater, "{a:?} {b:?}");
            }
        }
    }
}
