//! Small pieces leave in one plain write: `send(2)` costs less than `writev(2)`, and a TLS stream makes one record of
//! them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// A head and a small body; copying more costs more than it saves.
const SMALL: usize = 2048;

/// Writes `slices`, or the first bytes of them.
pub fn poll_write_slices<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let [only] = slices {
        return Pin::new(stream).poll_write(context, only);
    }
    let length: usize = slices.iter().map(|slice| slice.len()).sum();
    if length > SMALL {
        return Pin::new(stream).poll_write_vectored(context, slices);
    }
    let mut together = [0; SMALL];
    let mut at = 0;
    for slice in slices {
        together[at..at + slice.len()].copy_from_slice(slice);
        at += slice.len();
    }
    Pin::new(stream).poll_write(context, &together[..length])
}
