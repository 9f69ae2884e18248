//! What is against the rules of HTTP, or means different things to different readers, is refused or mended before any
//! route sees it.

pub mod host;
pub mod path;

use std::borrow::Cow;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING,
};
use http::request::Parts as Head;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Uri, Version};

use crate::handler::Error;
use crate::handler::headers::settle_connection;

/// Refuses or mends `head`. A body announced as larger than `max_body_size` is refused too.
///
/// # Errors
/// What is wrong; on HTTP/1 the connection is to be closed then.
pub fn mend(head: &mut Head, max_body_size: Option<u64>) -> Result<(), Error> {
    method(&head.method)?;
    target(head)?;
    let found = Found::of(&head.headers);
    let host = host(&found, &head.uri, head.version)?;
    framing(&found, max_body_size)?;
    values(head)?;
    // RFC 9110 section 10.1.1. hyper sends the 100 when the body is first read.
    if found.has_other_expectation {
        return Err(Error::ExpectationRefused);
    }
    let Found { expects, has_ambiguous_name, has_connection, .. } = found;
    if let Some(host) = host {
        head.headers.insert(HOST, host);
    }
    if expects {
        head.headers.remove(EXPECT);
    }
    if has_ambiguous_name {
        drop_ambiguous_names(&mut head.headers);
    }
    if has_connection {
        settle_connection(&mut head.headers);
    }
    canonical_path(&mut head.uri)
}

fn method(method: &Method) -> Result<(), Error> {
    match *method {
        Method::CONNECT | Method::TRACE => Err(Error::MethodRefused),
        _ => Ok(()),
    }
}

/// RFC 9112 section 3.2: the origin and the absolute form, and `*` for OPTIONS.
fn target(head: &Head) -> Result<(), Error> {
    let uri = &head.uri;
    let known = [None, Some(&Scheme::HTTP), Some(&Scheme::HTTPS)];
    if !known.contains(&uri.scheme()) {
        return Err(Error::BadRequest("the target's scheme is neither http nor https"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Error::BadRequest("the target names a user"));
    }
    let is_asterisk = uri.path() == "*" && head.method == Method::OPTIONS;
    let is_absolute = uri.scheme().is_some() || uri.authority().is_none();
    // http::Uri reads a query alone as one of `/`; `:path` must not be so.
    let is_query = uri.path_and_query().is_some_and(|all| all.as_str().starts_with('?'));
    let is_path = uri.path().starts_with('/') && !(is_query && head.version == Version::HTTP_2);
    match is_absolute && (is_path || is_asterisk) {
        true => Ok(()),
        false => Err(Error::BadRequest("the target is no absolute path")),
    }
}

/// What the rules look at, found in one pass over the headers.
#[derive(Default)]
struct Found<'a> {
    host: Option<&'a HeaderValue>,
    coding: Option<&'a HeaderValue>,
    length: Option<&'a HeaderValue>,
    has_two_hosts: bool,
    has_two_codings: bool,
    expects: bool,
    has_other_expectation: bool,
    has_ambiguous_name: bool,
    has_connection: bool,
}

impl<'a> Found<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            if *name == HOST {
                found.has_two_hosts |= found.host.replace(value).is_some();
            } else if *name == CONTENT_LENGTH {
                found.length = Some(value);
            } else if *name == TRANSFER_ENCODING {
                found.has_two_codings |= found.coding.replace(value).is_some();
            } else if *name == EXPECT {
                found.expects = true;
                found.has_other_expectation |=
                    !value.as_bytes().eq_ignore_ascii_case(b"100-continue");
            } else if *name == CONNECTION {
                found.has_connection = true;
            } else {
                found.has_ambiguous_name |= is_ambiguous(name);
            }
        }
        found
    }
}

/// `a_b` and `a-b` are one name to CGI and WSGI: the former could stand in for a header that the proxy vouches for.
fn is_ambiguous(name: &HeaderName) -> bool {
    name.as_str().contains('_')
}

/// RFC 9112 section 3.2, RFC 9113 section 8.3.1: what is to be the one `Host`, where the header is not that already.
fn host(found: &Found<'_>, uri: &Uri, version: Version) -> Result<Option<HeaderValue>, Error> {
    match (version, found.host) {
        _ if found.has_two_hosts => return Err(Error::BadRequest("more than one Host header")),
        (Version::HTTP_11, None) => return Err(Error::BadRequest("no Host header")),
        (Version::HTTP_2, None) if uri.authority().is_none() => {
            return Err(Error::BadRequest("neither :authority nor host"));
        }
        _ => {}
    }
    if found.host.is_some_and(|host| !host::is_valid(host.as_bytes())) {
        return Err(Error::BadRequest("the Host header is no host"));
    }
    let Some(authority) = uri.authority().map(|authority| authority.as_str().as_bytes()) else {
        return Ok(None);
    };
    if !host::is_valid(authority) {
        return Err(Error::BadRequest("the target's authority is no host"));
    }
    let differs = found.host.is_some_and(|host| !host.as_bytes().eq_ignore_ascii_case(authority));
    if differs && version >= Version::HTTP_2 {
        return Err(Error::BadRequest("the host header is not :authority"));
    }
    Ok(HeaderValue::from_bytes(authority).ok())
}

/// `Transfer-Encoding` is exactly one `chunked`, or is not there (RFC 9112 section 6.1).
fn framing(found: &Found<'_>, max_body_size: Option<u64>) -> Result<(), Error> {
    if let Some(coding) = found.coding {
        if found.has_two_codings || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Error::CodingRefused);
        }
        if found.length.is_some() {
            return Err(Error::BadRequest("both Content-Length and Transfer-Encoding"));
        }
    }
    let length = found.length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match (length, max_body_size) {
        (Some(length), Some(limit)) if length > limit => Err(Error::BodyTooLarge(limit)),
        _ => Ok(()),
    }
}

/// RFC 9113 section 8.2.1: HTTP/1.1 would not keep the spaces around a value.
fn values(head: &Head) -> Result<(), Error> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_padded = |value: &HeaderValue| {
        is_space(value.as_bytes().first()) || is_space(value.as_bytes().last())
    };
    match head.version == Version::HTTP_2 && head.headers.values().any(is_padded) {
        true => Err(Error::BadRequest("a value with spaces around it")),
        false => Ok(()),
    }
}

fn drop_ambiguous_names(headers: &mut HeaderMap) {
    let names = headers.keys().filter(|name| is_ambiguous(name));
    let ambiguous: Vec<HeaderName> = names.cloned().collect();
    for name in ambiguous {
        headers.remove(name);
    }
}

fn canonical_path(uri: &mut Uri) -> Result<(), Error> {
    if uri.path() == "*" {
        return Ok(());
    }
    let Cow::Owned(path) = path::canonical(uri.path()).map_err(Error::BadRequest)? else {
        return Ok(());
    };
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = std::mem::take(uri).into_parts();
    let unfit = |_| Error::BadRequest("the target is no absolute path");
    parts.path_and_query = Some(path_and_query.parse::<PathAndQuery>().map_err(unfit)?);
    *uri = Uri::from_parts(parts).map_err(|_| Error::BadRequest("the target is no URI"))?;
    Ok(())
}
