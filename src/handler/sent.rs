//! A file that a handler handed over as its body. It is read on threads that may block: what a worker calls a file may be
//! on a disk that stalls, or be no file at all.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::call::Failure;
use crate::handler::body::Cut;
use crate::handler::{Body, Error};
use crate::sys::descriptors::readable_size;

/// Bytes that are read at once.
const PIECE: u64 = 128 * 1024;

/// `length` bytes of `file` from `offset`.
///
/// # Errors
/// It is no file, or has not as many: the worker broke the protocol.
pub async fn body(file: OwnedFd, offset: u64, length: u64) -> Result<Body, Error> {
    let broken = |what: &str| Error::from(Failure::Protocol(what.to_owned()));
    let looked = spawn_blocking(move || readable_size(&file).map(|size| (file, size))).await;
    match looked {
        Ok(Ok((file, size))) if offset.checked_add(length).is_some_and(|end| end <= size) => {
            let sent = Sent { file: Arc::new(file.into()), offset, left: length, reading: None };
            Ok(Body::stream(sent, Some(length)))
        }
        Ok(Ok(_)) => Err(broken("a body beyond the end of its file")),
        Ok(Err(_)) => Err(broken("a descriptor that is no readable file")),
        Err(_) => Err(Error::Internal("a thread that reads has ended")),
    }
}

struct Sent {
    file: Arc<File>,
    offset: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let reading = this.reading.get_or_insert_with(|| {
            let (file, offset, size) = (Arc::clone(&this.file), this.offset, this.left.min(PIECE));
            spawn_blocking(move || read(&file, offset, size as usize))
        });
        let read = ready!(Pin::new(reading).poll(context));
        this.reading = None;
        Poll::Ready(Some(match read {
            Ok(Ok(piece)) if !piece.is_empty() => {
                this.offset += piece.len() as u64;
                this.left -= piece.len() as u64;
                Ok(Frame::data(Bytes::from(piece)))
            }
            // It was cut meanwhile, or cannot be read: half of it must not look whole.
            _ => Err(Cut),
        }))
    }
}

/// Up to `size` bytes; none at the file's end.
fn read(file: &File, offset: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; size];
    loop {
        match file.read_at(&mut piece, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => {
                piece.truncate(result?);
                return Ok(piece);
            }
        }
    }
}
