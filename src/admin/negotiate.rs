//! What a scraper asks for: which format (`Accept`), and whether packed (`Accept-Encoding`); RFC 9110 section 12.5.
//! Who asks for nothing that is here gets plain text: an answer is of more use than a 406.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};

use crate::telemetry::Format;

const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_VERSION: &str = "1.0.0";
const TEXT_VERSION: &str = "0.0.4";

/// The format that is liked best. OpenMetrics goes to who names it: `*/*` is text.
pub(super) fn format(asked: &HeaderMap) -> Format {
    let ranges: Vec<Range<'_>> = ranges(asked, &ACCEPT).collect();
    let best = |names: &[&str], version| {
        let of = |name: &&str| {
            let named = ranges.iter().filter(|range| range.is(name, version));
            named.map(|range| range.quality).max_by(f32::total_cmp)
        };
        // The most specific range that fits has the word.
        names.iter().find_map(of).unwrap_or(0.0)
    };
    let open_metrics = best(&[OPEN_METRICS], OPEN_METRICS_VERSION);
    let text = best(&["text/plain", "text/*", "*/*"], TEXT_VERSION);
    if open_metrics > 0.0 && open_metrics >= text { Format::OpenMetrics } else { Format::Text }
}

/// Whether the answer is to be packed: only for who says so, and not where plain is liked better.
pub(super) fn wants_gzip(asked: &HeaderMap) -> bool {
    let codings: Vec<Range<'_>> = ranges(asked, &ACCEPT_ENCODING).collect();
    let of = |names: &[&str]| {
        let named = |name: &&str| codings.iter().find(|one| one.name.eq_ignore_ascii_case(name));
        names.iter().find_map(named).map(|one| one.quality)
    };
    let gzip = of(&["gzip", "x-gzip", "*"]).unwrap_or(0.0);
    gzip > 0.0 && gzip >= of(&["identity"]).unwrap_or(0.0)
}

/// `text`, packed; as it is where that fails, which nothing in memory should.
pub(super) fn gzip(text: Vec<u8>) -> (Vec<u8>, bool) {
    let mut packer = GzEncoder::new(Vec::with_capacity(text.len() / 16), Compression::default());
    match packer.write_all(&text).and_then(|()| packer.finish()) {
        Ok(packed) => (packed, true),
        Err(_) => (text, false),
    }
}

/// One element of a list with weights.
struct Range<'a> {
    name: &'a str,
    version: Option<&'a str>,
    quality: f32,
}

impl<'a> Range<'a> {
    /// `None` for a weight that is none: what is not understood is not asked for.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self { name: parts.next()?, version: None, quality: 1.0 };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("q") => range.quality = quality(value)?,
                name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
                _ => {}
            }
        }
        Some(range)
    }

    fn is(&self, name: &str, version: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.version.is_none_or(|asked| asked == version)
    }
}

/// RFC 9110 section 12.4.2.
fn quality(text: &str) -> Option<f32> {
    text.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))
}

fn ranges<'a>(asked: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = Range<'a>> {
    let values = asked.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(Range::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn who_names_a_format_gets_it() {
        const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let rows: [(&[&str], Format); 17] = [
            (&[], Format::Text),
            (&[""], Format::Text),
            (&["*/*"], Format::Text),
            (&["application/*"], Format::Text),
            (&["text/plain"], Format::Text),
            (&["application/json"], Format::Text),
            (&[PROMETHEUS], Format::OpenMetrics),
            (&["application/openmetrics-text; version=1.0.0"], Format::OpenMetrics),
            (&["Application/OpenMetrics-Text;Version=\"1.0.0\" ; Q=0.1"], Format::OpenMetrics),
            (&["text/plain", "application/openmetrics-text"], Format::OpenMetrics),
            (&["application/openmetrics-text;version=0.0.1"], Format::Text),
            (&["application/openmetrics-text;version=2.0.0, */*;q=0.1"], Format::Text),
            (&["application/openmetrics-text;q=0"], Format::Text),
            (&["application/openmetrics-text;q=0.5, text/plain"], Format::Text),
            (&["application/openmetrics-text;q=0.5, text/plain;q=0.2, */*"], Format::OpenMetrics),
            (&["application/openmetrics-text;q=0.5, */*"], Format::Text),
            (&["application/openmetrics-text;q=2, text/plain;q=0.1"], Format::Text),
        ];
        for (values, expected) in rows {
            assert_eq!(format(&headers(ACCEPT, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn packed_is_for_who_asks() {
        let rows: [(&[&str], bool); 13] = [
            (&[], false),
            (&[""], false),
            (&["gzip"], true),
            (&["deflate, GZIP;q=0.1"], true),
            (&["br", "gzip"], true),
            (&["x-gzip"], true),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["gzip;q=0, *"], false),
            (&["gzip;q=0.000"], false),
            (&["identity, gzip;q=0.5"], false),
            (&["identity;q=0.5, gzip"], true),
            (&["br, zstd"], false),
        ];
        for (values, expected) in rows {
            assert_eq!(wants_gzip(&headers(ACCEPT_ENCODING, values)), expected, "{values:?}");
        }
    }
}
