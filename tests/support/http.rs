//! A small blocking HTTP/1.1 client over `std`: it sends what it is told and shows what came, byte for byte.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::place::{Place, Stream};

/// Of each read and write, unless told.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// In order, names as sent.
    pub headers: Vec<(String, String)>,
    /// Without chunk framing.
    pub body: Vec<u8>,
    /// The body ended as its framing says; `false`: the connection broke before.
    pub complete: bool,
    /// From before the connect (or the write, on an open connection) to the end of the body.
    pub elapsed: Duration,
}

impl Response {
    /// The first header of this name, any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as text, broken UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `reason` of a problem answer (RFC 9457), "" where there is none.
    pub fn reason(&self) -> String {
        serde_json::from_slice::<serde_json::Value>(&self.body)
            .ok()
            .and_then(|json| Some(json.get("reason")?.as_str()?.to_owned()))
            .unwrap_or_default()
    }
}

/// `GET path` on a connection of its own.
///
/// # Panics
/// Where no answer comes; use [`try_request`] to see the error.
#[track_caller]
pub fn get(place: impl Into<Place>, path: &str) -> Response {
    request(place, "GET", path, &[], b"")
}

/// `POST path` with this body on a connection of its own.
///
/// # Panics
/// As [`get`].
#[track_caller]
pub fn post(place: impl Into<Place>, path: &str, body: &[u8]) -> Response {
    request(place, "POST", path, &[], body)
}

/// Any request on a connection of its own.
///
/// # Panics
/// As [`get`].
#[track_caller]
pub fn request(
    place: impl Into<Place>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    match try_request(place, method, path, headers, body) {
        Ok(response) => response,
        Err(error) => panic!("{method} {path}: {error}"),
    }
}

/// Any request on a connection of its own, which is closed after it.
pub fn try_request(
    place: impl Into<Place>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let started = Instant::now();
    let mut connection = Connection::open(place)?;
    let mut headers = headers.to_vec();
    headers.push(("connection", "close"));
    let mut response = connection.request(method, path, &headers, body)?;
    response.elapsed = started.elapsed();
    Ok(response)
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    buffered: Vec<u8>,
}

impl Connection {
    /// Connects with [`TIMEOUT`].
    pub fn open(place: impl Into<Place>) -> io::Result<Self> {
        Ok(Self { stream: place.into().connect(TIMEOUT)?, buffered: Vec::new() })
    }

    /// Takes an accepted connection.
    pub fn from_stream(stream: Stream) -> Self {
        Self { stream, buffered: Vec::new() }
    }

    /// The connection itself, for shutdowns and timeouts.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends bytes as they stand.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// One request and its answer. `Host` and `Content-Length` are added unless given.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let started = Instant::now();
        self.send(&encode(method, path, headers, body))?;
        let mut response = self.response(method)?;
        response.elapsed = started.elapsed();
        Ok(response)
    }

    /// The next answer to a request of this method; interim ones (1xx) are passed over.
    pub fn response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let mut response = parse_head(&self.head()?)?;
            if (100..200).contains(&response.status) && response.status != 101 {
                continue;
            }
            let empty = method == "HEAD" || matches!(response.status, 101 | 204 | 304);
            response.complete = empty || self.body(&mut response)?;
            return Ok(response);
        }
    }

    /// A head, with its empty line.
    pub fn head(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffered.windows(4).position(|w| w == b"\r\n\r\n") {
                return Ok(self.buffered.drain(..at + 4).collect());
            }
            if self.fill()? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!(
                        "closed before a whole head; had {:?}",
                        String::from_utf8_lossy(&self.buffered)
                    ),
                ));
            }
        }
    }

    /// All until the other side ends.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffered))
    }

    /// A body of `length` bytes; less where the connection ended.
    pub fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffered.len() < length && self.fill()? > 0 {}
        let length = length.min(self.buffered.len());
        Ok(self.buffered.drain(..length).collect())
    }

    /// A chunked body without its framing (RFC 9112 section 7.1), and whether its last chunk came.
    pub fn chunked(&mut self) -> io::Result<(Vec<u8>, bool)> {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.line()? else { return Ok((body, false)) };
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16)
                .map_err(|_| io::Error::other(format!("not a chunk size: {line:?}")))?;
            if size == 0 {
                while let Some(line) = self.line()? {
                    if line.is_empty() {
                        return Ok((body, true));
                    }
                }
                return Ok((body, false));
            }
            let chunk = self.exactly(size + 2)?;
            body.extend_from_slice(&chunk[..size.min(chunk.len())]);
            if chunk.len() < size + 2 {
                return Ok((body, false));
            }
        }
    }

    fn body(&mut self, response: &mut Response) -> io::Result<bool> {
        let chunked = response.header("transfer-encoding").is_some();
        let length = response.header("content-length").and_then(|l| l.parse::<usize>().ok());
        Ok(match (chunked, length) {
            (true, _) => {
                let (body, complete) = self.chunked()?;
                response.body = body;
                complete
            }
            (false, Some(length)) => {
                response.body = self.exactly(length)?;
                response.body.len() == length
            }
            (false, None) => {
                response.body = self.rest()?;
                true
            }
        })
    }

    /// A line without its end; `None` where the connection ended.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = self.buffered.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffered.drain(..at + 2).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..at]).into_owned()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads once; 0 at the end. A reset is an end as well: what came before it still counts.
    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(count) => {
                self.buffered.extend_from_slice(&chunk[..count]);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// The bytes of a request.
pub fn encode(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !given("host") {
        head.push_str("host: test\r\n");
    }
    if !given("content-length") && !given("transfer-encoding") && !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The header lines of a head, its first line left out.
pub fn parse_headers(head: &[u8]) -> Vec<(String, String)> {
    String::from_utf8_lossy(head)
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn parse_head(head: &[u8]) -> io::Result<Response> {
    let text = String::from_utf8_lossy(head);
    let status = text
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5)?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("not an HTTP/1 answer: {text:?}")))?;
    Ok(Response { status, headers: parse_headers(head), ..Response::default() })
}
