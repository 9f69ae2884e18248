//! How a function's calls run, in one word, and the keys that go with some of the words only.

use std::time::Duration;

use super::limits::count_or_off;
use super::{value, value_or, word};
use crate::config::Sandbox;
use crate::config::function::{Mode, Recycle, Spawn};
use crate::config::raw::{self, Field, Off, Size, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::traits::Traits;

/// `mode`, and `pool` where it is that.
pub(super) fn mode(raw: &raw::Function, defaults: &raw::Function, source: &mut Source<'_>) -> Mode {
    let recycle = recycle(value(raw.pool.as_ref()), value(defaults.pool.as_ref()), source);
    let words = [
        ("process", Mode::Process),
        ("pool", Mode::Pool(recycle)),
        ("thread", Mode::Thread),
        ("inline", Mode::Inline),
        ("detached", Mode::Detached),
    ];
    let field = raw.mode.as_ref().or(defaults.mode.as_ref());
    let mode = word(field, "mode", &words, Mode::Process, source);
    if field.is_none_or(|field| field.value.is_some()) {
        only_what_goes_with(mode, raw, source);
    }
    mode
}

/// `spawn`.
pub(super) fn spawn(
    field: Option<&Field<String>>,
    mode: Mode,
    sandbox: &Sandbox,
    source: &mut Source<'_>,
) -> Spawn {
    let words = [("exec", Spawn::Exec), ("fork", Spawn::Fork)];
    let spawn = word(field, "spawn", &words, Spawn::Exec, source);
    let has_group = sandbox.memory.or(sandbox.pids).is_some();
    if let (Some(field), Spawn::Fork, true, true) = (field, spawn, mode.is_isolated(), has_group) {
        let message = format!(
            "`spawn = \"fork\"` does not go with the sandbox `{}`, which limits `memory` or `pids`: a forked worker would share the control group of all others",
            sandbox.name
        );
        let mend = "write spawn = \"exec\", or limit `address_space` in its `limits` instead";
        source.wrong(Problem::at(&field.span, message).help(mend));
    }
    spawn
}

/// `traits`.
pub(super) fn traits(
    raw: &raw::Function,
    defaults: &raw::Function,
    source: &mut Source<'_>,
) -> Traits {
    let written = value(raw.traits.as_ref().or(defaults.traits.as_ref()));
    let mut traits = Traits::default();
    for field in written.map(Vec::as_slice).unwrap_or_default() {
        let Some(text) = &field.value else { continue };
        match Traits::WORDS.iter().find(|(word, _)| word == text) {
            Some((_, one)) => traits = traits | *one,
            None => source.complain(&field.span, text, no_such_trait(text)),
        }
    }
    traits
}

fn no_such_trait(text: &str) -> Complaint {
    let words = Traits::WORDS.map(|(word, _)| word);
    let mend = match closest(text, words.into_iter()) {
        Some(close) => format!("did you mean \"{close}\"?"),
        None => format!("a trait is one of {}", list(&words)),
    };
    Complaint::new(format!("`{text}` is no trait"), mend)
}

/// Key by key, as the queue.
fn recycle(
    raw: Option<&raw::Pool>,
    defaults: Option<&raw::Pool>,
    source: &mut Source<'_>,
) -> Recycle {
    let empty = raw::Pool::default();
    let (raw, defaults) = (raw.unwrap_or(&empty), defaults.unwrap_or(&empty));
    let (calls, time) = (10_000, |time: Option<Duration>| time.map_or(Off::Off, Off::On));
    let default = Recycle::DEFAULT;
    let max_calls = raw.max_calls.as_ref().or(defaults.max_calls.as_ref());
    let max_calls = count_or_off(max_calls, "max_calls", 1_000_000_000, calls, source) as u64;
    let max_age = raw.max_age.as_ref().or(defaults.max_age.as_ref());
    let max_memory = raw.max_memory.as_ref().or(defaults.max_memory.as_ref());
    let memory = default.max_memory.map_or(Off::Off, |bytes| Off::On(Size(bytes)));
    let idle_timeout = raw.idle_timeout.as_ref().or(defaults.idle_timeout.as_ref());
    Recycle {
        max_calls: (max_calls > 0).then_some(max_calls),
        max_age: value_or(max_age, time(default.max_age)).on(),
        max_memory: value_or(max_memory, memory).on().map(|Size(bytes)| bytes),
        idle_timeout: value_or(idle_timeout, time(default.idle_timeout)).on(),
    }
}

/// What a function says itself must mean something in its mode; `[defaults]` are for many.
fn only_what_goes_with(mode: Mode, raw: &raw::Function, source: &mut Source<'_>) {
    let is_stream = |field: &&Field<String>| field.value.as_deref() == Some("stream");
    let streamed = raw.request_body.as_ref().filter(is_stream).map(|field| &field.span);
    let nothing = "nothing can be taken from the proxy itself";
    let is_range = matches!(
        value(raw.spares.as_ref()),
        Some(Off::On(raw::Spares::Auto | raw::Spares::Range(_)))
    );
    let in_the_proxy = "its calls run in the proxy, which cannot end them";
    let the_end = "its calls run in the proxy, and a crash is the end of that";
    let wrong: &[(&str, Option<&Span>, &str)] = match mode {
        Mode::Process => &[("pool", span(&raw.pool), "each of its processes has one call")],
        Mode::Pool(_) => &[(
            "spares",
            span(&raw.spares).filter(|_| is_range),
            "its workers come and go with the calls, so a plain number is all that it needs",
        )],
        Mode::Thread => &[
            ("pool", span(&raw.pool), "it has no processes"),
            ("spawn", span(&raw.spawn), "it has no processes"),
            ("spares", span(&raw.spares), "it has no processes"),
            ("sandbox", span(&raw.sandbox), nothing),
            ("kill_grace", span(&raw.kill_grace), in_the_proxy),
            ("retry", span(&raw.retry), the_end),
            ("poison", span(&raw.poison), the_end),
        ],
        Mode::Inline => &[
            ("pool", span(&raw.pool), "it has no processes"),
            ("spawn", span(&raw.spawn), "it has no processes"),
            ("spares", span(&raw.spares), "it has no processes"),
            ("sandbox", span(&raw.sandbox), nothing),
            ("timeout", span(&raw.timeout), in_the_proxy),
            ("slow_log", span(&raw.slow_log), "the event loop that would look is held by the call"),
            ("kill_grace", span(&raw.kill_grace), in_the_proxy),
            ("retry", span(&raw.retry), the_end),
            ("poison", span(&raw.poison), the_end),
            ("on_disconnect", span(&raw.on_disconnect), in_the_proxy),
            ("request_body", streamed, "the event loop that would read on is held by the call"),
        ],
        Mode::Detached => &[
            ("pool", span(&raw.pool), "each of its processes has one call"),
            ("on_disconnect", span(&raw.on_disconnect), "no client waits for its calls"),
            ("request_body", streamed, "its client has its answer before the call runs"),
        ],
    };
    for (key, written, why) in wrong {
        if let Some(written) = written {
            let message = format!("`{key}` does not go with mode = \"{}\": {why}", mode.word());
            source.wrong(Problem::at(written, message).help("remove it, or write another mode"));
        }
    }
}

fn span<T>(field: &Option<Field<T>>) -> Option<&Span> {
    field.as_ref().map(|field| &field.span)
}
