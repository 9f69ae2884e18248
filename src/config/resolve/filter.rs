//! What a route does on the way to its handler and back, and that it fits what answers.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{edits, number, parsed, path, require, template, value, value_or, word};
use crate::config::raw::{self, Field};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::config::{Action, Filters, PathMatch, Priority, RateLimit, Rewrite};

/// The largest rate and the largest burst.
const MOST: i64 = 1_000_000;

/// All filters of a route; `None` after noting what is wrong.
pub(super) fn filters(
    raw: &raw::Route,
    path: &PathMatch,
    action: &Action,
    source: &mut Source<'_>,
) -> Option<Filters> {
    fits(raw, action, source);
    let rate_limit = match &raw.rate_limit {
        Some(field) => Some(rate_limit(field, source)?),
        None => None,
    };
    Some(Filters {
        rewrite: rewrite(raw, path, action, source)?,
        request: edits::request(raw.request_headers.as_ref(), source)?,
        response: edits::response(raw.response_headers.as_ref(), source)?,
        compress: value_or(raw.compress.as_ref(), false),
        rate_limit,
        priority: priority(raw, action, source),
    })
}

/// `priority`: of calls, since only they have a queue with levels.
fn priority(raw: &raw::Route, action: &Action, source: &mut Source<'_>) -> Priority {
    let words = [("high", Priority::High), ("normal", Priority::Normal), ("low", Priority::Low)];
    let priority = word(raw.priority.as_ref(), "priority", &words, Priority::Normal, source);
    if let (Some(field), true) = (
        &raw.priority,
        priority != Priority::Normal && !matches!(action, Action::Call(_) | Action::Detach(..)),
    ) {
        let problem = Problem::at(&field.span, "`priority` is for the queue of a function");
        source.wrong(problem.help("remove it: only `call` and `handler` have one"));
    }
    priority
}

/// What an answer would never look at is not written.
fn fits(raw: &raw::Route, action: &Action, source: &mut Source<'_>) {
    let what = match action {
        Action::Respond(_) => "a fixed answer",
        Action::Redirect(_) => "a redirect",
        Action::Call(_) | Action::Detach(..) | Action::Proxy(_) | Action::Files(_) => return,
    };
    let is_true = |field: &Option<Field<bool>>| value(field.as_ref()) == Some(&true);
    let stripped = raw.strip_prefix.as_ref().filter(|_| is_true(&raw.strip_prefix));
    let compressed = raw.compress.as_ref().filter(|_| is_true(&raw.compress));
    let is_redirect = matches!(action, Action::Redirect(_));
    let unseen = [
        ("strip_prefix", stripped.map(|field| &field.span)),
        ("rewrite", raw.rewrite.as_ref().map(|field| &field.span)),
        ("request_headers", raw.request_headers.as_ref().map(|field| &field.span)),
        ("compress", compressed.filter(|_| is_redirect).map(|field| &field.span)),
    ];
    for (key, span) in unseen.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        let problem = Problem::at(span, format!("`{key}` has no effect on {what}"));
        source.wrong(problem.help("remove it"));
    }
}

/// `strip_prefix` and `rewrite`: one path for the handler. A folder of files stands for the prefix as it is.
fn rewrite(
    raw: &raw::Route,
    path: &PathMatch,
    action: &Action,
    source: &mut Source<'_>,
) -> Option<Option<Rewrite>> {
    let stripped = raw.strip_prefix.as_ref().filter(|field| field.value == Some(true));
    if let (Some(field), Some(stripped)) = (&raw.rewrite, stripped) {
        let problem = Problem::at(&field.span, "`rewrite` replaces the prefix already");
        let problem = problem.also(&stripped.span, "this takes it off");
        source.wrong(problem.help("remove one; rewrite = \"/\" takes a prefix off too"));
        return None;
    }
    match (path, &raw.rewrite, stripped) {
        (PathMatch::Prefix(from), Some(field), _) => {
            let to = parsed(Some(field), source, new_prefix)?;
            Some(Some(Rewrite::Prefix { from: trimmed(from), to: trimmed(&to) }))
        }
        (path, Some(field), _) => {
            let pieces = parsed(Some(field), source, |text| template::path(text, path))?;
            Some(Some(Rewrite::Path(pieces)))
        }
        (_, None, Some(field)) if !is_long_prefix(path) => no_prefix(&field.span, source),
        (PathMatch::Prefix(from), None, _) if stripped.is_some() || is_files(action) => {
            let rewrite = Rewrite::Prefix { from: trimmed(from), to: String::new() };
            Some(is_long_prefix(path).then_some(rewrite))
        }
        _ => Some(None),
    }
}

fn is_files(action: &Action) -> bool {
    matches!(action, Action::Files(_))
}

/// A prefix that there is something to take of.
fn is_long_prefix(path: &PathMatch) -> bool {
    matches!(path, PathMatch::Prefix(prefix) if prefix != "/")
}

fn no_prefix(span: &Span, source: &mut Source<'_>) -> Option<Option<Rewrite>> {
    let problem = Problem::at(span, "this route has no prefix to take off");
    source.wrong(problem.help("write prefix = \"/v1\", or rewrite = \"/…\" beside a `path`"));
    None
}

fn trimmed(prefix: &str) -> String {
    prefix.trim_end_matches('/').to_owned()
}

/// What stands in for a prefix.
fn new_prefix(text: &str) -> Result<String, Complaint> {
    path::canonical(text)?;
    match template::brace(text) {
        Some(place) => {
            let mend = "write path = \"/…/{*rest}\" for a pattern, and rewrite = \"/…/{rest}\"";
            Err(Complaint::new("a prefix has no {name} to use here", mend).part(&place))
        }
        None => Ok(text.to_owned()),
    }
}

/// `rate_limit = { … }`.
fn rate_limit(field: &Field<raw::RateLimit>, source: &mut Source<'_>) -> Option<RateLimit> {
    let raw = field.value.as_ref()?;
    let section = (&field.span, raw.meant.as_slice());
    require(raw.rate.as_ref(), "rate", section, "write rate = \"100/s\"", source);
    word(raw.by.as_ref(), "by", &[("client", ())], (), source);
    let (count, period) = parsed(raw.rate.as_ref(), source, rate)?;
    let default = usize::try_from(count.get()).unwrap_or(usize::MAX);
    let burst = number(raw.burst.as_ref(), "burst", 1..=MOST, default, source);
    let burst = u32::try_from(burst).ok().and_then(NonZeroU32::new)?;
    Some(RateLimit { count, period, burst })
}

/// `100/s`.
fn rate(text: &str) -> Result<(NonZeroU32, Duration), Complaint> {
    let wrong = || {
        let mend = "write a number from 1 to 1000000 for each s, m or h: \"100/s\"";
        Complaint::new(format!("`{text}` is no rate"), mend)
    };
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let is_number = !count.starts_with('+');
    let count = count.parse::<i64>().ok().filter(|count| *count <= MOST && is_number);
    let count = count.and_then(|count| u32::try_from(count).ok()).and_then(NonZeroU32::new);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    Ok((count.ok_or_else(wrong)?, Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, count, seconds) in
            [("100/s", 100, 1), ("1/m", 1, 60), ("1000000/h", 1_000_000, 3600)]
        {
            let (found, period) = rate(text).unwrap();
            assert_eq!((found.get(), period.as_secs()), (count, seconds), "{text}");
        }
        for text in
            ["", "100", "100/", "/s", "0/s", "-1/s", "+1/s", "1.5/s", "1000001/s", "1/d", "1 /s"]
        {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
