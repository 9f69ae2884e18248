//! `cofferdam replay DOSSIER`: the call of a dossier once more, in a worker as before, and whether that dies in the same way.

mod gdb;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use prometheus::IntCounter;
use serde_json::{Map, Value as Json};

use crate::app::AppError;
use crate::app::call::{given, once, request, values};
use crate::app::dossiers::backtrace::{Frame, backtrace, culprit};
use crate::app::dossiers::inputs::{Handed, bytes};
use crate::app::dossiers::record::{Inputs, Record, build_id};
use crate::app::run::{control_runtime, load, resources};
use crate::call::Outcome;
use crate::child::Coroner;
use crate::child::coroner::Report;
use crate::config::function::{Entry, Mode, Spawn};
use crate::config::{Config, Function};
use crate::executor::Resources;
use crate::ffi::request::{Input, Request};
use crate::sys::process::signal_name;
use crate::telemetry::Metrics;

/// What is to be run again, and how.
pub struct Options {
    /// The dossier.
    pub dossier: PathBuf,
    /// Instead of the configuration that the dossier names.
    pub config: Option<PathBuf>,
    /// `ARG=VALUE`: instead of what the dossier has, or for what it has not.
    pub arguments: Vec<String>,
    /// Under gdb.
    pub gdb: bool,
    /// The worker program, where it is not the usual one.
    pub worker: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
struct Died {
    signal: String,
    symbol: Option<String>,
    build_id: Option<String>,
}

/// Runs the call again, and prints how it ended then and now.
///
/// # Errors
/// No dossier, another configuration, inputs that are not there; or it did not die in the same way.
pub fn replay(options: &Options) -> Result<(), AppError> {
    let path = options.dossier.display();
    let record = Record::read(&options.dossier)
        .map_err(|problem| AppError::Usage(format!("{path}: {problem}")))?;
    let config = load(options.config.as_deref().unwrap_or(&record.config))?;
    let function = function(&config, &record)?;
    let input = input(&function, &record, &options.arguments).map_err(AppError::Usage)?;
    let metrics = Metrics::new().map_err(AppError::runtime)?;
    let resources = resources(&config, metrics, options.worker.as_deref())?;
    if options.gdb {
        return gdb::run(&function, &resources, input, options.worker.as_deref());
    }
    let then = Died {
        signal: record.signal.clone(),
        symbol: record.symbol.clone(),
        build_id: record.build_id.clone(),
    };
    println!("then  {}, {}", then.told(), record.time);
    print_frames(&record.backtrace);
    again(&function, resources, input, &then)
}

/// In a process of its own, once, whatever its mode is.
fn function(config: &Config, record: &Record) -> Result<Arc<Function>, AppError> {
    let found = config.functions.iter().find(|function| function.name == record.function);
    let Some(found) = found else {
        let (name, path) = (&record.function, config.path.display());
        return Err(AppError::Usage(format!(
            "there is no function `{name}` in {path}: name the file that has it, by --config"
        )));
    };
    if found.library != record.library {
        let (then, now) = (record.library.display(), found.library.display());
        eprintln!("note: the library was {then} then, and is {now} now");
    }
    Ok(Arc::new(Function {
        mode: Mode::Process,
        spawn: Spawn::Exec,
        spares: 0,
        most_spares: 0,
        retry: 0,
        ..Function::clone(found)
    }))
}

fn again(
    function: &Arc<Function>,
    resources: Resources,
    input: Input,
    then: &Died,
) -> Result<(), AppError> {
    let unheard = IntCounter::new("unheard", "Nobody counts.").map_err(AppError::runtime)?;
    let (coroner, reports) = Coroner::new(unheard);
    let resources = Resources { coroner: Some(coroner), ..resources };
    let outcome = control_runtime()?.block_on(once(function, &resources, input))?;
    let now = died(&reports, function);
    let ended = match (&now, outcome) {
        (Some((died, _)), _) => died.told(),
        (None, Outcome::Err(failure)) => format!("no death by a signal: {failure}"),
        (None, Outcome::Ok(_)) => "no death: it answered".to_owned(),
    };
    println!("now   {ended}");
    now.iter().for_each(|(_, frames)| print_frames(frames));
    match now {
        Some((died, _)) if died.is_like(then) => {
            println!("it died in the same way");
            Ok(())
        }
        _ => Err(AppError::Runtime("it did not die in the same way".to_owned())),
    }
}

fn died(reports: &Receiver<Report>, function: &Function) -> Option<(Died, Vec<Frame>)> {
    let Ok(Report::Death(death)) = reports.try_recv() else { return None };
    let frames = death.fault.as_deref().map(backtrace).unwrap_or_default();
    let symbol = culprit(&frames, &function.library);
    Some((Died { signal: signal_name(death.signal), symbol, build_id: build_id(&death) }, frames))
}

impl Died {
    /// The same signal in the same function; another build is told of.
    fn is_like(&self, then: &Self) -> bool {
        if let (Some(now), Some(then)) = (&self.build_id, &then.build_id)
            && now != then
        {
            eprintln!("note: the library is another build: {then} then, {now} now");
        }
        self.signal == then.signal && self.symbol == then.symbol
    }

    fn told(&self) -> String {
        match &self.symbol {
            Some(symbol) => format!("{} in {symbol}", self.signal),
            None => self.signal.clone(),
        }
    }
}

fn print_frames(frames: &[Frame]) {
    for (number, frame) in frames.iter().enumerate() {
        let place = frame.module.as_deref().map_or(Cow::Borrowed(&*frame.address), |module| {
            let offset = frame.offset.as_deref().unwrap_or_default();
            format!("{module}+{offset}").into()
        });
        let symbol = frame.symbol.as_deref().unwrap_or("?");
        println!("      #{number:<2} {symbol} ({place})");
    }
}

/// What the dossier has, and what the command line has instead.
fn input(function: &Function, record: &Record, words: &[String]) -> Result<Input, String> {
    let words = given(words)?;
    match (&function.entry, &record.inputs) {
        (Entry::Function(bound), Inputs::Arguments(written)) => {
            let all = arguments(written, words);
            values(bound, all).map(Input::Values).map_err(|problem| {
                format!("{problem}; what [dossiers] does not write must be said here")
            })
        }
        (Entry::Function(bound), Inputs::Missing(_)) => values(bound, words).map(Input::Values),
        (Entry::Handler { .. }, Inputs::Request(handed)) => {
            handed_again(handed, words).map(Input::Request)
        }
        (Entry::Handler { .. }, Inputs::Missing(_)) => request(words, None).map(Input::Request),
        _ => Err("the function was a handler then and is none now, or the reverse".to_owned()),
    }
}

fn arguments<'a>(
    written: &'a Map<String, Json>,
    words: Vec<(&'a str, Vec<u8>)>,
) -> Vec<(&'a str, Vec<u8>)> {
    let is_said = |name: &str| words.iter().any(|(said, _)| *said == name);
    let kept = written.iter().filter(|(name, _)| !is_said(name));
    let kept: Vec<_> =
        kept.filter_map(|(name, value)| Some((name.as_str(), bytes(value)?))).collect();
    kept.into_iter().chain(words).collect()
}

fn handed_again(handed: &Handed, words: Vec<(&str, Vec<u8>)>) -> Result<Request, String> {
    let mut missing = Vec::new();
    let mut headers = Vec::new();
    for (name, value) in &handed.headers {
        match bytes(value) {
            Some(value) => headers.push((name.clone().into_bytes(), value)),
            None => missing.push(name.as_str()),
        }
    }
    let body = bytes(&handed.body);
    if body.is_none() && !words.iter().any(|(name, _)| *name == "body") {
        return Err("the dossier does not have the body: add body=@FILE".to_owned());
    }
    if !missing.is_empty() {
        eprintln!("note: without the headers that were not written down: {}", missing.join(", "));
    }
    let was = Request {
        method: handed.method.clone(),
        path: handed.path.clone(),
        query: handed.query.clone(),
        peer: handed.peer.clone(),
        params: handed.params.clone(),
        headers,
        body: body.unwrap_or_default(),
        ..Request::default()
    };
    request(words, Some(was))
}

/// As a shell reads it back.
fn quoted(text: &Path) -> String {
    format!("'{}'", text.display().to_string().replace('\'', "'\\''"))
}
