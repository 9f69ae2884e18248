//! What a fake upstream does with a request: its answer, and how it fails to give it.

use std::time::Duration;

/// An answer by builder; a plain 200 with an empty body at first.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) chunked: bool,
    pub(super) delay: Duration,
    pub(super) gap: Duration,
    pub(super) end: End,
}

/// How an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As HTTP says; the connection stays open.
    Whole,
    /// Closed after this many bytes of the body.
    CutAfter(usize),
    /// Closed before any byte of an answer.
    Closed,
    /// Nothing, until the upstream ends or the peer leaves.
    Hang,
    /// These bytes instead of an answer, then closed.
    Raw(Vec<u8>),
}

impl Answer {
    /// 200 with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).body(body)
    }

    /// This status, no body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            chunks: Vec::new(),
            chunked: false,
            delay: Duration::ZERO,
            gap: Duration::ZERO,
            end: End::Whole,
        }
    }

    /// Never answers.
    pub fn hang() -> Self {
        Self { end: End::Hang, ..Self::status(200) }
    }

    /// Closes the connection instead of answering.
    pub fn close() -> Self {
        Self { end: End::Closed, ..Self::status(200) }
    }

    /// Sends these bytes as they stand, then closes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { end: End::Raw(bytes.into()), ..Self::status(200) }
    }

    /// A body with its length.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { chunks: vec![body.into()], chunked: false, ..self }
    }

    /// A chunked body, `gap` between two chunks.
    pub fn chunks(self, chunks: &[&str], gap: Duration) -> Self {
        let chunks = chunks.iter().map(|c| c.as_bytes().to_vec()).collect();
        Self { chunks, chunked: true, gap, ..self }
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits before the head.
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Closes in the middle of the body, after this many of its bytes.
    pub fn cut_after(self, bytes: usize) -> Self {
        Self { end: End::CutAfter(bytes), ..self }
    }

    /// The head's bytes.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Any\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.chunked {
            head.push_str("transfer-encoding: chunked\r\n");
        } else if !matches!(self.status, 100..200 | 204 | 304) {
            let length: usize = self.chunks.iter().map(Vec::len).sum();
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        (head + "\r\n").into_bytes()
    }

    /// The body in the pieces it is written in, framed.
    pub(super) fn pieces(&self) -> Vec<Vec<u8>> {
        if !self.chunked {
            return self.chunks.clone();
        }
        let frame = |c: &Vec<u8>| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat();
        self.chunks.iter().map(frame).chain([b"0\r\n\r\n".to_vec()]).collect()
    }
}
