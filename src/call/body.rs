//! A body that a call writes while it runs: bounded, and never mistaken for whole when its writer died.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

/// Pieces that wait for a slow client; beyond them the writer waits.
const PIECES: usize = 4;

/// The reading side.
#[derive(Debug)]
pub struct AnswerBody {
    pieces: Receiver<Bytes>,
    is_whole: Arc<AtomicBool>,
    length: Option<u64>,
}

/// The writing side. Dropping it without [`BodySender::finish`] cuts the body.
#[derive(Debug)]
pub struct BodySender {
    pieces: Sender<Bytes>,
    waiting: Option<Bytes>,
    is_whole: Arc<AtomicBool>,
}

/// The body's writer is gone and had not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut before its end")]
pub struct Truncated;

/// Both sides of a new body, of so many bytes where its head has said so.
#[must_use]
pub fn answer_body(length: Option<u64>) -> (BodySender, AnswerBody) {
    let (sender, pieces) = channel(PIECES);
    let is_whole = Arc::new(AtomicBool::new(false));
    let writing = BodySender { pieces: sender, waiting: None, is_whole: Arc::clone(&is_whole) };
    (writing, AnswerBody { pieces, is_whole, length })
}

impl BodySender {
    /// Adds a piece; only one may wait, see [`BodySender::is_full`]. A reader that left loses it.
    pub fn add(&mut self, piece: Bytes) {
        if let Err(TrySendError::Full(piece)) = self.pieces.try_send(piece) {
            self.waiting = Some(piece);
        }
    }

    /// Whether a piece waits for the reader.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.is_some()
    }

    /// Waits until nothing waits for the reader; false when it has left.
    pub async fn make_room(&mut self) -> bool {
        match (self.pieces.reserve().await, self.waiting.take()) {
            (Ok(place), Some(piece)) => place.send(piece),
            (Ok(_), None) => {}
            (Err(_), _) => return false,
        }
        true
    }

    /// Waits until the reader has left.
    pub async fn left(&self) {
        self.pieces.closed().await;
    }

    /// The body is whole.
    pub fn finish(self) {
        self.is_whole.store(true, Ordering::Release);
    }
}

impl AnswerBody {
    /// Bytes, as its head has said.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// [`Truncated`], once, instead of the end.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Truncated>>> {
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(piece) => Some(Ok(piece)),
            None if self.is_whole.swap(true, Ordering::AcqRel) => None,
            None => Some(Err(Truncated)),
        })
    }

    /// Takes what is written and forgets it, until the writer is done: for an answer that HTTP gives no body.
    pub async fn discard(mut self) {
        while self.pieces.recv().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &mut AnswerBody) -> Option<Result<Bytes, Truncated>> {
        std::future::poll_fn(|context| body.poll_next(context)).await
    }

    #[tokio::test]
    async fn a_finished_body_ends_and_a_dropped_one_is_cut() {
        let (mut sender, mut body) = answer_body(None);
        sender.add(Bytes::from_static(b"x"));
        sender.finish();
        assert_eq!(read(&mut body).await, Some(Ok(Bytes::from_static(b"x"))));
        assert_eq!(read(&mut body).await, None);

        let (sender, mut body) = answer_body(None);
        drop(sender);
        assert_eq!(read(&mut body).await, Some(Err(Truncated)));
        assert_eq!(read(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_slow_reader_makes_it_full_and_then_loses_nothing() {
        let (mut sender, mut body) = answer_body(None);
        for number in 0..=PIECES {
            assert!(!sender.is_full());
            sender.add(Bytes::from(vec![number as u8]));
        }
        assert!(sender.is_full());
        assert_eq!(read(&mut body).await, Some(Ok(Bytes::from_static(&[0]))));
        assert!(sender.make_room().await);
        assert!(!sender.is_full());
        sender.finish();
        let mut last = None;
        while let Some(Ok(piece)) = read(&mut body).await {
            last = Some(piece[0]);
        }
        assert_eq!(last, Some(PIECES as u8));
    }
}
