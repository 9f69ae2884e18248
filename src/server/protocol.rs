//! Which HTTP a client speaks: HTTP/2 begins with a preface that is no request of HTTP/1 (RFC 9113 section 3.4).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most heads come whole in the first read.
const FIRST_READ: usize = 1024;

/// A protocol, with the bytes that were read to tell it.
pub enum Protocol {
    /// HTTP/1.0 or 1.1, or something that is refused as such.
    Http1(Bytes),
    /// HTTP/2 without a word before: prior knowledge, or agreed on by TLS.
    Http2(Bytes),
}

impl Protocol {
    /// Reads until it is clear.
    ///
    /// # Errors
    /// The client left, or its time is over, before it sent anything.
    pub async fn of(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut read = BytesMut::new();
        loop {
            let is_end = read_some(stream, &mut read).await? == 0;
            match told(&read) {
                _ if is_end && read.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(true) => return Ok(Protocol::Http2(read.freeze())),
                None if !is_end => {}
                Some(false) | None => return Ok(Protocol::Http1(read.freeze())),
            }
        }
    }
}

/// Adds what comes next to `read`, and says how much it was; while nothing comes no memory is held for it.
///
/// # Errors
/// As `read(2)`.
pub async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    read: &mut BytesMut,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut space = [0; FIRST_READ];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        read.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

/// Whether it is HTTP/2; `None`: more bytes are needed.
fn told(bytes: &[u8]) -> Option<bool> {
    let length = bytes.len().min(PREFACE.len());
    match bytes[..length] == PREFACE[..length] {
        true if length == PREFACE.len() => Some(true),
        true => None,
        false => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_preface_tells() {
        let rows: [(&[u8], bool); 4] = [
            (b"GET / HTTP/1.1\r\n\r\n", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04", true),
            (b"PRI * HTTP/1.1\r\n\r\n", false),
            (b"P", false),
        ];
        for (bytes, is_http2) in rows {
            match Protocol::of(&mut &bytes[..]).await.unwrap() {
                Protocol::Http1(read) => assert!(!is_http2 && read == bytes),
                Protocol::Http2(read) => assert!(is_http2 && read == bytes),
            }
        }
        assert!(Protocol::of(&mut &b""[..]).await.is_err());
    }
}
