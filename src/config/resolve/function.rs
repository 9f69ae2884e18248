//! `[functions.NAME]` over `[defaults]`, and the short form `LIBRARY:SYMBOL`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::{bind, name, number, parsed, require, value, value_or, word};
use crate::config::function::{
    Bound, Entry, Function, Mode, OnDisconnect, Order, Queue, Response, ResponseBody,
};
use crate::config::raw::{self, Field, File, Named, Off, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::signature::{Return, Signature};
use crate::ffi::value::Scalar;

/// All functions, so far. One whose value is `None` was wrong, which has been said.
pub(super) struct Functions {
    named: Vec<(String, Option<Arc<Function>>)>,
    short: Vec<Arc<Function>>,
    defaults: raw::Function,
}

/// What `call` or `handler` of a route names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Call,
    Handler,
}

/// Reads `[defaults]` and `[functions.NAME]`.
pub(super) fn named(file: &File, source: &mut Source<'_>) -> Functions {
    let defaults = value_or(file.defaults.as_ref(), raw::Function::default());
    only_limits(&defaults, source);
    limits(&raw::Function::default(), &defaults, source);
    let written = value(file.functions.as_ref());
    let entries = written.map(|Named(entries)| entries.as_slice()).unwrap_or_default();
    let named = entries.iter().map(|(key, field)| {
        let function = one(key, field, &defaults, source).map(Arc::new);
        (key.value.clone().unwrap_or_default(), function)
    });
    Functions { named: named.collect(), short: Vec::new(), defaults }
}

/// `[defaults]` says nothing that is one function's own.
fn only_limits(defaults: &raw::Function, source: &mut Source<'_>) {
    let own = [
        ("library", defaults.library.as_ref().map(|f| &f.span)),
        ("prototype", defaults.prototype.as_ref().map(|f| &f.span)),
        ("handler", defaults.handler.as_ref().map(|f| &f.span)),
        ("arguments", defaults.arguments.as_ref().map(|f| &f.span)),
        ("success", defaults.success.as_ref().map(|f| &f.span)),
        ("response", defaults.response.as_ref().map(|f| &f.span)),
        ("failure", defaults.failure.as_ref().map(|f| &f.span)),
    ];
    for (key, span) in own {
        if let Some(span) = span {
            let problem =
                Problem::at(span, format!("`{key}` has no default: it is a function's own"));
            source.wrong(problem.help("write it in [functions.NAME]"));
        }
    }
}

fn one(
    key: &Field<String>,
    field: &Field<raw::Function>,
    defaults: &raw::Function,
    source: &mut Source<'_>,
) -> Option<Function> {
    let name = parsed(Some(key), source, name::label);
    let raw = field.value.as_ref()?;
    let mend = "write the shared library: library = \"./libslow.so\"";
    require(raw.library.as_ref(), "library", (&field.span, &raw.meant), mend, source);
    let library = parsed(raw.library.as_ref(), source, library);
    let library = library.map(|library| library_path(&library, source));
    let entry = entry(raw, &field.span, source);
    let limits = limits(raw, defaults, source);
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
        (Some(_), None) => bind::bind(raw, source).map(|bound| Entry::Function(Box::new(bound))),
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

fn handler(raw: &raw::Function, source: &mut Source<'_>) -> Option<Entry> {
    let prototype_only = [
        ("arguments", raw.arguments.as_ref().map(|f| &f.span)),
        ("success", raw.success.as_ref().map(|f| &f.span)),
        ("response", raw.response.as_ref().map(|f| &f.span)),
        ("failure", raw.failure.as_ref().map(|f| &f.span)),
    ];
    for (key, span) in prototype_only {
        if let Some(span) = span {
            let problem = Problem::at(span, format!("`{key}` goes with a `prototype`"));
            source.wrong(
                problem.help("remove it: a handler reads the request and writes the answer itself"),
            );
        }
    }
    parsed(raw.handler.as_ref(), source, name::symbol).map(|symbol| Entry::Handler { symbol })
}

/// How a function's calls run.
struct Limits {
    max_concurrency: usize,
    queue: Queue,
    spares: usize,
    timeout: Option<Duration>,
    kill_grace: Duration,
    on_disconnect: OnDisconnect,
    mode: Mode,
}

impl Limits {
    fn function(self, name: String, library: PathBuf, entry: Entry) -> Function {
        Function {
            name,
            library,
            entry,
            mode: self.mode,
            max_concurrency: self.max_concurrency,
            queue: self.queue,
            spares: self.spares,
            timeout: self.timeout,
            kill_grace: self.kill_grace,
            on_disconnect: self.on_disconnect,
        }
    }
}

/// What the function says, else what `[defaults]` says, else the default.
fn limits(raw: &raw::Function, defaults: &raw::Function, source: &mut Source<'_>) -> Limits {
    fn either<'f, T>(
        own: &'f Option<Field<T>>,
        other: &'f Option<Field<T>>,
    ) -> Option<&'f Field<T>> {
        own.as_ref().or(other.as_ref())
    }
    word(either(&raw.spawn, &defaults.spawn), "spawn", &[("exec", ())], (), source);
    let max = either(&raw.max_concurrency, &defaults.max_concurrency);
    let second = Off::On(Duration::from_secs(1));
    let half_minute = Off::On(Duration::from_secs(30));
    let leave = [("kill", OnDisconnect::Kill), ("finish", OnDisconnect::Finish)];
    Limits {
        mode: word(
            either(&raw.mode, &defaults.mode),
            "mode",
            &[("process", Mode::Process)],
            Mode::Process,
            source,
        ),
        max_concurrency: number(max, "max_concurrency", 1..=10_000, 32, source),
        queue: queue(value(raw.queue.as_ref()), value(defaults.queue.as_ref()), source),
        spares: count_or_off(either(&raw.spares, &defaults.spares), "spares", 1_000, 2, source),
        timeout: value_or(either(&raw.timeout, &defaults.timeout), half_minute).on(),
        kill_grace: value_or(either(&raw.kill_grace, &defaults.kill_grace), second)
            .on()
            .unwrap_or_default(),
        on_disconnect: word(
            either(&raw.on_disconnect, &defaults.on_disconnect),
            "on_disconnect",
            &leave,
            OnDisconnect::Kill,
            source,
        ),
    }
}

/// Key by key: a function that says only `length` keeps the default's `timeout`.
fn queue(
    raw: Option<&raw::Queue>,
    defaults: Option<&raw::Queue>,
    source: &mut Source<'_>,
) -> Queue {
    let empty = raw::Queue::default();
    let (raw, defaults) = (raw.unwrap_or(&empty), defaults.unwrap_or(&empty));
    let orders = [("fifo", Order::Fifo), ("lifo", Order::Lifo)];
    let timeout = raw.timeout.as_ref().or(defaults.timeout.as_ref());
    let length = raw.length.as_ref().or(defaults.length.as_ref());
    let order = raw.order.as_ref().or(defaults.order.as_ref());
    Queue {
        length: count_or_off(length, "length", 100_000, 100, source),
        timeout: value_or(timeout, Off::On(Duration::from_secs(5))).on(),
        order: word(order, "order", &orders, Order::Fifo, source),
    }
}

/// A number from 1, or "off" for none.
fn count_or_off(
    field: Option<&Field<Off<i64>>>,
    key: &str,
    most: i64,
    default: usize,
    source: &mut Source<'_>,
) -> usize {
    let Some(Field { value: Some(written), span }) = field else { return default };
    match written {
        Off::Off => 0,
        Off::On(0) => {
            let problem = Problem::at(span, format!("`{key}` is never 0"));
            source.wrong(problem.help(format!("write {key} = \"off\" for none")));
            default
        }
        Off::On(count) => {
            let field = Field { value: Some(*count), span: span.clone() };
            number(Some(&field), key, 1..=most, default, source)
        }
    }
}

impl Functions {
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
        let library = parsed(Some(field), source, |_| library(path))?;
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
            Reference::Call => Entry::Function(Box::new(plain(symbol))),
            Reference::Handler => Entry::Handler { symbol },
        };
        let limits = limits(&raw::Function::default(), &self.defaults, source);
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
fn plain(symbol: String) -> Bound {
    Bound {
        prototype: format!("int {symbol}(void)"),
        symbol,
        signature: Signature { returns: Return::Scalar(Scalar::I32), slots: Vec::new() },
        inputs: Vec::new(),
        outputs: Vec::new(),
        success: None,
        response: Response {
            status: StatusCode::OK,
            body: ResponseBody::Return,
            content_type: None,
        },
        failure_status: StatusCode::INTERNAL_SERVER_ERROR,
    }
}
