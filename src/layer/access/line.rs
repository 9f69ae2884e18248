//! How access lines look. Whatever a client sends, a line stays one line, and a quoted field ends where its quote does.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::SystemTime;

use http::{HeaderValue, Version};
use serde::Serialize;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::redact::Redaction;
use super::{End, Kept};
use crate::telemetry::log::escape;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: String,
    trace_id: Option<String>,
    peer: Option<IpAddr>,
    client: Option<IpAddr>,
    method: &'a str,
    host: Option<String>,
    path: String,
    query: Option<String>,
    protocol: &'static str,
    route: &'a str,
    status: u16,
    reason: Option<&'a str>,
    whole: bool,
    seconds: f64,
    bytes_received: u64,
    bytes_sent: u64,
    upstream: Option<&'a str>,
    upstream_seconds: Option<f64>,
    referer: Option<String>,
    user_agent: Option<String>,
}

/// One JSON object.
pub(super) fn json(kept: &Kept, end: &End<'_>, redaction: &Redaction) -> String {
    let waited = kept.waited.as_ref();
    let line = Line {
        time: now(),
        request_id: end.id.to_string(),
        trace_id: kept.trace.map(|trace| format!("{trace:032x}")),
        peer: end.peer,
        client: kept.client,
        method: end.method.as_str(),
        host: kept.host.as_ref().map(|host| escape(host.as_bytes())),
        path: escape(kept.uri.path().as_bytes()),
        query: kept.uri.query().map(|query| escape(redaction.query(query).as_bytes())),
        protocol: protocol(kept.version),
        route: end.route,
        status: end.status,
        reason: end.reason,
        whole: end.is_whole,
        seconds: end.took.as_secs_f64(),
        bytes_received: kept.received(),
        bytes_sent: end.sent,
        upstream: waited.map(|waited| waited.upstream.name.as_str()),
        upstream_seconds: waited.map(|waited| waited.time.as_secs_f64()),
        referer: kept.referer.as_ref().map(|url| escape(referer(url, redaction).as_bytes())),
        user_agent: kept.agent.as_ref().map(|agent| escape(agent.as_bytes())),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// For people.
pub(super) fn text(kept: &Kept, end: &End<'_>, redaction: &Redaction) -> String {
    format!(
        "{} {} {} {} {} {} {} {:?} {}B {}{}",
        now(),
        address(kept.client),
        end.method,
        escape(target(kept, redaction).as_bytes()),
        end.status,
        end.route,
        end.reason.unwrap_or("-"),
        end.took,
        end.sent,
        end.id,
        if end.is_whole { "" } else { " cut" },
    )
}

/// The NCSA combined format, as Apache and nginx write it and their readers expect it.
pub(super) fn combined(kept: &Kept, end: &End<'_>, redaction: &Redaction) -> String {
    let quoted = |value: Option<&HeaderValue>| {
        value.map_or("-".to_owned(), |value| quotable(value.as_bytes()))
    };
    let referer = kept.referer.as_ref().map(|url| quotable(referer(url, redaction).as_bytes()));
    format!(
        "{} - - [{}] \"{} {} {}\" {} {} \"{}\" \"{}\"",
        address(kept.client),
        clf_time(SystemTime::now()),
        end.method,
        quotable(target(kept, redaction).as_bytes()),
        protocol(kept.version),
        end.status,
        end.sent,
        referer.unwrap_or("-".to_owned()),
        quoted(kept.agent.as_ref()),
    )
}

fn address(client: Option<IpAddr>) -> String {
    client.map_or("-".to_owned(), |client| client.to_string())
}

/// The path, and the query without its secrets.
fn target<'a>(kept: &'a Kept, redaction: &Redaction) -> Cow<'a, str> {
    match kept.uri.query() {
        None => Cow::Borrowed(kept.uri.path()),
        Some(query) => Cow::Owned(format!("{}?{}", kept.uri.path(), redaction.query(query))),
    }
}

fn referer<'a>(value: &'a HeaderValue, redaction: &Redaction) -> Cow<'a, str> {
    match String::from_utf8_lossy(value.as_bytes()) {
        Cow::Borrowed(url) => redaction.url(url),
        Cow::Owned(url) => Cow::Owned(redaction.url(&url).into_owned()),
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// As nginx escapes: quotes, backslashes and whatever is not printable ASCII become `\xHH`.
fn quotable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'"' | b'\\' | 0..32 | 127.. => {
                let _never_fails = write!(text, "\\x{byte:02X}");
            }
            byte => text.push(char::from(*byte)),
        }
    }
    text
}

/// `10/Oct/2000:13:55:36 +0000`, made of `Tue, 10 Oct 2000 13:55:36 GMT`.
fn clf_time(now: SystemTime) -> String {
    let date = httpdate::fmt_http_date(now);
    format!("{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25])
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_time_of_the_common_log_format() {
        let at = UNIX_EPOCH + Duration::from_secs(971_186_136);
        assert_eq!(clf_time(at), "10/Oct/2000:13:55:36 +0000");
    }

    #[test]
    fn nothing_ends_a_quoted_field_but_its_quote() {
        let rows: [(&[u8], &str); 4] = [
            (b"plain", "plain"),
            (b"a\" 200 5 \"", "a\\x22 200 5 \\x22"),
            (b"\\\r\n\t\x1b\x7f", "\\x5C\\x0D\\x0A\\x09\\x1B\\x7F"),
            ("\u{e9}".as_bytes(), "\\xC3\\xA9"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(quotable(bytes), expected);
        }
    }
}
