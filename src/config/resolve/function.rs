//! `[functions.NAME]` over `[defaults]`, and the short form `LIBRARY:SYMBOL`.

use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;

use super::limits::limits;
use super::sandbox::Sandboxes;
use super::{bind, name, parsed, require, value, value_or, word};
use crate::config::function::{Bound, Entry, Failing, Function, Mode, Response, ResponseBody};
use crate::config::raw::{self, Field, File, Named, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::callee::Callee;
use crate::ffi::signature::{Return, Signature};
use crate::ffi::value::Scalar;

/// All functions, so far. One whose value is `None` was wrong, which has been said.
pub(super) struct Functions {
    named: Vec<(String, Option<Arc<Function>>)>,
    short: Vec<Arc<Function>>,
    defaults: raw::Function,
    sandboxes: Sandboxes,
}

/// What `call` or `handler` of a route names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Call,
    Handler,
}

/// Reads `[defaults]` and `[functions.NAME]`.
pub(super) fn named(file: &File, sandboxes: Sandboxes, source: &mut Source<'_>) -> Functions {
    let defaults = value_or(file.defaults.as_ref(), raw::Function::default());
    only_limits(&defaults, source);
    limits(&raw::Function::default(), &defaults, &sandboxes, source);
    let written = value(file.functions.as_ref());
    let entries = written.map(|Named(entries)| entries.as_slice()).unwrap_or_default();
    let named = entries.iter().map(|(key, field)| {
        let function = one(key, field, (&defaults, &sandboxes), source).map(Arc::new);
        (key.value.clone().unwrap_or_default(), function)
    });
    Functions { named: named.collect(), short: Vec::new(), defaults, sandboxes }
}

/// `[defaults]` says nothing that is one function's own.
fn only_limits(defaults: &raw::Function, source: &mut Source<'_>) {
    let own = [
        ("library", defaults.library.as_ref().map(|f| &f.span)),
        ("prototype", defaults.prototype.as_ref().map(|f| &f.span)),
        ("handler", defaults.handler.as_ref().map(|f| &f.span)),
        ("request_body", defaults.request_body.as_ref().map(|f| &f.span)),
    ];
    for (key, span) in own.into_iter().chain(beside_a_prototype(defaults)) {
        if let Some(span) = span {
            let problem =
                Problem::at(span, format!("`{key}` has no default: it is a function's own"));
            source.wrong(problem.help("write it in [functions.NAME]"));
        }
    }
}

/// The keys that only a prototype has.
fn beside_a_prototype(raw: &raw::Function) -> [(&'static str, Option<&Span>); 8] {
    [
        ("arguments", raw.arguments.as_ref().map(|f| &f.span)),
        ("init", raw.init.as_ref().map(|f| &f.span)),
        ("init_arguments", raw.init_arguments.as_ref().map(|f| &f.span)),
        ("exit", raw.exit.as_ref().map(|f| &f.span)),
        ("free", raw.free.as_ref().map(|f| &f.span)),
        ("success", raw.success.as_ref().map(|f| &f.span)),
        ("response", raw.response.as_ref().map(|f| &f.span)),
        ("failure", raw.failure.as_ref().map(|f| &f.span)),
    ]
}

fn one(
    key: &Field<String>,
    field: &Field<raw::Function>,
    (defaults, sandboxes): (&raw::Function, &Sandboxes),
    source: &mut Source<'_>,
) -> Option<Function> {
    let name = parsed(Some(key), source, name::label);
    let raw = field.value.as_ref()?;
    let mend = "write the shared library: library = \"./libslow.so\"";
    require(raw.library.as_ref(), "library", (&field.span, &raw.meant), mend, source);
    let library = parsed(raw.library.as_ref(), source, library);
    let library = library.map(|library| library_path(&library, source));
    let entry = entry(raw, &field.span, source);
    let limits = limits(raw, defaults, sandboxes, source);
    if let (Some(response), Some(entry)) = (&raw.response, &entry)
        && entry.prints()
        && limits.run_in_the_proxy()
    {
        let message =
            "an answer from standard output needs a process: that of the proxy is its own";
        let problem = Problem::at(&response.span, message);
        source.wrong(problem.help("write mode = \"pool\" or mode = \"process\""));
    }
    Some(limits.function(name?, library?, entry?))
}

/// A path with a `/` is relative to the file's folder; a bare name is left to dlopen(3).
fn library_path(text: &str, source: &Source<'_>) -> PathBuf {
    if text.contains('/') { source.resolve_path(text) } else { text.into() }
}

fn library(text: &str) -> Result<String, Complaint> {
    if text.is_empty() || text.contains('\0') {
        return Err(Complaint::new("a library needs a path", "write library = \"./libslow.so\""));
    }
    Ok(text.to_owned())
}

/// Exactly one of `prototype` and `handler`.
fn entry(raw: &raw::Function, section: &Span, source: &mut Source<'_>) -> Option<Entry> {
    match (&raw.prototype, &raw.handler) {
        (Some(prototype), Some(handler)) => {
            let problem =
                Problem::at(&handler.span, "a function has a `prototype` or a `handler`, not both");
            let problem = problem.also(&prototype.span, "the prototype");
            source.wrong(problem.help("keep the one that the symbol is"));
            None
        }
        (Some(_), None) => {
            no_stream(raw, source);
            bind::bind(raw, source).map(|bound| Entry::Function(Box::new(bound)))
        }
        (None, Some(_)) => handler(raw, source),
        (None, None) => {
            if !raw.meant.contains(&"prototype") && !raw.meant.contains(&"handler") {
                let problem =
                    Problem::at(section, "this function has no `prototype` and no `handler`");
                source.wrong(
                    problem.help(
                        "paste its declaration from the header: prototype = \"int slow(void)\"",
                    ),
                );
            }
            None
        }
    }
}

/// A function has its body whole, which may be said.
fn no_stream(raw: &raw::Function, source: &mut Source<'_>) {
    if let (true, Some(field)) = (request_body(raw, source), &raw.request_body) {
        let problem = Problem::at(&field.span, "only a `handler` can read a body while it comes");
        let mend = "remove it: a function is given its body whole, by arguments = { … = \"body\" }";
        source.wrong(problem.help(mend));
    }
}

fn handler(raw: &raw::Function, source: &mut Source<'_>) -> Option<Entry> {
    for (key, span) in beside_a_prototype(raw) {
        if let Some(span) = span {
            let problem = Problem::at(span, format!("`{key}` goes with a `prototype`"));
            source.wrong(
                problem.help("remove it: a handler reads the request and writes the answer itself"),
            );
        }
    }
    let is_streamed = request_body(raw, source);
    let symbol = parsed(raw.handler.as_ref(), source, name::symbol)?;
    Some(Entry::Handler { symbol, is_streamed })
}

/// Whether the body is to be streamed.
fn request_body(raw: &raw::Function, source: &mut Source<'_>) -> bool {
    let words = [("whole", false), ("stream", true)];
    word(raw.request_body.as_ref(), "request_body", &words, false, source)
}

impl Functions {
    /// Whether what a route names is a function whose callers do not wait.
    pub(super) fn is_detached(&self, field: &Field<String>) -> bool {
        let Some(text) = &field.value else { return false };
        let named = self.named.iter().find(|(name, _)| name == text);
        match (named, text.contains(':')) {
            (Some((_, function)), _) => {
                function.as_ref().is_some_and(|function| function.mode == Mode::Detached)
            }
            (None, true) => {
                value(self.defaults.mode.as_ref()).is_some_and(|mode| mode == "detached")
            }
            (None, false) => false,
        }
    }

    /// What a route's `call` or `handler` means; a short form takes the route's name.
    pub(super) fn find(
        &mut self,
        field: &Field<String>,
        reference: Reference,
        route: &str,
        source: &mut Source<'_>,
    ) -> Option<Arc<Function>> {
        let text = field.value.as_ref()?;
        if let Some((library, symbol)) = text.rsplit_once(':') {
            return self.short(field, (library, symbol), reference, route, source);
        }
        let Some((_, function)) = self.named.iter().find(|(name, _)| name == text) else {
            source.complain(&field.span, text, self.no_such(text));
            return None;
        };
        let function = function.clone()?;
        if reference == Reference::Handler && matches!(function.entry, Entry::Function(_)) {
            let message = format!("`{text}` has a prototype: it is no handler");
            let mend = format!("write call = \"{text}\"");
            source.complain(&field.span, text, Complaint::new(message, mend));
            return None;
        }
        Some(function)
    }

    fn short(
        &mut self,
        field: &Field<String>,
        (path, symbol): (&str, &str),
        reference: Reference,
        route: &str,
        source: &mut Source<'_>,
    ) -> Option<Arc<Function>> {
        let library = parsed(Some(field), source, |text| match path {
            "" => Err(Complaint::new(
                format!("`{text}` names no library"),
                "write it before the colon, as \"./libslow.so:main\"",
            )),
            _ => library(path),
        })?;
        let symbol = parsed(Some(field), source, |_| name::symbol(symbol))?;
        if self.named.iter().any(|(name, _)| name == route) {
            let message = format!(
                "this function would be named `{route}`, after its route, as [functions.{route}] is"
            );
            let mend =
                format!("write \"{route}\" if you mean that one, or give the route another `name`");
            source.wrong(Problem::at(&field.span, message).help(mend));
            return None;
        }
        let entry = match reference {
            Reference::Call => Entry::Function(Box::new(plain(&symbol))),
            Reference::Handler => Entry::Handler { symbol, is_streamed: false },
        };
        let limits = limits(&raw::Function::default(), &self.defaults, &self.sandboxes, source);
        let function = limits.function(route.into(), library_path(&library, source), entry);
        let function = Arc::new(function);
        self.short.push(function.clone());
        Some(function)
    }

    fn no_such(&self, text: &str) -> Complaint {
        let names: Vec<_> = self.named.iter().map(|(name, _)| name.as_str()).collect();
        let mend = match closest(text, names.iter().copied()) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None if names.is_empty() => {
                format!("define [functions.{text}], or write \"LIBRARY:SYMBOL\"")
            }
            None => {
                format!("the functions are {}; \"LIBRARY:SYMBOL\" will do as well", list(&names))
            }
        };
        Complaint::new(format!("there is no function `{text}`"), mend)
    }

    /// All, each once.
    pub(super) fn into_list(self) -> Vec<Arc<Function>> {
        self.named.into_iter().filter_map(|(_, function)| function).chain(self.short).collect()
    }
}

/// `int SYMBOL(void)`, answered with what it returns.
fn plain(symbol: &str) -> Bound {
    let signature = Signature { returns: Return::Scalar(Scalar::I32), slots: Vec::new() };
    Bound {
        prototype: format!("int {symbol}(void)"),
        init: None,
        callee: Callee::plain(symbol, signature),
        inputs: Vec::new(),
        outputs: Vec::new(),
        response: Response {
            status: StatusCode::OK,
            body: ResponseBody::Return,
            content_type: None,
            headers: Vec::new(),
        },
        failure: Failing { status: Some(StatusCode::INTERNAL_SERVER_ERROR), tells_errno: false },
    }
}
