//! `[[routes]]` and the top-level `upstream`: names, matches, actions, and that no two routes match alike.

use std::sync::Arc;

use http::StatusCode;

use super::function::{Functions, Reference};
use super::matching::{DEFAULT_TIMEOUT, match_of, same_match};
use super::upstream::{TOP, Upstreams};
use super::{filter, local, name, parsed, path, value};
use crate::config::function::{Entry, Mode, Source as From};
use crate::config::raw::{self, Field, File};
use crate::config::report::{Problem, Span};
use crate::config::source::Source;
use crate::config::{Action, Filters, HostMatch, PathMatch, Route};

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
            let filters = filter::filters(raw, matching.path(), &action, source);
            let Some(filters) = filters else { continue };
            let route = matching.route(action, filters, source.line_of(&field.span));
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
        scheme: None,
        action,
        filters: Filters::default(),
        timeout: Some(DEFAULT_TIMEOUT),
    }
}

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

/// Exactly one of `call`, `handler`, `proxy`, `respond`, `redirect`, `files`.
fn action(
    raw: &raw::Route,
    section: &Span,
    name: &str,
    (upstreams, functions): (&mut Upstreams, &mut Functions),
    source: &mut Source<'_>,
) -> Option<Action> {
    let called = match (&raw.call, &raw.handler) {
        (Some(call), None) => Some((call, Reference::Call)),
        (None, Some(handler)) => Some((handler, Reference::Handler)),
        _ => None,
    };
    let is_detached = called.is_some_and(|(field, _)| functions.is_detached(field));
    one_action(raw, section, is_detached, source)?;
    if let Some(field) = &raw.proxy {
        return upstreams.find(field, name, source).map(Action::Proxy);
    }
    let Some((field, reference)) = called else { return local::action(raw, source) };
    let function = functions.find(field, reference, name, source)?;
    match (function.mode, &raw.respond) {
        (Mode::Detached, Some(answer)) => {
            let answer = local::respond(answer.value.as_ref()?, StatusCode::ACCEPTED, source)?;
            Some(Action::Detach(function, Some(Arc::new(answer))))
        }
        (Mode::Detached, None) => Some(Action::Detach(function, None)),
        (_, _) => Some(Action::Call(function)),
    }
}

/// A detached function may have its route's own answer beside it.
fn one_action(
    raw: &raw::Route,
    section: &Span,
    is_detached: bool,
    source: &mut Source<'_>,
) -> Option<()> {
    let respond = raw.respond.as_ref().filter(|_| !is_detached);
    let actions = [
        ("call", raw.call.as_ref().map(|f| &f.span)),
        ("handler", raw.handler.as_ref().map(|f| &f.span)),
        ("proxy", raw.proxy.as_ref().map(|f| &f.span)),
        ("respond", respond.map(|f| &f.span)),
        ("redirect", raw.redirect.as_ref().map(|f| &f.span)),
        ("files", raw.files.as_ref().map(|f| &f.span)),
    ];
    let written: Vec<_> =
        actions.iter().filter_map(|(key, span)| span.map(|s| (*key, s))).collect();
    match written.as_slice() {
        [_] => Some(()),
        [] => {
            if !raw.meant.iter().any(|key| actions.iter().any(|(action, _)| action == key)) {
                let problem = Problem::at(section, "nothing answers this route");
                source.wrong(problem.help(
"write one of: call = \"FUNCTION\", handler = \"FUNCTION\", proxy = \"UPSTREAM\", \
                     respond = { body = \"…\" }, redirect = { to = \"…\" }, files = { root = \"…\" }"));
            }
            None
        }
        [(first, at), (second, again), ..] => {
            let message = format!("a route has `{first}` or `{second}`, not both");
            let problem = Problem::at(again, message).also(at, format!("`{first}`"));
            source.wrong(problem.help(match (*first, *second) {
                ("call" | "handler", "respond") => {
                    "remove one; both go together where the function has mode = \"detached\""
                }
                _ => "remove one, or write a route for each",
            }));
            None
        }
    }
}

/// A path argument of the function must be a parameter of the route's path.
fn path_arguments(route: &Route, raw: &raw::Route, source: &mut Source<'_>) {
    let Some(function) = route.action.function() else { return };
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
