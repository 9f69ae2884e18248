//! The two formats of a scrape: Prometheus' text 0.0.4 and OpenMetrics 1.0.0, which differ in the names of counters, in units,
//! exemplars and the end. Both write bounds as OpenMetrics does, so that a series has one name in both.

use std::fmt::Write as _;
use std::sync::Arc;

use prometheus::proto::{Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::telemetry::exemplars::{Exemplars, TracedVec};
use crate::telemetry::metrics::unit;

/// How a scrape is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
    Text,
    /// <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.
    OpenMetrics,
}

impl Format {
    /// Its `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes `families`; those of them that are among `traced` with their exemplars, where the format has such.
#[must_use]
pub fn write(families: &[MetricFamily], format: Format, traced: &[&TracedVec]) -> String {
    let mut writer = Writer { out: String::new(), format };
    for family in families {
        let traced = traced.iter().find(|one| one.name() == family.name());
        writer.family(family, traced.copied());
    }
    if format == Format::OpenMetrics {
        writer.out.push_str("# EOF\n");
    }
    writer.out
}

struct Writer {
    out: String,
    format: Format,
}

impl Writer {
    fn family(&mut self, family: &MetricFamily, traced: Option<&TracedVec>) {
        self.head(family);
        let name = family.name();
        for metric in family.get_metric() {
            let labels = labels(metric.get_label());
            match family.get_field_type() {
                MetricType::HISTOGRAM => {
                    let exemplars = traced.and_then(|traced| traced.exemplars(metric.get_label()));
                    self.histogram(name, &labels, metric.get_histogram(), exemplars);
                }
                kind => {
                    self.name(name, "", &labels, None);
                    self.value(value(kind, metric));
                    self.out.push('\n');
                }
            }
        }
    }

    fn head(&mut self, family: &MetricFamily) {
        let (word, name) = match (family.get_field_type(), self.format) {
            // A counter is called what is counted; its sample has the suffix.
            (MetricType::COUNTER, Format::OpenMetrics) => {
                ("counter", family.name().strip_suffix("_total").unwrap_or(family.name()))
            }
            (MetricType::COUNTER, Format::Text) => ("counter", family.name()),
            (MetricType::HISTOGRAM, _) => ("histogram", family.name()),
            _ => ("gauge", family.name()),
        };
        let _ = writeln!(self.out, "# TYPE {name} {word}");
        if let (Format::OpenMetrics, Some(unit)) = (self.format, unit(name)) {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
        let _ = write!(self.out, "# HELP {name} ");
        escape(&mut self.out, family.help(), self.format == Format::OpenMetrics);
        self.out.push('\n');
    }

    fn histogram(
        &mut self,
        name: &str,
        labels: &str,
        histogram: &Histogram,
        exemplars: Option<Arc<Exemplars>>,
    ) {
        let count = histogram.get_sample_count();
        let finite = histogram.get_bucket().iter();
        let finite = finite.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        for (place, (bound, count)) in finite.chain([(f64::INFINITY, count)]).enumerate() {
            self.name(name, "_bucket", labels, Some(bound));
            let _ = write!(self.out, "{count}");
            self.exemplar(exemplars.as_deref(), place);
            self.out.push('\n');
        }
        self.name(name, "_sum", labels, None);
        self.value(histogram.get_sample_sum());
        self.out.push('\n');
        self.name(name, "_count", labels, None);
        let _ = writeln!(self.out, "{count}");
    }

    fn exemplar(&mut self, exemplars: Option<&Exemplars>, bucket: usize) {
        let exemplar = exemplars.filter(|_| self.format == Format::OpenMetrics);
        let Some(exemplar) = exemplar.and_then(|exemplars| exemplars.of(bucket)) else { return };
        let (trace, seconds, at) = (exemplar.trace, exemplar.seconds, exemplar.at);
        let _ = write!(self.out, " # {{trace_id=\"{trace:032x}\"}} {seconds} {at:.3}");
    }

    /// All of a sample but its value.
    fn name(&mut self, name: &str, suffix: &str, labels: &str, bound: Option<f64>) {
        self.out.push_str(name);
        self.out.push_str(suffix);
        if let Some(bound) = bound {
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = write!(self.out, "{{{labels}{comma}le=\"");
            bound_into(&mut self.out, bound);
            self.out.push_str("\"}");
        } else if !labels.is_empty() {
            let _ = write!(self.out, "{{{labels}}}");
        }
        self.out.push(' ');
    }

    fn value(&mut self, value: f64) {
        let _ = match value {
            f64::INFINITY => write!(self.out, "+Inf"),
            f64::NEG_INFINITY => write!(self.out, "-Inf"),
            // Rust's own word for the rest is `NaN`.
            value => write!(self.out, "{value}"),
        };
    }
}

fn value(kind: MetricType, metric: &Metric) -> f64 {
    match kind {
        MetricType::COUNTER => metric.get_counter().get_value(),
        _ => metric.get_gauge().get_value(),
    }
}

/// Canonical, as Go writes it: `1.0`, `0.25`, `5e-05`, `+Inf`.
fn bound_into(out: &mut String, bound: f64) {
    let start = out.len();
    let _ = match bound.is_infinite() {
        true => write!(out, "+Inf"),
        false => write!(out, "{bound:?}"),
    };
    if out.len() > start + 2 && out.as_bytes()[out.len() - 2] == b'-' {
        out.insert(out.len() - 1, '0');
    }
}

/// Without braces.
fn labels(pairs: &[LabelPair]) -> String {
    let mut text = String::new();
    for pair in pairs {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{}=\"", pair.name());
        escape(&mut text, pair.value(), true);
        text.push('"');
    }
    text
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{CounterVec, Gauge, HistogramOpts, HistogramVec, Opts, Registry};

    use super::*;

    const BOUNDS: &[f64] = &[0.25, 1.0];

    fn families(collector: impl prometheus::core::Collector + 'static) -> Vec<MetricFamily> {
        let registry = Registry::new();
        registry.register(Box::new(collector)).unwrap();
        registry.gather()
    }

    #[test]
    fn counters_are_named_as_each_format_wants() {
        let counter = CounterVec::new(Opts::new("a_seconds_total", "Says \"a\\b\"\n."), &["x"]);
        let counter = counter.unwrap();
        counter.with_label_values(&["q\"\\\n"]).inc_by(2.5);
        let families = families(counter);
        let sample = "a_seconds_total{x=\"q\\\"\\\\\\n\"} 2.5\n";
        assert_eq!(
            write(&families, Format::Text, &[]),
            format!(
                "# TYPE a_seconds_total counter\n# HELP a_seconds_total Says \"a\\\\b\"\\n.\n{sample}"
            )
        );
        assert_eq!(
            write(&families, Format::OpenMetrics, &[]),
            format!(
                "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Says \\\"a\\\\b\\\"\\n.\n{sample}# EOF\n"
            )
        );
    }

    #[test]
    fn bounds_are_canonical() {
        let rows = [(5e-5, "5e-05"), (2.5e-5, "2.5e-05"), (1e-4, "0.0001"), (60.0, "60.0")];
        for (bound, text) in rows {
            let mut out = String::new();
            bound_into(&mut out, bound);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn numbers_that_are_none() {
        let gauge = Gauge::new("g", "G.").unwrap();
        for (value, text) in [
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (3.0, "3"),
            (1e-7, "0.0000001"),
        ] {
            gauge.set(value);
            let written = write(&families(gauge.clone()), Format::Text, &[]);
            assert_eq!(written, format!("# TYPE g gauge\n# HELP g G.\ng {text}\n"));
        }
    }

    #[test]
    fn exemplars_stand_behind_their_buckets_in_one_format() {
        let options = HistogramOpts::new("h_seconds", "H.").buckets(BOUNDS.to_vec());
        let histograms = HistogramVec::new(options, &["route", "class"]).unwrap();
        let traced = TracedVec::new(histograms, "h_seconds", &["route", "class"], BOUNDS);
        let one = traced.with_label_values(&["r", "2xx"]);
        one.observe(0.5, Some(0xabc));
        one.observe(9.0, None);
        let families = families(traced.clone());
        let text = write(&families, Format::Text, &[&traced]);
        let labels = "class=\"2xx\",route=\"r\"";
        let buckets = ["0.25\"} 0", "1.0\"} 1", "+Inf\"} 2"];
        let lines: Vec<_> = text.lines().skip(2).map(str::to_owned).collect();
        let expected = buckets.map(|end| format!("h_seconds_bucket{{{labels},le=\"{end}"));
        assert_eq!(lines[..3], expected);
        assert_eq!(lines[3], format!("h_seconds_sum{{{labels}}} 9.5"));
        assert_eq!(lines[4], format!("h_seconds_count{{{labels}}} 2"));
        let open = write(&families, Format::OpenMetrics, &[&traced]);
        let told: Vec<_> = open.lines().filter(|line| line.contains(" # {")).collect();
        let start = format!("{} # {{trace_id=\"{:032x}\"}} 0.5 1", expected[1], 0xabc);
        assert!(told.len() == 1 && told[0].starts_with(&start), "{told:?}");
    }
}
