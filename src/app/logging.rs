//! Where log lines go, as configured.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;

use crate::app::AppError;
use crate::config::{AccessFormat, Config, Level, Log, LogFormat};
use crate::layer::access::AccessLog;
use crate::telemetry::Metrics;
use crate::telemetry::log::{Flusher, LineWriter, install};

/// Starts the log of this process. Keep the [`Flusher`] until the end.
///
/// # Errors
/// No thread can be started.
pub fn start(log: &Log, metrics: &Metrics) -> Result<(LineWriter, Flusher), AppError> {
    let dropped = metrics.log_lines_dropped.clone();
    let (writer, flusher) = LineWriter::start(dropped).map_err(AppError::runtime)?;
    let is_json = match log.format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    install(writer.clone(), filter(log.level), is_json);
    Ok((writer, flusher))
}

/// The access log of this process.
#[derive(Default)]
pub struct Access {
    /// `None` where it is "off".
    pub log: Option<AccessLog>,
    /// Writes to its file, where it has one.
    pub file: Option<LineWriter>,
    _flusher: Option<Flusher>,
}

/// Starts the access log: to its own file, or to `lines`, where everything else goes too.
///
/// # Errors
/// The file cannot be opened.
pub fn access(config: &Config, metrics: &Metrics, lines: LineWriter) -> Result<Access, AppError> {
    let access = &config.log.access;
    let log = |writer| AccessLog::new(access, config.server.trusted_proxies.clone().into(), writer);
    let Some(path) = access.file.clone().filter(|_| access.format != AccessFormat::Off) else {
        return Ok(Access { log: log(lines), ..Access::default() });
    };
    let dropped = metrics.log_lines_dropped.clone();
    let opened = LineWriter::to_file(path.clone(), dropped);
    let unopened = |error| AppError::runtime(format!("[log.access] {}: {error}", path.display()));
    let (writer, flusher) = opened.map_err(unopened)?;
    Ok(Access { log: log(writer.clone()), file: Some(writer), _flusher: Some(flusher) })
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
