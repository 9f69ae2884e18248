//! All routes in the order in which they are tried: the Gateway API's precedence, whatever the order in the file.
//! A request that fails a route's method or headers falls through to the next best route.

use std::cmp::Ordering;

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, Method};

use crate::config::{HostMatch, PathMatch, Route, Scheme};
use crate::handler::target::without_port;
use crate::route::pattern::{self, Captures};

/// Routes of any kind: services in the server, names in `cofferdam routes`.
pub struct Table<T> {
    entries: Vec<(Rule, T)>,
}

/// What must hold of a request.
#[derive(Clone, Debug)]
pub struct Rule {
    scheme: Option<Scheme>,
    host: HostMatch,
    path: PathMatch,
    methods: Vec<Method>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The parts of a request that routes look at.
pub struct Target<'a> {
    /// How the client came.
    pub scheme: Scheme,
    /// As the client wrote it; a port is ignored.
    pub host: Option<&'a str>,
    /// Canonical, without the query.
    pub path: &'a str,
    /// The path with `%2F` read as a slash, where it has one: prefixes hold in either reading.
    pub unslashed: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// Why a route does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Mismatch {
    Scheme,
    Host,
    Path,
    Method,
    Headers,
}

impl<T> Table<T> {
    /// Of routes, each with what stands for it.
    #[must_use]
    pub fn new<'a>(routes: impl IntoIterator<Item = (&'a Route, T)>) -> Self {
        let rule = |(route, it): (&Route, T)| (Rule::of(route), it);
        let mut entries: Vec<_> = routes.into_iter().map(rule).collect();
        entries.sort_by(|(a, _), (b, _)| a.by_precedence(b));
        Self { entries }
    }

    /// The best match, and the path's parameters.
    #[must_use]
    pub fn find<'t: 'a, 'a>(&'t self, target: &Target<'a>) -> Option<(&'t T, Captures<'a>)> {
        self.entries.iter().find_map(|(rule, it)| Some((it, rule.matches(target).ok()?)))
    }

    /// All routes, the one that is tried first first.
    pub fn iter(&self) -> impl Iterator<Item = (&Rule, &T)> {
        self.entries.iter().map(|(rule, it)| (rule, it))
    }
}

impl Rule {
    fn of(route: &Route) -> Self {
        Self {
            scheme: route.scheme,
            host: route.host.clone(),
            path: route.path.clone(),
            methods: route.methods.clone(),
            headers: route.headers.clone(),
        }
    }

    /// The path's parameters.
    ///
    /// # Errors
    /// The first part that does not match.
    pub fn matches<'a>(&'a self, target: &Target<'a>) -> Result<Captures<'a>, Mismatch> {
        if self.scheme.is_some_and(|scheme| scheme != target.scheme) {
            return Err(Mismatch::Scheme);
        }
        if !host_matches(&self.host, target.host) {
            return Err(Mismatch::Host);
        }
        let captures = pattern::matches(&self.path, target.path);
        let captures = captures.or_else(|| self.holds(target.unslashed?)).ok_or(Mismatch::Path)?;
        if !self.methods.is_empty() && !self.methods.contains(target.method) {
            return Err(Mismatch::Method);
        }
        let has = |(name, value): &(HeaderName, HeaderValue)| {
            target.headers.get_all(name).iter().any(|found| found == value)
        };
        if self.headers.iter().all(has) { Ok(captures) } else { Err(Mismatch::Headers) }
    }

    /// A prefix that stands for a protected part holds in the other reading of the path too.
    fn holds<'a>(&'a self, unslashed: &'a str) -> Option<Captures<'a>> {
        match &self.path {
            PathMatch::Prefix(_) => pattern::matches(&self.path, unslashed),
            PathMatch::Exact(_) | PathMatch::Pattern(_) => None,
        }
    }

    /// Less: tried first.
    fn by_precedence(&self, other: &Self) -> Ordering {
        other
            .scheme
            .is_some()
            .cmp(&self.scheme.is_some())
            .then_with(|| host_rank(&self.host).cmp(&host_rank(&other.host)))
            .then_with(|| pattern::by_precedence(&self.path, &other.path))
            .then_with(|| self.methods.is_empty().cmp(&other.methods.is_empty()))
            .then_with(|| other.headers.len().cmp(&self.headers.len()))
    }
}

/// Exact before the longest wildcard before any.
fn host_rank(host: &HostMatch) -> (u8, usize) {
    match host {
        HostMatch::Exact(_) => (0, 0),
        HostMatch::Suffix(suffix) => (1, usize::MAX - suffix.len()),
        HostMatch::Any => (2, 0),
    }
}

fn host_matches(wanted: &HostMatch, host: Option<&str>) -> bool {
    let name = host.map(without_port);
    match (wanted, name) {
        (HostMatch::Any, _) => true,
        (_, None) => false,
        (HostMatch::Exact(exact), Some(name)) => name.eq_ignore_ascii_case(exact),
        (HostMatch::Suffix(suffix), Some(name)) => {
            let start = name.len().checked_sub(suffix.len());
            start.is_some_and(|start| {
                start > 0
                    && name.is_char_boundary(start)
                    && name[start..].eq_ignore_ascii_case(suffix)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let exact = HostMatch::Exact("api.example.com".into());
        let suffix = HostMatch::Suffix(".example.com".into());
        let rows = [
            (&exact, Some("api.example.com"), true),
            (&exact, Some("API.Example.com:8080"), true),
            (&exact, Some("x.api.example.com"), false),
            (&exact, None, false),
            (&suffix, Some("a.example.com"), true),
            (&suffix, Some("a.b.example.com:1"), true),
            (&suffix, Some("example.com"), false),
            (&suffix, Some(".example.com"), false),
            (&HostMatch::Any, None, true),
        ];
        for (wanted, host, expected) in rows {
            assert_eq!(host_matches(wanted, host), expected, "{wanted:?} {host:?}");
        }
    }
}
