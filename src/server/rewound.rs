//! A stream whose first bytes can be looked at before somebody else reads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Most of what is looked at comes whole in one read of this size.
const READ: usize = 2048;

/// A stream, and what was read of it too early.
pub struct Rewound<S> {
    stream: S,
    before: BytesMut,
}

impl<S> Rewound<S> {
    /// Nothing is read yet.
    pub fn new(stream: S) -> Self {
        Self { stream, before: BytesMut::new() }
    }

    /// What was looked at and not skipped.
    pub fn seen(&self) -> &[u8] {
        &self.before
    }

    /// Forgets the first bytes of what was seen.
    pub fn skip(&mut self, count: usize) {
        drop(self.before.split_to(count.min(self.before.len())));
    }
}

impl<S: AsyncRead + Unpin> Rewound<S> {
    /// Reads once more; `false` at the end.
    ///
    /// # Errors
    /// As the stream.
    pub async fn look(&mut self) -> io::Result<bool> {
        self.before.reserve(READ);
        Ok(self.stream.read_buf(&mut self.before).await? > 0)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.before.len().min(buffer.remaining());
        buffer.put_slice(&self.before[..count]);
        self.skip(count);
        if self.before.is_empty() {
            // An idle connection holds no memory for its first bytes.
            self.before = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_seen_is_read_again_and_what_was_skipped_is_not() {
        let mut stream = Rewound::new(&b"headbody"[..]);
        assert!(stream.look().await.unwrap());
        assert_eq!(stream.seen(), b"headbody");
        stream.skip(4);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "body");
        assert!(!stream.look().await.unwrap());
    }
}
