//! Answers that need no app and no call: fixed ones, redirects, files.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::{matching, parsed, path, require, response, template, value_or};
use crate::config::raw::{self, Field, Off};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::config::{Action, Files, PathMatch, Redirect, Respond};

/// The statuses that send a client elsewhere (RFC 9110 section 15.4).
const REDIRECTS: [i64; 5] = [301, 302, 303, 307, 308];

/// `respond`, `redirect` or `files`; `None`: none of them, or it is wrong.
pub(super) fn action(raw: &raw::Route, source: &mut Source<'_>) -> Option<Action> {
    if let Some(field) = &raw.respond {
        let answer = respond(field.value.as_ref()?, StatusCode::OK, source);
        return answer.map(|it| Action::Respond(Arc::new(it)));
    }
    if let Some(field) = &raw.redirect {
        return redirect(field, raw, source).map(|it| Action::Redirect(Arc::new(it)));
    }
    files(raw.files.as_ref()?, source).map(|it| Action::Files(Arc::new(it)))
}

/// A fixed answer, with the status `default` where none is written.
pub(super) fn respond(
    raw: &raw::Respond,
    default: StatusCode,
    source: &mut Source<'_>,
) -> Option<Respond> {
    let status = response::status(raw.status.as_ref(), 200..=599, source).unwrap_or(default);
    let body = value_or(raw.body.as_ref(), String::new());
    if let (Some(field), true, false) = (&raw.body, response::is_bodiless(status), body.is_empty())
    {
        source.wrong(response::no_body(&field.span, status));
    }
    let default = HeaderValue::from_static("text/plain; charset=utf-8");
    let content_type = match &raw.content_type {
        Some(field) => parsed(Some(field), source, response::content_type)?,
        None => default,
    };
    Some(Respond { status, body, content_type })
}

fn redirect(
    field: &Field<raw::Redirect>,
    route: &raw::Route,
    source: &mut Source<'_>,
) -> Option<Redirect> {
    let raw = field.value.as_ref()?;
    let section = (&field.span, raw.meant.as_slice());
    require(raw.to.as_ref(), "to", section, "write to = \"https://{host}{path}\"", source);
    // What is wrong with the path is told where the route's match is read.
    let path = route.path.as_ref().and_then(|field| path::path(field.value.as_ref()?).ok());
    let path = path.unwrap_or(PathMatch::Prefix("/".into()));
    let to = parsed(raw.to.as_ref(), source, |text| template::url(text, &path));
    let status = redirect_status(raw, source);
    let written = value_or(raw.to.as_ref(), String::new());
    let (to, keeps_query) = to?;
    Some(Redirect { written, to, keeps_query, status: status? })
}

fn redirect_status(raw: &raw::Redirect, source: &mut Source<'_>) -> Option<StatusCode> {
    let Some(field) = &raw.status else { return Some(StatusCode::PERMANENT_REDIRECT) };
    let status = field.value?;
    if REDIRECTS.contains(&status) {
        return u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    }
    let problem = Problem::at(&field.span, "this status sends nobody elsewhere");
    source.wrong(problem.help("write 301, 302, 303, 307 or 308; 307 and 308 keep the method"));
    None
}

fn files(field: &Field<raw::Files>, source: &mut Source<'_>) -> Option<Files> {
    let raw = field.value.as_ref()?;
    let section = (&field.span, raw.meant.as_slice());
    require(raw.root.as_ref(), "root", section, "name the folder: root = \"public\"", source);
    let index = match raw.index.as_ref().map(|field| field.value.as_ref()) {
        None => Some(Some("index.html".to_owned())),
        Some(None) => None,
        Some(Some(Off::Off)) => Some(None),
        Some(Some(Off::On(name))) => {
            let field = Field { value: Some(name.clone()), span: raw.index.as_ref()?.span.clone() };
            parsed(Some(&field), source, index).map(Some)
        }
    };
    let cache_control = match &raw.cache_control {
        Some(field) => parsed(Some(field), source, matching::header_value).map(Some),
        None => Some(None),
    };
    let root = parsed(raw.root.as_ref(), source, root);
    Some(Files {
        root: source.resolve_path(&root?),
        index: index?,
        cache_control: cache_control?,
        precompressed: value_or(raw.precompressed.as_ref(), false),
    })
}

fn root(text: &str) -> Result<String, Complaint> {
    let mend = "write root = \"public\", or \".\" for the file's own folder";
    match text {
        "" => Err(Complaint::new("a folder has a name", mend)),
        name => Ok(name.to_owned()),
    }
}

/// A file's name alone.
fn index(name: &str) -> Result<String, Complaint> {
    if !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']) {
        return Ok(name.to_owned());
    }
    let mend = "write index = \"index.html\", or \"off\"";
    Err(Complaint::new(format!("`{name}` is no name of a file"), mend))
}
