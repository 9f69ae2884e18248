//! What is told of a worker that died by a signal, to whoever writes it down. Telling never waits: what finds no place in
//! the queue is dropped, and counted.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;

use crate::call::{Accounting, Kept, RequestId};
use crate::config::Function;
use crate::ffi::request::Input;
use crate::ffi::value::Value;
use crate::sys::process::Reaped;
use crate::wire::Fault;

/// Deaths that wait to be written.
const QUEUE: usize = 16;
/// Bytes of an input that is told; a larger one is left out.
const LARGEST_INPUT: usize = 1 << 20;

/// A worker that died by a signal which nobody here sent.
#[derive(Debug)]
pub struct Death {
    /// Of the request.
    pub id: RequestId,
    /// The route that it came by.
    pub route: Arc<str>,
    /// What was called.
    pub function: Arc<Function>,
    /// Which run of the call it was, from 1.
    pub run: usize,
    /// The signal.
    pub signal: i32,
    /// The outcome of the run, in the word of `cofferdam_calls_total`.
    pub outcome: &'static str,
    /// What the worker told of itself; hostile.
    pub fault: Option<Box<Fault>>,
    /// What was asked.
    pub kept: Option<Box<Kept>>,
    /// The input was too large to be kept.
    pub is_cut: bool,
    /// Where the time of the call went.
    pub accounting: Accounting,
    /// How it ended, and what it used.
    pub reaped: Reaped,
    /// What a handler named.
    pub phases: Option<String>,
    /// Its last words.
    pub stderr: Option<String>,
}

/// Takes reports.
#[derive(Clone)]
pub struct Coroner {
    reports: SyncSender<Report>,
    dropped: IntCounter,
}

/// What a coroner is told.
pub enum Report {
    /// A death.
    Death(Box<Death>),
    /// Whoever waits until all that was told before is written.
    Flush(Sender<()>),
}

impl Coroner {
    /// And where its reports come out; `dropped` counts those that found no place.
    #[must_use]
    pub fn new(dropped: IntCounter) -> (Self, Receiver<Report>) {
        let (reports, told) = sync_channel(QUEUE);
        (Self { reports, dropped }, told)
    }

    /// Tells of a death.
    pub fn tell(&self, mut death: Box<Death>) {
        death.is_cut = death.kept.as_ref().is_some_and(|kept| size(&kept.input) > LARGEST_INPUT);
        if death.is_cut {
            death.kept = None;
        }
        if self.reports.try_send(Report::Death(death)).is_err() {
            self.dropped.inc();
        }
    }

    /// Waits, on a thread that may block, until all that was told is written, or `limit` is over.
    pub fn flush(&self, limit: Duration) {
        let (done, written) = channel();
        if self.reports.try_send(Report::Flush(done)).is_ok() {
            let _in_time = written.recv_timeout(limit);
        }
    }
}

/// Bytes, roughly.
fn size(input: &Input) -> usize {
    match input {
        Input::Request(request) => {
            let headers = request.headers.iter().map(|(name, value)| name.len() + value.len());
            headers.sum::<usize>() + request.body.len()
        }
        Input::Values(values) => values
            .iter()
            .map(|value| match value {
                Value::Bytes(bytes) => bytes.len(),
                _ => 0,
            })
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::Exit;

    fn death(kept: Option<Vec<u8>>) -> Box<Death> {
        let config =
            "listen = \":0\"\n[[routes]]\nname = \"f\"\npath = \"/\"\ncall = \"./f.so:f\"\n";
        let config = crate::config::parse(config, "f.toml".as_ref(), &|_| None).unwrap();
        let kept = kept.map(|bytes| {
            let input = Input::Values(vec![Value::Bytes(bytes)]);
            let (method, target) = ("GET".into(), "/".into());
            Box::new(Kept { method, target, input, retries: 0, earlier: None })
        });
        let exit = Exit::Signal(11);
        Box::new(Death {
            id: RequestId::next(),
            route: "f".into(),
            function: Arc::clone(&config.functions[0]),
            run: 1,
            signal: 11,
            outcome: "crash",
            fault: None,
            kept,
            is_cut: false,
            accounting: Accounting::default(),
            reaped: Reaped { exit, cpu_user_ns: 0, cpu_system_ns: 0, max_resident_bytes: 0 },
            phases: None,
            stderr: None,
        })
    }

    #[test]
    fn what_finds_no_place_is_dropped_and_counted() {
        let (coroner, told) = Coroner::new(IntCounter::new("dropped", "Dropped.").unwrap());
        for _ in 0..QUEUE + 3 {
            coroner.tell(death(None));
        }
        coroner.flush(Duration::from_secs(60));
        assert_eq!(coroner.dropped.get(), 3);
        assert_eq!(told.try_iter().count(), QUEUE);
    }

    #[test]
    fn a_large_input_is_left_out_and_that_is_told() {
        let (coroner, told) = Coroner::new(IntCounter::new("dropped", "Dropped.").unwrap());
        for bytes in [LARGEST_INPUT, LARGEST_INPUT + 1] {
            coroner.tell(death(Some(vec![0; bytes])));
        }
        let cut = |report| match report {
            Report::Death(death) => (death.is_cut, death.kept.is_none()),
            Report::Flush(_) => (false, false),
        };
        assert_eq!(told.try_iter().map(cut).collect::<Vec<_>>(), [(false, false), (true, true)]);
    }
}
