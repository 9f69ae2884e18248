//! `url` and `urls`: where the places of one upstream listen, all spoken to alike.

use crate::config::Origin;
use crate::config::raw::{self, Field};
use crate::config::report::{Problem, Span};
use crate::config::source::Source;

use super::super::address::{self, Scheme};
use super::super::require;

/// Where an upstream listens, and what its messages call that place of the file.
pub(super) struct Places {
    pub(super) origins: Vec<Origin>,
    pub(super) scheme: Scheme,
    pub(super) at: Span,
}

/// Of a URL that stands for an upstream.
pub(super) fn one(field: &Field<String>, source: &mut Source<'_>) -> Option<Places> {
    let url = address::upstream(Some(field), source)?;
    Some(Places { origins: vec![url.origin], scheme: url.scheme, at: field.span.clone() })
}

/// Exactly one of `url` and `urls`.
pub(super) fn of(raw: &raw::Upstream, section: &Span, source: &mut Source<'_>) -> Option<Places> {
    match (&raw.url, &raw.urls) {
        (Some(url), Some(urls)) => {
            let problem = Problem::at(&urls.span, "an upstream has `url` or `urls`, not both");
            source.wrong(problem.also(&url.span, "`url`").help("write all of them in `urls`"));
            None
        }
        (Some(url), None) => one(url, source),
        (None, Some(urls)) => several(urls, source),
        (None, None) => {
            let mend = "write where the app listens: url = \"http://127.0.0.1:5000\"";
            let is_meant = raw.meant.contains(&"urls");
            let missing = (section, raw.meant.as_slice());
            if !is_meant {
                require(raw.url.as_ref(), "url", missing, mend, source);
            }
            None
        }
    }
}

fn several(urls: &Field<Vec<Field<String>>>, source: &mut Source<'_>) -> Option<Places> {
    let list = urls.value.as_ref()?;
    if list.is_empty() {
        let problem = Problem::at(&urls.span, "`urls` names no place");
        source.wrong(problem.help("write at least one: urls = [\"http://127.0.0.1:5000\"]"));
    }
    let mut found: Option<Places> = None;
    let mut is_whole = true;
    for field in list {
        match (one(field, source), &mut found) {
            (None, _) => is_whole = false,
            (Some(first), None) => found = Some(first),
            (Some(next), Some(places)) => is_whole &= join(places, next, source),
        }
    }
    found.filter(|_| is_whole)
}

/// Adds a place; `false` after noting why it does not fit.
fn join(places: &mut Places, next: Places, source: &mut Source<'_>) -> bool {
    let (message, mend) = if next.scheme != places.scheme {
        ("the places of one upstream have one scheme", "write another upstream for the others")
    } else if next.origins.iter().any(|origin| places.origins.contains(origin)) {
        ("this place is named already", "name each place once")
    } else {
        places.origins.extend(next.origins);
        return true;
    };
    source.wrong(Problem::at(&next.at, message).also(&places.at, "the first").help(mend));
    false
}
