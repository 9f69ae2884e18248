//! The grammar of `path` and `prefix`. Configured paths are canonical: no empty and no dot segments.

use crate::config::source::Complaint;
use crate::config::{PathMatch, Segment};

/// The longest, in bytes.
const MAX_LENGTH: usize = 1024;

/// `path`: literal segments, `{name}` for one, `{*name}` for the rest.
pub(super) fn path(text: &str) -> Result<PathMatch, Complaint> {
    canonical(text)?;
    if !text.contains(['{', '}']) {
        return Ok(PathMatch::Exact(text.into()));
    }
    let mut segments: Vec<Segment> = Vec::new();
    let mut start = 1;
    for part in text[1..].split('/') {
        let span = start..start + part.len();
        start = span.end + 1;
        if let Some(Segment::Rest(name)) = segments.last() {
            let message = format!("`{{*{name}}}` takes the rest: nothing can follow it");
            return Err(Complaint::new(message, "put it last").part(&span));
        }
        let segment = segment(part).map_err(|complaint| complaint.part(&span))?;
        if name_of(&segment).is_some() && segments.iter().any(|s| name_of(s) == name_of(&segment)) {
            let message = format!("`{part}` stands twice in this path");
            return Err(Complaint::new(message, "give each parameter its own name").part(&span));
        }
        segments.push(segment);
    }
    Ok(PathMatch::Pattern(segments))
}

/// `prefix`: whole segments; a slash at its end means nothing.
pub(super) fn prefix(text: &str) -> Result<PathMatch, Complaint> {
    canonical(text)?;
    if text.contains(['{', '}']) {
        let message = "a prefix has no parameters";
        return Err(Complaint::new(message, "write path = \"/…/{*rest}\" for a pattern"));
    }
    let trimmed = text.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(text);
    Ok(PathMatch::Prefix(trimmed.into()))
}

/// The names of a path's parameters.
pub(super) fn parameters(path: &PathMatch) -> Vec<&str> {
    match path {
        PathMatch::Pattern(segments) => segments.iter().filter_map(name_of).collect(),
        PathMatch::Exact(_) | PathMatch::Prefix(_) => Vec::new(),
    }
}

/// What a path matches, whatever its parameters are called.
pub(super) fn shape(path: &PathMatch) -> PathMatch {
    let PathMatch::Pattern(segments) = path else { return path.clone() };
    let nameless = segments.iter().map(|segment| match segment {
        Segment::Literal(text) => Segment::Literal(text.clone()),
        Segment::Param(_) => Segment::Param(String::new()),
        Segment::Rest(_) => Segment::Rest(String::new()),
    });
    PathMatch::Pattern(nameless.collect())
}

fn name_of(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Param(name) | Segment::Rest(name) => Some(name),
        Segment::Literal(_) => None,
    }
}

fn segment(part: &str) -> Result<Segment, Complaint> {
    if !part.contains(['{', '}']) {
        return Ok(Segment::Literal(part.into()));
    }
    let mend = "write {name} for one whole segment, {*name} for the rest";
    let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
    let inner = inner.filter(|inner| !inner.contains(['{', '}']));
    let inner =
        inner.ok_or_else(|| Complaint::new(format!("`{part}` is not one whole segment"), mend))?;
    let (rest, name) = match inner.strip_prefix('*') {
        Some(name) => (true, name),
        None => (false, inner),
    };
    let start = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    if !name.bytes().next().is_some_and(start)
        || !name.bytes().all(|b| start(b) || b.is_ascii_digit())
    {
        return Err(Complaint::new(format!("`{name}` is no name of a parameter"), mend));
    }
    Ok(if rest { Segment::Rest(name.into()) } else { Segment::Param(name.into()) })
}

/// A path as a client would send it.
pub(super) fn canonical(text: &str) -> Result<(), Complaint> {
    let wrong = |message: &str, mend: &str| Err(Complaint::new(message, mend));
    if !text.starts_with('/') {
        return wrong("a path starts with `/`", &format!("write \"/{text}\""));
    }
    if text.len() > MAX_LENGTH {
        return wrong("a path has at most 1024 bytes", "match a prefix instead");
    }
    if let Some(at) = text.find(['?', '#']) {
        let complaint = Complaint::new(
            "a path has no query and no fragment",
            "leave it out: routes match the path alone",
        );
        return Err(complaint.part(&(at..text.len())));
    }
    if text.contains("//") {
        return wrong("a path has no empty segments", "write one `/`");
    }
    if text.split('/').any(|part| part == "." || part == "..") {
        return wrong("a path has no `.` and no `..` segments", "write the path they lead to");
    }
    if let Some(at) = text.find(|c: char| !c.is_ascii_graphic()) {
        let complaint = Complaint::new(
            "a path has visible ASCII characters only",
            "write others percent-encoded, as %20",
        );
        return Err(complaint.part(&(at..text.len())));
    }
    percent(text)
}

/// Each `%` begins an escape (RFC 3986 section 2.1).
fn percent(text: &str) -> Result<(), Complaint> {
    let hex = |escape: &str| escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    match text.match_indices('%').find(|(at, _)| !hex(&text[at + 1..])) {
        None => Ok(()),
        Some((at, _)) => {
            let complaint = Complaint::new(
                "`%` begins an escape of two hex digits",
                "write %25 for a percent sign",
            );
            Err(complaint.part(&(at..at + 1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_prefixes() {
        use Segment::{Literal, Param, Rest};
        let pattern = |segments: &[Segment]| Ok(PathMatch::Pattern(segments.to_vec()));
        assert_eq!(path("/a/b"), Ok(PathMatch::Exact("/a/b".into())));
        assert_eq!(path("/a/"), Ok(PathMatch::Exact("/a/".into())));
        assert_eq!(path("/a/{id}"), pattern(&[Literal("a".into()), Param("id".into())]));
        assert_eq!(path("/{*rest}"), pattern(&[Rest("rest".into())]));
        assert_eq!(prefix("/"), Ok(PathMatch::Prefix("/".into())));
        assert_eq!(prefix("/v1/"), Ok(PathMatch::Prefix("/v1".into())));
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "", "a", "/a?b", "/a#b", "//", "/a//b", "/./a", "/a/..", "/a b", "/é", "/a%", "/a%2",
            "/a%zz", "/a{id}", "/{id}b", "/{}", "/{*}", "/{1}", "/{a-b}", "/{a}/{a}", "/{*r}/b",
            "/{*r}/", "/}{", "/{{a}}",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
        assert!(prefix("/{id}").is_err());
    }

    #[test]
    fn the_shape_forgets_names() {
        let shape_of = |text| shape(&path(text).unwrap());
        assert_eq!(shape_of("/{a}/x"), shape_of("/{b}/x"));
        assert_ne!(shape_of("/{a}/x"), shape_of("/{*b}"));
        assert_eq!(parameters(&path("/{a}/{*b}").unwrap()), ["a", "b"]);
    }
}
