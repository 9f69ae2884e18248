//! A dossier: what is known of one death, as JSON.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::backtrace::{Frame, backtrace, culprit};
use super::inputs::{Handed, Redactor};
use crate::child::coroner::Death;
use crate::config::function::{Entry, Spawn};
use crate::ffi::request::Input;
use crate::sys::process::signal_name;

/// Of this form.
const VERSION: u32 = 1;
/// Bytes of the largest one that is read.
const LARGEST: u64 = 16 << 20;

/// One death.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "docs/operations.md says what each is")]
pub struct Record {
    pub version: u32,
    pub time: String,
    pub program: String,
    pub config: PathBuf,
    pub request_id: String,
    pub route: String,
    pub function: String,
    pub entry: String,
    pub library: PathBuf,
    pub build_id: Option<String>,
    pub mode: String,
    pub spawn: String,
    pub sandbox: String,
    pub run: usize,
    pub outcome: String,
    pub signal: String,
    pub code: Option<i32>,
    pub address: Option<String>,
    pub symbol: Option<String>,
    pub backtrace: Vec<Frame>,
    pub method: String,
    pub target: String,
    pub inputs: Inputs,
    pub seconds: Seconds,
    pub usage: Usage,
    pub phases: Option<String>,
    pub stderr: Option<String>,
}

/// What the function was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inputs {
    /// By parameter.
    Arguments(Map<String, Json>),
    /// A handler's.
    Request(Handed),
    /// Why they are not there.
    Missing(String),
}

/// Where the time of the call went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the time of its name")]
pub struct Seconds {
    pub queue: f64,
    pub start: f64,
    pub cpu_user: f64,
    pub cpu_system: f64,
    pub runqueue: f64,
    pub blocked: f64,
    pub wall: f64,
}

/// What the worker used from its start to its end (`getrusage(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is what its name says")]
pub struct Usage {
    pub cpu_user_seconds: f64,
    pub cpu_system_seconds: f64,
    pub max_resident_bytes: u64,
}

/// Why a file is no dossier.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// It is too large, or not of this form.
    #[error("it is no dossier: {0}")]
    Malformed(String),
}

impl Record {
    /// Of `death`, under the configuration `config`.
    #[must_use]
    pub fn of(death: &Death, config: &Path, redactor: &Redactor) -> Self {
        let function = &death.function;
        let fault = death.fault.as_deref();
        let backtrace = fault.map(backtrace).unwrap_or_default();
        let asked = death.kept.as_deref();
        Self {
            version: VERSION,
            time: now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            config: config.to_owned(),
            request_id: death.id.to_string(),
            route: death.route.to_string(),
            function: function.name.clone(),
            entry: function.entry.symbol().to_owned(),
            library: function.library.clone(),
            build_id: build_id(death),
            mode: function.mode.word().to_owned(),
            spawn: if function.spawn == Spawn::Fork { "fork" } else { "exec" }.to_owned(),
            sandbox: function.sandbox.name.clone(),
            run: death.run,
            outcome: death.outcome.to_owned(),
            signal: signal_name(death.signal),
            code: fault.map(|fault| fault.code),
            address: fault
                .filter(|fault| fault.code > 0)
                .map(|fault| format!("{:#x}", fault.address)),
            symbol: culprit(&backtrace, &function.library),
            backtrace,
            method: asked.map(|kept| kept.method.clone()).unwrap_or_default(),
            target: asked.map(|kept| redactor.target(&kept.target)).unwrap_or_default(),
            inputs: inputs(death, redactor),
            seconds: seconds(death),
            usage: usage(death),
            phases: death.phases.clone(),
            stderr: death.stderr.clone(),
        }
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Err(RecordError::Malformed(format!("it is larger than {LARGEST} bytes")));
        }
        let malformed = |problem: serde_json::Error| RecordError::Malformed(problem.to_string());
        let record: Self = serde_json::from_slice(&bytes).map_err(malformed)?;
        match record.version {
            VERSION => Ok(record),
            other => {
                Err(RecordError::Malformed(format!("it is of version {other}, not {VERSION}")))
            }
        }
    }
}

/// Of the library that crashed, as it was loaded; in hexadecimal.
#[must_use]
pub fn build_id(death: &Death) -> Option<String> {
    use std::os::unix::ffi::OsStrExt;
    let library = death.function.library.as_os_str().as_bytes();
    let name = death.function.library.file_name().map(OsStrExt::as_bytes);
    let modules = &death.fault.as_deref()?.modules;
    let is_it = |path: &[u8]| {
        path == library
            || (path.rsplit(|byte| *byte == b'/').next() == name && !library.contains(&b'/'))
    };
    let id = &modules.iter().find(|module| is_it(&module.path))?.build_id;
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    (!digits.is_empty()).then_some(digits)
}

fn inputs(death: &Death, redactor: &Redactor) -> Inputs {
    let missing = |why: &str| Inputs::Missing(why.to_owned());
    let Some(kept) = &death.kept else {
        return missing(if death.is_cut { "too large" } else { "nothing was kept" });
    };
    match (&kept.input, &death.function.entry) {
        (Input::Values(values), Entry::Function(bound)) => {
            Inputs::Arguments(redactor.arguments(bound, values))
        }
        (Input::Request(request), _) => Inputs::Request(redactor.request(request)),
        (Input::Values(_), Entry::Handler { .. }) => missing("values for a handler"),
    }
}

fn seconds(death: &Death) -> Seconds {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let accounting = &death.accounting;
    Seconds {
        queue: seconds(accounting.queue_ns),
        start: seconds(accounting.start_ns),
        cpu_user: seconds(accounting.cpu_user_ns),
        cpu_system: seconds(accounting.cpu_system_ns),
        runqueue: seconds(accounting.runqueue_ns),
        blocked: seconds(accounting.blocked_ns),
        wall: seconds(accounting.wall_ns),
    }
}

fn usage(death: &Death) -> Usage {
    Usage {
        cpu_user_seconds: death.reaped.cpu_user_ns as f64 / 1e9,
        cpu_system_seconds: death.reaped.cpu_system_ns as f64 / 1e9,
        max_resident_bytes: death.reaped.max_resident_bytes,
    }
}

/// RFC 3339, UTC.
fn now() -> String {
    let mut text = String::new();
    let _a_string_takes_all =
        tracing_subscriber::fmt::time::SystemTime.format_time(&mut Writer::new(&mut text));
    text
}
