//! `[[routes]]` and the top-level `upstream`: names, matches, actions, and that no two routes match alike.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::function::{Functions, Reference};
use super::upstream::{TOP, Upstreams};
use super::{form, host, name, parsed, path, response, value, value_or};
use crate::config::function::{Entry, Source as From};
use crate::config::raw::{self, Field, File, Off};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::config::{Action, HostMatch, PathMatch, Respond, Route};

/// A route as found, and where.
struct Found {
    route: Route,
    at: Span,
}

/// All routes, in file order.
pub(super) fn routes(
    file: &File,
    upstreams: &mut Upstreams,
    functions: &mut Functions,
    source: &mut Source<'_>,
) -> Vec<Route> {
    let written = value(file.routes.as_ref()).map(Vec::as_slice).unwrap_or_default();
    let names = names(file, written, source);
    let mut found: Vec<Found> = Vec::new();
    if let Some(field) = &file.upstream
        && let Some(upstream) = upstreams.find(field, TOP, source)
    {
        let route = everything(Action::Proxy(upstream), source.line_of(&field.span));
        found.push(Found { route, at: field.span.clone() });
    }
    for (field, name) in written.iter().zip(names) {
        let Some(raw) = &field.value else { continue };
        let action = action(raw, &field.span, &name, (upstreams, functions), source);
        let route = match_of(raw, &field.span, name, source).zip(action);
        if let Some((matching, action)) = route {
            let route = matching.route(action, source.line_of(&field.span));
            path_arguments(&route, raw, source);
            found.push(Found { route, at: field.span.clone() });
        }
    }
    distinct(&found, source);
    found.into_iter().map(|found| found.route).collect()
}

/// The route that `upstream` at the top stands for.
fn everything(action: Action, defined_at: String) -> Route {
    Route {
        name: TOP.into(),
        defined_at,
        host: HostMatch::Any,
        path: PathMatch::Prefix("/".into()),
        methods: Vec::new(),
        headers: Vec::new(),
        action,
        timeout: Some(DEFAULT_TIMEOUT),
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// One name for each route: the written ones, which must differ, and made ones that give way to all others.
fn names(file: &File, routes: &[Field<raw::Route>], source: &mut Source<'_>) -> Vec<String> {
    let mut taken: Vec<(String, Span)> = Vec::new();
    taken.extend(file.upstream.as_ref().map(|field| (TOP.to_owned(), field.span.clone())));
    let explicit: Vec<_> = routes.iter().map(|route| explicit(route, &mut taken, source)).collect();
    let mut names = Vec::new();
    for (route, explicit) in routes.iter().zip(explicit) {
        let name = explicit.unwrap_or_else(|| made(route, &taken));
        taken.push((name.clone(), route.span.clone()));
        names.push(name);
    }
    names
}

fn explicit(
    route: &Field<raw::Route>,
    taken: &mut Vec<(String, Span)>,
    source: &mut Source<'_>,
) -> Option<String> {
    let field = route.value.as_ref()?.name.as_ref()?;
    let name = parsed(Some(field), source, name::label)?;
    match taken.iter().find(|(other, _)| *other == name) {
        Some((_, first)) => {
            let problem = Problem::at(&field.span, format!("two routes are named `{name}`"));
            let problem = problem.label("here again").also(first, "the first");
            source.wrong(problem.help("give each its own name: it is the metric label"));
        }
        None => taken.push((name.clone(), field.span.clone())),
    }
    Some(name)
}

/// From the path; `-2`, `-3` where that is taken.
fn made(route: &Field<raw::Route>, taken: &[(String, Span)]) -> String {
    let path =
        route.value.as_ref().and_then(|raw| value(raw.path.as_ref().or(raw.prefix.as_ref())));
    let base = match name::derive(path.map(String::as_str).unwrap_or_default()) {
        empty if empty.is_empty() => "root".to_owned(),
        base => base,
    };
    let is_free = |name: &String| !taken.iter().any(|(other, _)| other == name);
    let numbered = (2..).map(|number: usize| format!("{base}-{number}"));
    std::iter::once(base.clone()).chain(numbered).find(is_free).unwrap_or(base)
}

/// A route without its action.
struct Match {
    name: String,
    host: HostMatch,
    path: PathMatch,
    methods: Vec<Method>,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Option<Duration>,
}

impl Match {
    fn route(self, action: Action, defined_at: String) -> Route {
        let Match { name, host, path, methods, headers, timeout } = self;
        Route { name, defined_at, host, path, methods, headers, action, timeout }
    }
}

fn match_of(
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
    let path = path_of(raw, section, source);
    let timeout = value_or(raw.timeout.as_ref(), Off::On(DEFAULT_TIMEOUT)).on();
    Some(Match { name, host: host?, path: path?, methods: methods?, headers: headers?, timeout })
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

fn header_value(text: &str) -> Result<HeaderValue, Complaint> {
    let value = HeaderValue::from_str(text).ok().filter(|_| text.trim() == text && text.is_ascii());
    let mend = "write visible ASCII, without blanks around it";
    value.ok_or_else(|| Complaint::new("this is no header value", mend))
}

/// Exactly one of `call`, `handler`, `proxy`, `respond`.
fn action(
    raw: &raw::Route,
    section: &Span,
    name: &str,
    (upstreams, functions): (&mut Upstreams, &mut Functions),
    source: &mut Source<'_>,
) -> Option<Action> {
    one_action(raw, section, source)?;
    if let Some(field) = &raw.proxy {
        return upstreams.find(field, name, source).map(Action::Proxy);
    }
    if let Some(field) = &raw.respond {
        return respond(field.value.as_ref()?, source).map(|r| Action::Respond(Arc::new(r)));
    }
    let (field, reference) = match (&raw.call, &raw.handler) {
        (Some(call), _) => (call, Reference::Call),
        (None, handler) => (handler.as_ref()?, Reference::Handler),
    };
    functions.find(field, reference, name, source).map(Action::Call)
}

fn one_action(raw: &raw::Route, section: &Span, source: &mut Source<'_>) -> Option<()> {
    let actions = [
        ("call", raw.call.as_ref().map(|f| &f.span)),
        ("handler", raw.handler.as_ref().map(|f| &f.span)),
        ("proxy", raw.proxy.as_ref().map(|f| &f.span)),
        ("respond", raw.respond.as_ref().map(|f| &f.span)),
    ];
    let written: Vec<_> =
        actions.iter().filter_map(|(key, span)| span.map(|s| (*key, s))).collect();
    match written.as_slice() {
        [_] => Some(()),
        [] => {
            if !raw.meant.iter().any(|key| actions.iter().any(|(action, _)| action == key)) {
                let problem = Problem::at(section, "nothing answers this route");
                source.wrong(problem.help("write one of: call = \"FUNCTION\", handler = \"FUNCTION\", proxy = \"TOP\", respond = { body = \"…\" }"));
            }
            None
        }
        [(first, at), (second, again), ..] => {
            let message = format!("a route has `{first}` or `{second}`, not both");
            let problem = Problem::at(again, message).also(at, format!("`{first}`"));
            source.wrong(problem.help("remove one, or write a route for each"));
            None
        }
    }
}

fn respond(raw: &raw::Respond, source: &mut Source<'_>) -> Option<Respond> {
    let status = response::status(raw.status.as_ref(), 200..=599, source).unwrap_or(StatusCode::OK);
    let body = value_or(raw.body.as_ref(), String::new());
    if let (Some(field), true, false) = (&raw.body, response::is_bodiless(status), body.is_empty())
    {
        let message = format!("an answer with status {} has no body", status.as_u16());
        source.wrong(
            Problem::at(&field.span, message).help("remove `body`, or choose another status"),
        );
    }
    let default = HeaderValue::from_static("text/plain; charset=utf-8");
    let content_type = match &raw.content_type {
        Some(field) => parsed(Some(field), source, response::content_type)?,
        None => default,
    };
    Some(Respond { status, body, content_type })
}

/// A path argument of the function must be a parameter of the route's path.
fn path_arguments(route: &Route, raw: &raw::Route, source: &mut Source<'_>) {
    let Action::Call(function) = &route.action else { return };
    let Entry::Function(bound) = &function.entry else { return };
    let Some(place) = raw.path.as_ref().or(raw.prefix.as_ref()) else { return };
    let known = path::parameters(&route.path);
    for input in &bound.inputs {
        let From::Path(name) = &input.source else { continue };
        if !known.contains(&name.as_str()) {
            let message = format!(
                "route `{}` has no `{{{name}}}` in its path, from which function `{}` takes `{}`",
                route.name, function.name, input.parameter
            );
            let mend = format!(
                "write {{{name}}} for a segment of the path, or take `{}` from elsewhere",
                input.parameter
            );
            source.wrong(Problem::at(&place.span, message).help(mend));
        }
    }
}

/// No two routes match the same requests by the same means.
fn distinct(found: &[Found], source: &mut Source<'_>) {
    for (index, later) in found.iter().enumerate() {
        let earlier =
            found[..index].iter().find(|earlier| same_match(&earlier.route, &later.route));
        if let Some(earlier) = earlier {
            let (first, second) = (&earlier.route.name, &later.route.name);
            let message = format!("the routes `{first}` and `{second}` match the same requests");
            let problem =
                Problem::at(&later.at, message).label("this one").also(&earlier.at, "the first");
            source.wrong(
                problem.help("remove one, or tell them apart by host, path, methods or headers"),
            );
        }
    }
}

fn same_match(one: &Route, other: &Route) -> bool {
    fn all_in<T: PartialEq>(one: &[T], other: &[T]) -> bool {
        one.len() == other.len() && one.iter().all(|item| other.contains(item))
    }
    one.host == other.host
        && path::shape(&one.path) == path::shape(&other.path)
        && all_in(&one.methods, &other.methods)
        && all_in(&one.headers, &other.headers)
}
