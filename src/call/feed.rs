//! What a client sends while its call runs, piece by piece: nothing is taken from it before there is room for it.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::call::Reason;

/// Where the pieces come from.
pub trait Source: Send + Sync {
    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// Why the rest will never come.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>>;
}

/// The body of a request that is read while its call runs.
#[derive(Default)]
pub struct Feed {
    source: Option<Box<dyn Source>>,
    rest: Bytes,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fed {
    /// Bytes, never none.
    Piece(Bytes),
    /// That was all.
    End,
    /// The rest will never come.
    Lost(Reason),
}

impl Feed {
    /// From `source`.
    #[must_use]
    pub fn of(source: impl Source + 'static) -> Self {
        Self { source: Some(Box::new(source)), rest: Bytes::new() }
    }

    /// Whether there is something to come, its end at least.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.source.is_some()
    }

    /// Nobody wants the rest.
    pub fn close(&mut self) {
        *self = Self::default();
    }

    /// The next `most` bytes at most. It can be cancelled without loss, and is closed after all but a piece.
    pub async fn next(&mut self, most: usize) -> Fed {
        while self.rest.is_empty() {
            let Some(source) = &mut self.source else { return Fed::End };
            let end = match poll_fn(|context| source.poll_piece(context)).await {
                Some(Ok(piece)) => {
                    self.rest = piece;
                    continue;
                }
                Some(Err(reason)) => Fed::Lost(reason),
                None => Fed::End,
            };
            self.close();
            return end;
        }
        Fed::Piece(self.rest.split_to(most.min(self.rest.len())))
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("is_open", &self.is_open()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces(Vec<Option<Result<Bytes, Reason>>>);

    impl Source for Pieces {
        fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
            Poll::Ready(self.0.remove(0))
        }
    }

    #[tokio::test]
    async fn pieces_are_cut_to_size_and_empty_ones_are_passed_over() {
        let piece = |text: &'static str| Some(Ok(Bytes::from_static(text.as_bytes())));
        let mut feed = Feed::of(Pieces(vec![piece(""), piece("abcde"), piece("f"), None]));
        for expected in ["abc", "de", "f"] {
            assert_eq!(feed.next(3).await, Fed::Piece(Bytes::from_static(expected.as_bytes())));
            assert!(feed.is_open());
        }
        assert_eq!(feed.next(3).await, Fed::End);
        assert!(!feed.is_open());
        assert_eq!(feed.next(3).await, Fed::End);
    }

    #[tokio::test]
    async fn what_is_lost_is_told_once() {
        let mut feed = Feed::of(Pieces(vec![Some(Err(Reason::BodyTimeout))]));
        assert_eq!(feed.next(3).await, Fed::Lost(Reason::BodyTimeout));
        assert!(!feed.is_open());
    }
}
