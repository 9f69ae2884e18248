//! How a function's calls run: what the function says, else `[defaults]`, else the default.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::sandbox::Sandboxes;
use super::{form, mode, number, parsed, require, value, value_or, word};
use crate::config::Sandbox;
use crate::config::function::{
    Breaker, Entry, FairBy, Function, Mode, OnDisconnect, Order, Poison, Queue, Spawn,
};
use crate::config::raw::{self, Field, Off};
use crate::config::report::Problem;
use crate::config::sandbox::Level;
use crate::config::source::{Complaint, Source};
use crate::ffi::traits::Traits;

/// More would be a storm of crashes for one request.
const MOST_RETRIES: i64 = 5;

/// How a function's calls run.
pub(super) struct Limits {
    max_concurrency: usize,
    queue: Queue,
    breaker: Option<Breaker>,
    retry: usize,
    poison: Option<Poison>,
    spares: (usize, usize),
    timeout: Option<Duration>,
    slow_log: Option<Duration>,
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
            breaker: self.breaker,
            retry: self.retry,
            poison: self.poison,
            spares: self.spares.0,
            most_spares: self.spares.1,
            timeout: self.timeout,
            slow_log: self.slow_log,
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
    let max_concurrency = number(max, "max_concurrency", 1..=10_000, 32, source);
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
        max_concurrency,
        queue: queue(value(raw.queue.as_ref()), value(defaults.queue.as_ref()), patience, source),
        breaker: breaker(raw.breaker.as_ref().or(defaults.breaker.as_ref()), source),
        retry: retry(either(&raw.retry, &defaults.retry), source),
        poison: poison(either(&raw.poison, &defaults.poison), source),
        spares: spares(either(&raw.spares, &defaults.spares), max_concurrency, source),
        timeout: value_or(either(&raw.timeout, &defaults.timeout), half_minute).on(),
        slow_log: value_or(either(&raw.slow_log, &defaults.slow_log), second).on(),
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
    let orders = [("fifo", Order::Fifo), ("lifo", Order::Lifo), ("deadline", Order::Deadline)];
    let timeout = raw.timeout.as_ref().or(defaults.timeout.as_ref());
    let length = raw.length.as_ref().or(defaults.length.as_ref());
    let order = raw.order.as_ref().or(defaults.order.as_ref());
    Queue {
        length: count_or_off(length, "length", 100_000, 100, source),
        timeout: value_or(timeout, patience).on(),
        order: word(order, "order", &orders, Order::Fifo, source),
        fair_by: fair_by(raw.fair_by.as_ref().or(defaults.fair_by.as_ref()), source),
    }
}

fn fair_by(field: Option<&Field<Off<raw::FairBy>>>, source: &mut Source<'_>) -> Option<FairBy> {
    let field = field?;
    match field.value.as_ref()? {
        Off::Off => None,
        Off::On(raw::FairBy::Word(text)) if text == "client" => Some(FairBy::Client),
        Off::On(raw::FairBy::Word(text)) => {
            let mend = "write \"client\", or { header = \"x-tenant\" }";
            let complaint = Complaint::new(format!("`{text}` is nothing to be fair by"), mend);
            source.complain(&field.span, text, complaint);
            None
        }
        Off::On(raw::FairBy::Table(table)) => {
            let mend = "write header = \"x-tenant\"";
            let section = (&field.span, table.meant.as_slice());
            require(table.header.as_ref(), "header", section, mend, source);
            parsed(table.header.as_ref(), source, form::header).map(FairBy::Header)
        }
    }
}

/// In force unless it is "off".
fn breaker(field: Option<&Field<Off<raw::Breaker>>>, source: &mut Source<'_>) -> Option<Breaker> {
    let empty = Off::On(raw::Breaker::default());
    let Off::On(raw) = value(field).unwrap_or(&empty) else { return None };
    Some(Breaker {
        crashes: number(raw.crashes.as_ref(), "crashes", 1..=10_000, 50, source),
        starts: number(raw.starts.as_ref(), "starts", 1..=10_000, 5, source),
        within: value_or(raw.within.as_ref(), Duration::from_secs(10)),
        lasts: value_or(raw.lasts.as_ref(), Duration::from_secs(2)),
    })
}

/// "off" unless it is written.
fn retry(field: Option<&Field<Off<i64>>>, source: &mut Source<'_>) -> usize {
    let written = field.map(|field| count_or_off(Some(field), "retry", MOST_RETRIES, 1, source));
    written.unwrap_or_default()
}

/// "off" unless it is written.
fn poison(field: Option<&Field<Off<raw::Poison>>>, source: &mut Source<'_>) -> Option<Poison> {
    let Some(Off::On(raw)) = value(field) else { return None };
    Some(Poison {
        deaths: number(raw.deaths.as_ref(), "deaths", 1..=1_000, 3, source),
        within: value_or(raw.within.as_ref(), Duration::from_secs(600)),
    })
}

/// The least and the most of them.
fn spares(
    field: Option<&Field<Off<raw::Spares>>>,
    max_concurrency: usize,
    source: &mut Source<'_>,
) -> (usize, usize) {
    const MOST: i64 = 1_000;
    let Some(Field { value: Some(written), span }) = field else { return (2, 2) };
    match written {
        Off::Off => (0, 0),
        Off::On(raw::Spares::Auto) => (1, max_concurrency),
        Off::On(raw::Spares::Number(count)) => {
            let field = Field { value: Some(Off::On(*count)), span: span.clone() };
            let count = count_or_off(Some(&field), "spares", MOST, 2, source);
            (count, count)
        }
        Off::On(raw::Spares::Range(range)) => {
            let min = count_or_off(range.min.as_ref(), "min", MOST, 1, source);
            let max = number(range.max.as_ref(), "max", 1..=MOST, max_concurrency.max(min), source);
            if max < min {
                let problem = Problem::at(span, "`min` is more than `max`");
                source
                    .wrong(problem.help(format!("write spares = {{ min = {max}, max = {min} }}")));
            }
            (min, max)
        }
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
