//! One raw head: how its message is framed (RFC 9112 section 6), or why it has no one meaning.

use std::mem::MaybeUninit;

use http::Uri;
use httparse::{Header, Request};

use crate::handler::Error;

/// `http::Uri` takes no longer one.
const LONGEST_TARGET: usize = 65_534;
/// hyper takes no longer one.
const LONGEST_NAME: usize = 65_535;

/// More headers than any configuration allows.
pub const MOST_HEADERS: usize = 256;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes.
    pub size: usize,
    /// Headers, at most [`MOST_HEADERS`].
    pub count: usize,
}

impl Limits {
    /// The refusal of a head beyond them.
    #[must_use]
    pub fn exceeded(&self) -> Error {
        Error::HeadTooLarge { size: self.size, count: self.count }
    }
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// A body of so many bytes.
    Length(u64),
    /// A chunked body.
    Chunked,
    /// No body, and perhaps no HTTP.
    Upgrade,
}

/// A whole head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Its bytes, the empty line included.
    pub length: usize,
    /// What comes after it.
    pub framing: Framing,
}

/// The head that `bytes` begin with; `None`: it is not whole.
///
/// # Errors
/// It is malformed, too large, or its framing is ambiguous.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Head>, Error> {
    let mut places = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
    let count = limits.count.min(MOST_HEADERS);
    let mut request = Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut places[..count]);
    let length = match parsed.map_err(|problem| explain(problem, limits))? {
        httparse::Status::Partial if bytes.len() >= limits.size => return Err(limits.exceeded()),
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(length) if length > limits.size => return Err(limits.exceeded()),
        httparse::Status::Complete(length) => length,
    };
    lines_end_in_crlf(&bytes[..length])?;
    target(request.path.unwrap_or_default(), limits)?;
    let framing = framing(&request, limits)?;
    Ok(Some(Head { length, framing }))
}

fn explain(problem: httparse::Error, limits: &Limits) -> Error {
    Error::BadRequest(match problem {
        httparse::Error::TooManyHeaders => return limits.exceeded(),
        httparse::Error::HeaderName => "a header's name is malformed",
        httparse::Error::HeaderValue => "a header's value has a byte that must not be there",
        httparse::Error::NewLine => "a line that ends in CR alone",
        httparse::Error::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
        httparse::Error::Status | httparse::Error::Token => "the request line is malformed",
    })
}

/// RFC 9112 section 2.2 allows LF alone; readers that do not know that would see other headers.
fn lines_end_in_crlf(head: &[u8]) -> Result<(), Error> {
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    match lines.all(|line| line.ends_with(b"\r\n")) {
        true => Ok(()),
        false => Err(Error::BadRequest("a line that ends in LF alone")),
    }
}

/// What `http::Uri` refuses is refused here, where it can be explained; what it would cut off is no target at all.
fn target(target: &str, limits: &Limits) -> Result<(), Error> {
    if target.len() > LONGEST_TARGET {
        return Err(limits.exceeded());
    }
    let is_good = match target.as_bytes().split(|byte| *byte == b'?').next() {
        Some(path @ [b'/', ..]) => {
            is_spelled(path, b'`') && is_spelled(&target.as_bytes()[path.len()..], b'"')
        }
        _ => !target.contains('#') && target.parse::<Uri>().is_ok(),
    };
    match is_good {
        true => Ok(()),
        false => Err(Error::BadRequest("the target is malformed")),
    }
}

/// No fragment begins in it, nor is there what must be encoded; httparse let no control character pass.
fn is_spelled(part: &[u8], must_be_encoded: u8) -> bool {
    !part.iter().any(|byte| matches!(byte, b'#' | b'<' | b'>') || *byte == must_be_encoded)
}

fn framing(request: &Request<'_, '_>, limits: &Limits) -> Result<Framing, Error> {
    let mut length = None;
    let mut is_chunked = false;
    let mut upgrades = false;
    for header in request.headers.iter() {
        // By length first: most names are none of these.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let before = length.replace(content_length(header.value)?);
                before
                    .map_or(Ok(()), |_| Err(Error::BadRequest("more than one Content-Length")))?;
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                let is_only = !std::mem::replace(&mut is_chunked, true);
                if !(is_only && header.value.eq_ignore_ascii_case(b"chunked")) {
                    return Err(Error::CodingRefused);
                }
            }
            7 if header.name.eq_ignore_ascii_case("upgrade") => {
                upgrades |= header.value.eq_ignore_ascii_case(b"websocket");
            }
            length if length > LONGEST_NAME => return Err(limits.exceeded()),
            _ => {}
        }
    }
    match (is_chunked, length) {
        (true, Some(_)) => Err(Error::BadRequest("both Content-Length and Transfer-Encoding")),
        (true, None) if request.version == Some(0) => {
            Err(Error::BadRequest("Transfer-Encoding on HTTP/1.0"))
        }
        (true, None) => Ok(Framing::Chunked),
        (false, Some(length @ 1..)) => Ok(Framing::Length(length)),
        (false, _) if upgrades && request.method == Some("GET") => Ok(Framing::Upgrade),
        (false, _) => Ok(Framing::None),
    }
}

/// Digits and nothing else (RFC 9110 section 8.6): no sign, no list.
fn content_length(value: &[u8]) -> Result<u64, Error> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| is_number);
    number
        .and_then(|digits| digits.parse().ok())
        .ok_or(Error::BadRequest("Content-Length is no number of bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { size: 200, count: 4 };

    fn told(headers: &str) -> Result<Framing, u16> {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        match read(text.as_bytes(), &LIMITS) {
            Ok(Some(head)) => Ok(head.framing),
            Ok(None) => Err(0),
            Err(error) => Err(error.status_and_reason().0.as_u16()),
        }
    }

    #[test]
    fn one_framing_or_none() {
        let rows = [
            ("", Ok(Framing::None)),
            ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
            ("Content-Length: 0\r\n", Ok(Framing::None)),
            ("Content-Length: 005\r\n", Ok(Framing::Length(5))),
            ("Content-Length:\r\n", Err(400)),
            ("Content-Length: +5\r\n", Err(400)),
            ("Content-Length: 5, 5\r\n", Err(400)),
            ("Content-Length: 0x5\r\n", Err(400)),
            ("Content-Length: 18446744073709551616\r\n", Err(400)),
            ("Content-Length: 5\r\ncontent-length: 5\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
            ("TRANSFER-ENCODING: ChunKed\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: gzip\r\n", Err(501)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(400)),
            ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Upgrade: websocket\r\n", Ok(Framing::None)),
            ("X: 1\n", Err(400)),
            ("X: 1\r\n 2\r\n", Err(400)),
            ("X : 1\r\n", Err(400)),
            ("A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n", Err(431)),
        ];
        for (headers, expected) in rows {
            assert_eq!(told(headers), expected, "{headers:?}");
        }
        assert_eq!(told(&format!("X: {}\r\n", "x".repeat(300))), Err(431));
    }

    #[test]
    fn a_target_is_one_that_hyper_takes_whole() {
        let told = |target: &str| {
            let text = format!("OPTIONS {target} HTTP/1.1\r\n\r\n");
            read(text.as_bytes(), &LIMITS).is_ok_and(|head| head.is_some())
        };
        let good =
            ["/", "/?", "/a^{|}\"~", "/a?b?c`{}^|", "*", "http://a", "https://a:1/x?y", "a:80"];
        let bad =
            ["/a#b", "/?a#", "/`", "/?\"", "/<", "/?>", "#", "http://", "http://a b", "file:///x"];
        for target in good {
            assert!(told(target), "{target}");
        }
        for target in bad {
            assert!(!told(target), "{target}");
        }
    }

    #[test]
    fn a_get_may_ask_to_upgrade_and_http_1_0_may_not_chunk() {
        let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n";
        let head = read(upgrade, &LIMITS).unwrap().unwrap();
        assert_eq!(head, Head { length: upgrade.len(), framing: Framing::Upgrade });
        assert!(read(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", &LIMITS).is_err());
        assert!(read(b"GET / HTTP/1.1\r\nHost: a\r\n", &LIMITS).unwrap().is_none());
    }
}
