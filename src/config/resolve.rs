//! From the mirrored file to the settings: defaults, grammars, references; whatever does not fit is noted and passed over.

mod address;
mod bind;
mod bounds;
mod dossiers;
mod edits;
mod failure;
mod filter;
mod form;
mod function;
mod host;
mod limits;
mod local;
mod matching;
mod mode;
mod name;
mod opening;
mod outputs;
mod path;
mod response;
mod route;
mod sandbox;
mod server;
mod target;
mod template;
mod tls;
mod upstream;

use std::ops::RangeInclusive;

use super::Config;
use super::raw::{Field, File, WORDS_LATER, closest, list};
use super::report::{Problem, Span};
use super::source::{Complaint, Source};

/// Puts the settings together; `None` after noting why not.
pub(super) fn resolve(file: &File, source: &mut Source<'_>) -> Option<Config> {
    let server = server::server(file, source);
    let admin = server::admin(file, source);
    let accounting = server::accounting(file);
    let log = server::log(file, source);
    let trace = server::trace(file);
    let dossiers = dossiers::dossiers(file, source);
    let mut upstreams = upstream::named(file, source);
    let sandboxes = sandbox::named(file, source);
    let mut functions = function::named(file, sandboxes, source);
    let routes = route::routes(file, &mut upstreams, &mut functions, source);
    Some(Config {
        path: source.path.to_owned(),
        server: server?,
        admin,
        upstreams: upstreams.into_list(),
        functions: functions.into_list(),
        routes,
        accounting,
        log,
        trace,
        dossiers,
    })
}

/// The value of a field that may be absent.
fn value<T>(field: Option<&Field<T>>) -> Option<&T> {
    field.and_then(|field| field.value.as_ref())
}

/// The value, or its default.
fn value_or<T: Clone>(field: Option<&Field<T>>, default: T) -> T {
    value(field).cloned().unwrap_or(default)
}

/// A key that must be there: its absence is noted, unless another key looks like a misspelt one.
fn require<T>(
    field: Option<&Field<T>>,
    key: &'static str,
    (section, meant): (&Span, &[&str]),
    mend: &str,
    source: &mut Source<'_>,
) {
    if field.is_none() && !meant.contains(&key) {
        source.wrong(Problem::at(section, format!("`{key}` is missing")).help(mend));
    }
}

/// Reads a string by a grammar; what is wrong with it is noted.
fn parsed<T>(
    field: Option<&Field<String>>,
    source: &mut Source<'_>,
    parse: impl FnOnce(&str) -> Result<T, Complaint>,
) -> Option<T> {
    let field = field?;
    let text = field.value.as_ref()?;
    match parse(text) {
        Ok(value) => Some(value),
        Err(complaint) => {
            source.complain(&field.span, text, complaint);
            None
        }
    }
}

/// A whole number within limits.
fn number(
    field: Option<&Field<i64>>,
    key: &str,
    limits: RangeInclusive<i64>,
    default: usize,
    source: &mut Source<'_>,
) -> usize {
    let Some(Field { value: Some(number), span }) = field else { return default };
    if limits.contains(number) {
        return usize::try_from(*number).unwrap_or(default);
    }
    let message = format!("`{key}` must be from {} to {}", limits.start(), limits.end());
    source.wrong(Problem::at(span, message).help(format!(
        "write {key} = {default}, the default, or another number within these limits"
    )));
    default
}

/// One of a few words.
fn word<T: Copy>(
    field: Option<&Field<String>>,
    key: &str,
    words: &[(&str, T)],
    default: T,
    source: &mut Source<'_>,
) -> T {
    parsed(field, source, |text| {
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, value)| *value).ok_or_else(|| unknown_word(text, key, words))
    })
    .unwrap_or(default)
}

fn unknown_word<T>(text: &str, key: &str, words: &[(&str, T)]) -> Complaint {
    if let Some(later) = WORDS_LATER.iter().find(|l| l.section == key && l.key == text) {
        return Complaint::new(format!("this version does not have {}", later.what), later.instead);
    }
    let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let mend = match closest(text, names.iter().copied()) {
        Some(close) => format!("did you mean \"{close}\"?"),
        None => format!("`{key}` is one of {}", list(&names)),
    };
    Complaint::new(format!("`{text}` is no {key}"), mend)
}
