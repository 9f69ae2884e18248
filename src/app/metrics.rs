//! `cofferdam metrics --list`: every metric, from the table that defines it.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::app::cli::ListFormat;
use crate::app::explain::print;
use crate::telemetry::metrics::{Definition, Kind, definitions};

/// Prints all metrics.
///
/// # Errors
/// Whoever reads it has left.
pub fn list(format: ListFormat) -> io::Result<()> {
    let all = definitions();
    match format {
        ListFormat::Text => {
            let rows: Vec<[String; 5]> = all.iter().map(row).collect();
            print(&["NAME", "TYPE", "LABELS", "UNIT", "MEANING"], &rows)
        }
        ListFormat::Json => {
            let all: Vec<Value> = all.iter().map(object).collect();
            writeln!(io::stdout().lock(), "{:#}", Value::from(all))
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

fn row(one: &Definition) -> [String; 5] {
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        one.name.to_owned(),
        word(one.kind).to_owned(),
        or_none(&one.labels.join(",")),
        or_none(one.unit().unwrap_or_default()),
        one.help.to_owned(),
    ]
}

fn object(one: &Definition) -> Value {
    json!({
        "name": one.name,
        "type": word(one.kind),
        "labels": one.labels,
        "unit": one.unit(),
        "help": one.help,
    })
}
