//! Where log lines go, as configured.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;

use crate::app::AppError;
use crate::config::{Level, Log, LogFormat};
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

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
