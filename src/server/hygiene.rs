//! What is against the rules of HTTP, or means different things to different readers, is refused or mended before any
//! route sees it.

pub mod host;
pub mod path;

use std::borrow::Cow;

use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING};
use http::request::Parts as Head;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Uri, Version};

use crate::handler::Error;

/// Refuses or mends `head`. A body announced as larger than `max_body_size` is refused too.
///
/// # Errors
/// What is wrong; on HTTP/1 the connection is to be closed then.
pub fn mend(head: &mut Head, max_body_size: Option<u64>) -> Result<(), Error> {
    method(&head.method)?;
    target(head)?;
    host(head)?;
    framing(head, max_body_size)?;
    expectation(&mut head.headers)?;
    drop_ambiguous_names(&mut head.headers);
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
    match is_absolute && (uri.path().starts_with('/') || is_asterisk) {
        true => Ok(()),
        false => Err(Error::BadRequest("the target is no absolute path")),
    }
}

/// RFC 9112 section 3.2, RFC 9113 section 8.3.1: afterwards there is at most one `Host`, and it is what was asked for.
fn host(head: &mut Head) -> Result<(), Error> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    match (head.version, first, second) {
        (_, _, Some(_)) => return Err(Error::BadRequest("more than one Host header")),
        (Version::HTTP_11, None, _) => return Err(Error::BadRequest("no Host header")),
        _ => {}
    }
    if first.is_some_and(|host| !host::is_valid(host.as_bytes())) {
        return Err(Error::BadRequest("the Host header is no host"));
    }
    let Some(authority) = head.uri.authority() else { return Ok(()) };
    if !host::is_valid(authority.as_str().as_bytes()) {
        return Err(Error::BadRequest("the target's authority is no host"));
    }
    let differs = first
        .is_some_and(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()));
    if differs && head.version >= Version::HTTP_2 {
        return Err(Error::BadRequest("the host header is not :authority"));
    }
    if let Ok(authority) = HeaderValue::from_str(authority.as_str()) {
        head.headers.insert(HOST, authority);
    }
    Ok(())
}

/// `Transfer-Encoding` is exactly one `chunked`, or is not there (RFC 9112 section 6.1).
fn framing(head: &Head, max_body_size: Option<u64>) -> Result<(), Error> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            if head.headers.contains_key(CONTENT_LENGTH) {
                return Err(Error::BadRequest("both Content-Length and Transfer-Encoding"));
            }
        }
        _ => return Err(Error::CodingRefused),
    }
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    match (length, max_body_size) {
        (Some(length), Some(limit)) if length > limit => Err(Error::BodyTooLarge(limit)),
        _ => Ok(()),
    }
}

/// RFC 9110 section 10.1.1. hyper sends the 100 when the body is first read.
fn expectation(headers: &mut HeaderMap) -> Result<(), Error> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !headers.get_all(EXPECT).iter().all(known) {
        return Err(Error::ExpectationRefused);
    }
    headers.remove(EXPECT);
    Ok(())
}

/// `a_b` and `a-b` are one name to CGI and WSGI: the former could stand in for a header that the proxy vouches for.
fn drop_ambiguous_names(headers: &mut HeaderMap) {
    let is_ambiguous = |name: &&HeaderName| name.as_str().contains('_');
    let ambiguous: Vec<HeaderName> = headers.keys().filter(is_ambiguous).cloned().collect();
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
