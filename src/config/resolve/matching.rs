//! What a route matches: host, path or prefix, methods, headers.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::{form, host, parsed, path, value_or, word};
use crate::config::raw::{self, Off};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::config::{Action, Filters, HostMatch, PathMatch, Route, Scheme};

/// Of a route that says none.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

const SCHEMES: [(&str, Option<Scheme>); 2] =
    [("http", Some(Scheme::Http)), ("https", Some(Scheme::Https))];

/// A route without its action.
pub(super) struct Match {
    name: String,
    host: HostMatch,
    path: PathMatch,
    methods: Vec<Method>,
    headers: Vec<(HeaderName, HeaderValue)>,
    scheme: Option<Scheme>,
    timeout: Option<Duration>,
}

impl Match {
    pub(super) fn path(&self) -> &PathMatch {
        &self.path
    }

    pub(super) fn route(self, action: Action, filters: Filters, defined_at: String) -> Route {
        let Match { name, host, path, methods, headers, scheme, timeout } = self;
        Route { name, defined_at, host, path, scheme, methods, headers, action, filters, timeout }
    }
}

pub(super) fn match_of(
    raw: &raw::Route,
    section: &Span,
    name: String,
    source: &mut Source<'_>,
) -> Option<Match> {
    let host = match &raw.host {
        Some(field) => parsed(Some(field), source, host::host),
        None => Some(HostMatch::Any),
    };
    let methods = methods(raw, source);
    let headers = headers(raw, source);
    let scheme = word(raw.scheme.as_ref(), "scheme", &SCHEMES, None, source);
    let path = path_of(raw, section, source);
    let timeout = value_or(raw.timeout.as_ref(), Off::On(DEFAULT_TIMEOUT)).on();
    let (host, path, methods, headers) = (host?, path?, methods?, headers?);
    Some(Match { name, host, path, methods, headers, scheme, timeout })
}

/// Exactly one of `path` and `prefix`.
fn path_of(raw: &raw::Route, section: &Span, source: &mut Source<'_>) -> Option<PathMatch> {
    match (&raw.path, &raw.prefix) {
        (Some(first), Some(second)) => {
            let problem = Problem::at(&second.span, "a route has a `path` or a `prefix`, not both");
            source.wrong(problem.also(&first.span, "the path").help("remove one of them"));
            None
        }
        (Some(field), None) => parsed(Some(field), source, path::path),
        (None, Some(field)) => parsed(Some(field), source, path::prefix),
        (None, None) => {
            if !raw.meant.contains(&"path") && !raw.meant.contains(&"prefix") {
                let problem = Problem::at(section, "this route has no `path` and no `prefix`");
                source
                    .wrong(problem.help("write path = \"/slow\", or prefix = \"/\" for all paths"));
            }
            None
        }
    }
}

fn methods(raw: &raw::Route, source: &mut Source<'_>) -> Option<Vec<Method>> {
    let Some(field) = &raw.methods else { return Some(Vec::new()) };
    let list = field.value.as_ref()?;
    if list.is_empty() {
        let problem = Problem::at(&field.span, "an empty list of methods matches nothing");
        source.wrong(problem.help("remove it to match any method"));
        return None;
    }
    let mut methods: Vec<Method> = Vec::new();
    for field in list {
        let method = parsed(Some(field), source, |text| method(text, &methods))?;
        methods.push(method);
    }
    Some(methods)
}

fn method(text: &str, known: &[Method]) -> Result<Method, Complaint> {
    let upper = text.to_ascii_uppercase();
    if upper != text {
        let message = "methods are written in capitals";
        return Err(Complaint::new(message, format!("write \"{upper}\"")));
    }
    let method = Method::from_bytes(text.as_bytes());
    let mend = "write methods = [\"GET\", \"POST\"]";
    let method = method.map_err(|_| Complaint::new(format!("`{text}` is no method"), mend))?;
    match known.contains(&method) {
        true => Err(Complaint::new(format!("`{text}` stands twice in this list"), "write it once")),
        false => Ok(method),
    }
}

fn headers(raw: &raw::Route, source: &mut Source<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let Some(field) = &raw.headers else { return Some(Vec::new()) };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (key, field) in &field.value.as_ref()?.0 {
        let name = parsed(Some(key), source, |text| header_name(text, &headers));
        let value = parsed(Some(field), source, header_value);
        headers.push((name?, value?));
    }
    Some(headers)
}

fn header_name(text: &str, known: &[(HeaderName, HeaderValue)]) -> Result<HeaderName, Complaint> {
    let name = form::header(text)?;
    if name == http::header::HOST {
        return Err(Complaint::new(
            "the host has a key of its own",
            "write host = \"api.example.com\"",
        ));
    }
    match known.iter().any(|(other, _)| *other == name) {
        true => Err(Complaint::new(format!("the header `{name}` stands twice"), "write it once")),
        false => Ok(name),
    }
}

pub(super) fn header_value(text: &str) -> Result<HeaderValue, Complaint> {
    let value = HeaderValue::from_str(text).ok().filter(|_| text.trim() == text && text.is_ascii());
    let mend = "write visible ASCII, without blanks around it";
    value.ok_or_else(|| Complaint::new("this is no header value", mend))
}

/// Whether two routes match the same requests by the same means; what parameters are called is no difference.
pub(super) fn same_match(one: &Route, other: &Route) -> bool {
    fn all_in<T: PartialEq>(one: &[T], other: &[T]) -> bool {
        one.len() == other.len() && one.iter().all(|item| other.contains(item))
    }
    one.host == other.host
        && one.scheme == other.scheme
        && path::shape(&one.path) == path::shape(&other.path)
        && all_in(&one.methods, &other.methods)
        && all_in(&one.headers, &other.headers)
}
