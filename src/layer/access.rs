//! Access lines: one for each request that ended, through the bounded log writer.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::config::AccessFormat;
use crate::telemetry::log::{LineWriter, escape};

/// Writes access lines.
#[derive(Clone)]
pub struct AccessLog {
    format: AccessFormat,
    writer: LineWriter,
}

/// What one line tells.
#[derive(Serialize)]
#[allow(missing_docs)]
pub struct Entry<'a> {
    pub request_id: String,
    pub peer: Option<IpAddr>,
    pub method: &'a str,
    pub path: &'a str,
    pub route: &'a str,
    pub status: u16,
    pub reason: Option<&'a str>,
    pub whole: bool,
    pub seconds: f64,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

impl AccessLog {
    /// `None` where the format is "off".
    #[must_use]
    pub fn new(format: AccessFormat, writer: LineWriter) -> Option<Self> {
        (format != AccessFormat::Off).then_some(Self { format, writer })
    }

    /// Queues the line of `entry`.
    pub fn write(&self, entry: &Entry<'_>) {
        let mut line = match self.format {
            AccessFormat::Json => {
                serde_json::to_string(&Line { time: now(), entry }).unwrap_or_default()
            }
            AccessFormat::Text | AccessFormat::Off => text(entry),
        };
        line.push('\n');
        self.writer.write_line(line.into_bytes());
    }
}

fn text(entry: &Entry<'_>) -> String {
    format!(
        "{} {} {} {} {} {} {} {:?} {}{}",
        now(),
        entry.peer.map_or("-".to_owned(), |peer| peer.to_string()),
        entry.method,
        escape(entry.path.as_bytes()),
        entry.status,
        entry.route,
        entry.reason.unwrap_or("-"),
        Duration::from_secs_f64(entry.seconds),
        entry.request_id,
        if entry.whole { "" } else { " cut" },
    )
}

/// RFC 3339, UTC.
fn now() -> String {
    let mut text = String::new();
    let formatted =
        tracing_subscriber::fmt::time::SystemTime.format_time(&mut Writer::new(&mut text));
    match formatted {
        Ok(()) => text,
        Err(_) => format!("{:?}", SystemTime::now()),
    }
}
