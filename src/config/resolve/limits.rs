//! How a function's calls run: what the function says, else `[defaults]`, else the default.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::sandbox::Sandboxes;
use super::{mode, number, value, value_or, word};
use crate::config::Sandbox;
use crate::config::function::{Entry, Function, Mode, OnDisconnect, Order, Queue, Spawn};
use crate::config::raw::{self, Field, Off};
use crate::config::report::Problem;
use crate::config::sandbox::Level;
use crate::config::source::Source;
use crate::ffi::traits::Traits;

/// How a function's calls run.
pub(super) struct Limits {
    max_concurrency: usize,
    queue: Queue,
    spares: usize,
    timeout: Option<Duration>,
    kill_grace: Duration,
    on_disconnect: OnDisconnect,
    mode: Mode,
    sandbox: Arc<Sandbox>,
    spawn: Spawn,
    traits: Traits,
}

impl Limits {
    pub(super) fn run_in_the_proxy(&self) -> bool {
        !self.mode.is_isolated()
    }

    pub(super) fn function(self, name: String, library: PathBuf, entry: Entry) -> Function {
        Function {
            name,
            library,
            entry,
            mode: self.mode,
            spawn: self.spawn,
            traits: self.traits,
            max_concurrency: self.max_concurrency,
            queue: self.queue,
            spares: self.spares,
            timeout: self.timeout,
            kill_grace: self.kill_grace,
            on_disconnect: self.on_disconnect,
            sandbox: self.sandbox,
        }
    }
}

/// What the function says, else what `[defaults]` says, else the default.
pub(super) fn limits(
    raw: &raw::Function,
    defaults: &raw::Function,
    sandboxes: &Sandboxes,
    source: &mut Source<'_>,
) -> Limits {
    fn either<'f, T>(
        own: &'f Option<Field<T>>,
        other: &'f Option<Field<T>>,
    ) -> Option<&'f Field<T>> {
        own.as_ref().or(other.as_ref())
    }
    let max = either(&raw.max_concurrency, &defaults.max_concurrency);
    let second = Off::On(Duration::from_secs(1));
    let half_minute = Off::On(Duration::from_secs(30));
    let leave = [("kill", OnDisconnect::Kill), ("finish", OnDisconnect::Finish)];
    let mode = mode::mode(raw, defaults, source);
    // What was promised is not forgotten because it has to wait.
    let patience = match mode {
        Mode::Detached => Off::Off,
        _ => Off::On(Duration::from_secs(5)),
    };
    let sandbox = sandboxes.find(either(&raw.sandbox, &defaults.sandbox), source);
    let spawn = mode::spawn(either(&raw.spawn, &defaults.spawn), mode, &sandbox, source);
    Limits {
        mode,
        spawn,
        traits: mode::traits(raw, defaults, source),
        max_concurrency: number(max, "max_concurrency", 1..=10_000, 32, source),
        queue: queue(value(raw.queue.as_ref()), value(defaults.queue.as_ref()), patience, source),
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
        // Nothing can be taken from the proxy itself.
        sandbox: if mode.is_isolated() { sandbox } else { Arc::new(Sandbox::of(Level::Off)) },
    }
}

/// Key by key: a function that says only `length` keeps the default's `timeout`.
fn queue(
    raw: Option<&raw::Queue>,
    defaults: Option<&raw::Queue>,
    patience: Off<Duration>,
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
        timeout: value_or(timeout, patience).on(),
        order: word(order, "order", &orders, Order::Fifo, source),
    }
}

/// A number from 1, or "off" for none.
pub(super) fn count_or_off(
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
