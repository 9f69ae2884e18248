//! `request_headers` and `response_headers`: what may be changed, and what is not the operator's to change.

use http::{HeaderName, HeaderValue};

use super::{form, matching, parsed, value};
use crate::config::Edits;
use crate::config::raw::{self, Field, Named};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};

/// Headers with a reason not to touch them.
type Refused = (&'static [&'static str], &'static str, &'static str);

const CONNECTION: Refused = (
    &[
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "proxy-authenticate",
    ],
    "belongs to one connection and is not passed on",
    "remove it here",
);
const FRAMING: Refused = (
    &["content-length", "transfer-encoding", "expect"],
    "says where a message ends: the proxy writes it",
    "remove it here",
);
const HOST: Refused =
    (&["host"], "is what the client asked for: routes were chosen by it", "remove it here");
const FORWARDED: Refused = (
    &[
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-real-ip",
        "x-original-url",
        "x-rewrite-url",
        "proxy",
    ],
    "says who asked: the proxy writes it, or takes it from [server] trusted_proxies",
    "remove it here, and name whom you believe in trusted_proxies",
);
const OWN: Refused = (
    &["x-request-id"],
    "names the request: the proxy writes it on each answer",
    "remove it here; [trace] request_id = false leaves it to the app",
);
const DATE: Refused =
    (&["date"], "is the moment of the answer: the proxy writes it", "remove it here");

/// `request_headers = { … }`.
pub(super) fn request(
    field: Option<&Field<raw::Headers>>,
    source: &mut Source<'_>,
) -> Option<Edits> {
    let Some(field) = field else { return Some(Edits::default()) };
    let raw::Headers { remove, set, add, meant } = field.value.as_ref()?;
    let refused = [CONNECTION, FRAMING, HOST, FORWARDED];
    edits(field, (remove.as_ref(), set.as_ref(), add.as_ref(), meant), &refused, source)
}

/// `response_headers = { … }`.
pub(super) fn response(
    field: Option<&Field<raw::ResponseHeaders>>,
    source: &mut Source<'_>,
) -> Option<Edits> {
    let Some(field) = field else { return Some(Edits::default()) };
    let raw::ResponseHeaders { remove, set, add, meant } = field.value.as_ref()?;
    let refused = [CONNECTION, FRAMING, OWN, DATE];
    edits(field, (remove.as_ref(), set.as_ref(), add.as_ref(), meant), &refused, source)
}

/// What is written of each kind, and the keys that were misspelt.
type Written<'w> = (
    Option<&'w Field<Vec<Field<String>>>>,
    Option<&'w Field<Named<String>>>,
    Option<&'w Field<Named<String>>>,
    &'w [&'static str],
);

fn edits<T>(
    field: &Field<T>,
    (remove, set, add, meant): Written<'_>,
    refused: &[Refused],
    source: &mut Source<'_>,
) -> Option<Edits> {
    let mut removed: Vec<HeaderName> = Vec::new();
    for one in value(remove).into_iter().flatten() {
        removed.push(parsed(Some(one), source, |text| name(text, refused, &removed))?);
    }
    let edits = Edits {
        remove: removed,
        set: named(set, refused, source)?,
        add: named(add, refused, source)?,
    };
    if edits.is_empty() && meant.is_empty() {
        let problem = Problem::at(&field.span, "this changes no header");
        source.wrong(
            problem.help(
                "write { set = { name = \"value\" } }, { add = … } or { remove = [\"name\"] }",
            ),
        );
    }
    Some(edits)
}

fn named(
    field: Option<&Field<Named<String>>>,
    refused: &[Refused],
    source: &mut Source<'_>,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (key, field) in value(field).map(|named| named.0.as_slice()).unwrap_or_default() {
        let known: Vec<_> = headers.iter().map(|(name, _)| name.clone()).collect();
        let name = parsed(Some(key), source, |text| name(text, refused, &known));
        let value = parsed(Some(field), source, matching::header_value);
        headers.push((name?, value?));
    }
    Some(headers)
}

fn name(text: &str, refused: &[Refused], known: &[HeaderName]) -> Result<HeaderName, Complaint> {
    let name = form::header(text)?;
    if let Some((_, why, mend)) = refused.iter().find(|(names, ..)| names.contains(&name.as_str()))
    {
        return Err(Complaint::new(format!("`{name}` {why}"), *mend));
    }
    match known.contains(&name) {
        true => Err(Complaint::new(format!("the header `{name}` stands twice"), "write it once")),
        false => Ok(name),
    }
}
