//! A file for each death of a worker by a signal, written on a thread of its own: nobody who serves waits for a disk or a
//! library's symbols.

pub mod backtrace;
pub mod folder;
pub mod inputs;
pub mod record;

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::IntCounter;
use tracing::{info, warn};

use crate::child::Coroner;
use crate::child::coroner::{Death, Report};
use crate::config::{Config, Inputs};
use crate::layer::access::redact::Redaction;
use crate::sys::priority;
use crate::sys::process::signal_name;
use crate::telemetry::Metrics;
use folder::{Folder, FolderError};
use inputs::Redactor;
use record::Record;

/// Who is served goes first.
const NICE: i32 = 10;

/// Why there are no dossiers.
#[derive(Debug, thiserror::Error)]
pub enum DossiersError {
    /// The folder.
    #[error("[dossiers] {0}")]
    Folder(#[from] FolderError),
    /// The thread.
    #[error("the thread that writes dossiers cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// Who is to be told of deaths; `None` where none are written down.
///
/// # Errors
/// The folder cannot be written to.
pub fn start(config: &Config, metrics: &Metrics) -> Result<Option<Coroner>, DossiersError> {
    let [written, failed, dropped] = ["written", "failed", "dropped"]
        .map(|result| metrics.dossiers.with_label_values(&[result]));
    let Some(dossiers) = &config.dossiers else { return Ok(None) };
    let secrets = Redaction::new(config.log.access.redact.clone());
    let writer = Writer {
        folder: Folder::open(&dossiers.directory, dossiers.keep, dossiers.size)?,
        config: std::path::absolute(&config.path).unwrap_or_else(|_| config.path.clone()),
        redactor: Redactor::new(secrets, dossiers.inputs == Inputs::Whole),
        written,
        failed,
    };
    let (coroner, reports) = Coroner::new(dropped);
    thread::Builder::new().name("dossiers".into()).spawn(move || writer.serve(&reports))?;
    Ok(Some(coroner))
}

struct Writer {
    folder: Folder,
    config: PathBuf,
    redactor: Redactor,
    written: IntCounter,
    failed: IntCounter,
}

impl Writer {
    fn serve(&self, reports: &Receiver<Report>) {
        let _may_not = priority::set_nice(NICE);
        while let Ok(report) = reports.recv() {
            match report {
                Report::Death(death) => self.write(&death),
                Report::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn write(&self, death: &Death) {
        let record = Record::of(death, &self.config, &self.redactor);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let function = &death.function.name;
        let (ms, id) = (since.as_millis(), death.id.bits());
        let name = format!("{ms:013}-{function}-{id:032x}-{}", death.run);
        let signal = signal_name(death.signal);
        match self.folder.write(&name, &record.to_json()) {
            Ok(path) => {
                self.written.inc();
                let symbol = record.symbol.unwrap_or_default();
                info!(
                    request_id = %death.id, function, signal, symbol, dossier = %path.display(),
                    "a death is written down"
                );
            }
            Err(problem) => {
                self.failed.inc();
                warn!(request_id = %death.id, function, "a death could not be written down: {problem}");
            }
        }
    }
}
