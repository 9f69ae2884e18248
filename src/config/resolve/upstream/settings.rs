//! The settings of one upstream besides where it listens: each with its default and its limits.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::Upstream;
use crate::config::raw::{self, Field, Off};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::config::upstream::{Balance, Eject, Health, Limit, Protocol};

use super::super::limits::count_or_off;
use super::super::{number, parsed, require, value, value_or, word};
use super::{Places, tls};

const PROTOCOLS: &[(&str, Protocol)] = &[("http1", Protocol::Http1), ("http2", Protocol::Http2)];
const BALANCES: &[(&str, Balance)] =
    &[("round_robin", Balance::RoundRobin), ("least_connections", Balance::LeastConnections)];
const MOST_IN_FLIGHT: i64 = 1_000_000;

/// Puts an upstream together; `None` after noting why not.
pub(super) fn upstream(
    name: String,
    places: Places,
    raw: &raw::Upstream,
    source: &mut Source<'_>,
) -> Option<Upstream> {
    let time = |field: &Option<Field<Off<Duration>>>, default: u64| {
        value_or(field.as_ref(), Off::On(Duration::from_secs(default))).on()
    };
    let response_timeout = time(&raw.response_timeout, 60);
    let response_idle_timeout = raw
        .response_idle_timeout
        .as_ref()
        .map_or(response_timeout, |_| time(&raw.response_idle_timeout, 60));
    Some(Upstream {
        name,
        protocol: word(raw.protocol.as_ref(), "protocol", PROTOCOLS, Protocol::Http1, source),
        tls: tls::of(raw.tls.as_ref(), &places, source),
        balance: word(raw.balance.as_ref(), "balance", BALANCES, Balance::RoundRobin, source),
        limit: limit(raw, source),
        health: raw.health.as_ref().and_then(|field| health(field, source)),
        eject: eject(raw.eject.as_ref(), source),
        resolve: time(&raw.resolve, 10),
        connect_timeout: time(&raw.connect_timeout, 5),
        response_timeout,
        response_idle_timeout,
        idle_timeout: time(&raw.idle_timeout, 4),
        tunnel_timeout: time(&raw.tunnel_timeout, 60 * 60),
        origins: places.origins,
    })
}

fn limit(raw: &raw::Upstream, source: &mut Source<'_>) -> Option<Limit> {
    let max_connections = max_connections(raw.max_connections.as_ref(), source);
    let is_off = value(raw.max_connections.as_ref()).is_none_or(|max| *max == Off::Off);
    if let (Some(queue), true, false) = (&raw.queue, is_off, raw.meant.contains(&"max_connections"))
    {
        let problem = Problem::at(&queue.span, "nobody waits where `max_connections` is off");
        source.wrong(problem.help("write max_connections = 100, or remove `queue`"));
    }
    let default = raw::UpstreamQueue::default();
    let queue = value(raw.queue.as_ref()).unwrap_or(&default);
    let queue_length = count_or_off(queue.length.as_ref(), "length", 100_000, 100, source);
    let queue_timeout = value_or(queue.timeout.as_ref(), Off::On(Duration::from_secs(5))).on();
    Some(Limit { max_connections: max_connections?, queue_length, queue_timeout })
}

/// `None` for off, or after noting what is wrong.
fn max_connections(field: Option<&Field<Off<i64>>>, source: &mut Source<'_>) -> Option<usize> {
    let field = field?;
    let written = (*field.value.as_ref()?).on()?;
    if !(1..=MOST_IN_FLIGHT).contains(&written) {
        let message = format!("`max_connections` must be from 1 to {MOST_IN_FLIGHT}");
        source.wrong(
            Problem::at(&field.span, message)
                .help("write max_connections = \"off\" for no limit, or a number within these"),
        );
    }
    usize::try_from(written).ok()
}

fn health(field: &Field<raw::Health>, source: &mut Source<'_>) -> Option<Health> {
    let raw = field.value.as_ref()?;
    let mend = "write what is asked for: path = \"/healthz\"";
    require(raw.path.as_ref(), "path", (&field.span, &raw.meant), mend, source);
    let path = parsed(raw.path.as_ref(), source, target);
    let host = parsed(raw.host.as_ref(), source, authority);
    let rise = count(raw.rise.as_ref(), "rise", 2, source);
    let fall = count(raw.fall.as_ref(), "fall", 3, source);
    let status = parsed(raw.status.as_ref(), source, statuses);
    Some(Health {
        path: path?,
        host,
        interval: value_or(raw.interval.as_ref(), Duration::from_secs(5)),
        timeout: value_or(raw.timeout.as_ref(), Duration::from_secs(2)),
        rise,
        fall,
        status: status.unwrap_or(200..=399),
    })
}

fn eject(field: Option<&Field<Off<raw::Eject>>>, source: &mut Source<'_>) -> Option<Eject> {
    let default = raw::Eject::default();
    let raw = match value(field) {
        Some(Off::Off) => return None,
        Some(Off::On(raw)) => raw,
        None => &default,
    };
    Some(Eject {
        failures: count(raw.failures.as_ref(), "failures", 5, source),
        lasts: value_or(raw.lasts.as_ref(), Duration::from_secs(10)),
        server_errors: value_or(raw.server_errors.as_ref(), false),
    })
}

fn count(field: Option<&Field<i64>>, key: &str, default: u32, source: &mut Source<'_>) -> u32 {
    let count = number(field, key, 1..=1000, default as usize, source);
    u32::try_from(count).unwrap_or(default)
}

/// Origin-form (RFC 9112 section 3.2.1).
fn target(text: &str) -> Result<String, Complaint> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if text.starts_with('/') && is_visible && text.parse::<http::uri::PathAndQuery>().is_ok() {
        return Ok(text.to_owned());
    }
    let mend = "write a path as a client sends it: path = \"/healthz\"";
    Err(Complaint::new(format!("`{text}` is no path"), mend))
}

fn authority(text: &str) -> Result<String, Complaint> {
    match text.parse::<http::uri::Authority>() {
        Ok(host) if !text.contains('@') && !host.host().is_empty() => Ok(text.to_owned()),
        _ => {
            let mend = "write host = \"app.internal\"";
            Err(Complaint::new(format!("`{text}` is no host"), mend))
        }
    }
}

/// `200`, or `200-399`.
fn statuses(text: &str) -> Result<RangeInclusive<u16>, Complaint> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => {
            let message = format!("`{text}` is no range of statuses");
            Err(Complaint::new(message, "write status = \"200\" or status = \"200-399\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_statuses() {
        for (text, range) in [("200", 200..=200), ("200-399", 200..=399), ("100-599", 100..=599)] {
            assert_eq!(statuses(text), Ok(range), "{text}");
        }
        for text in ["", "-", "20", "600", "399-200", "200-", "2xx", "200-399-500"] {
            assert!(statuses(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_check_may_ask_for() {
        for text in ["/", "/healthz", "/a?b=c"] {
            assert_eq!(target(text).as_deref(), Ok(text));
        }
        for text in ["", "healthz", "/a b", "/#x", "http://a/", "*"] {
            assert!(target(text).is_err(), "{text}");
        }
        assert!(authority("app.internal:80").is_ok());
        for text in ["", "a b", "u@a", "a/b"] {
            assert!(authority(text).is_err(), "{text}");
        }
    }
}
