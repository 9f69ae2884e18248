//! How a function's calls run: what the function says, else `[defaults]`, else the default.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::sandbox::Sandboxes;
use super::{number, value, value_or, word};
use crate::config::Sandbox;
use crate::config::function::{Entry, Function, Mode, OnDisconnect, Order, Queue};
use crate::config::raw::{self, Field, Off};
use crate::config::report::Problem;
use crate::config::source::Source;

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
}

impl Limits {
    pub(super) fn function(self, name: String, library: PathBuf, entry: Entry) -> Function {
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
        sandbox: sandboxes.find(either(&raw.sandbox, &defaults.sandbox), source),
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
