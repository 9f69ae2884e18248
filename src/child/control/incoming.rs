//! What comes from a worker: bounded before it is allocated.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::unix::AsyncFdReadyGuard;

use super::ControlError;
use crate::sys::sockets::receive;
use crate::wire::FromWorker;
use crate::wire::codec::{HEADER, decode_from_worker, frame_len};

/// Read at once where a frame's length is not known yet: most answers fit.
const READ_AHEAD: usize = 4096;

/// Bytes that are no whole frame yet.
#[derive(Debug)]
pub(super) struct Incoming {
    cap: usize,
    pub(super) received: Vec<u8>,
    pub(super) takes_files: bool,
    /// The last one that came along: an honest worker sends one.
    pub(super) file: Option<OwnedFd>,
}

impl Incoming {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, received: Vec::new(), takes_files: false, file: None }
    }

    /// Takes in what a socket has that is `ready`.
    pub(super) fn receive(
        &mut self,
        ready: &mut AsyncFdReadyGuard<'_, OwnedFd>,
    ) -> Result<(), ControlError> {
        let room = self.received.capacity() - self.received.len();
        match self.fill(ready.get_inner().as_fd()) {
            Ok(Came { bytes: 0, .. }) => Err(ControlError::Closed),
            Ok(Came { bytes, with_descriptors }) => {
                // There is no more, but for what follows a descriptor, taken or not (`epoll(7)`, `unix(7)`).
                if bytes < room && !with_descriptors {
                    ready.clear_ready();
                }
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(Errno::WOULDBLOCK) => {
                ready.clear_ready();
                Ok(())
            }
            Err(Errno::CONNRESET) => Err(ControlError::Closed),
            Err(problem) => Err(io::Error::from(problem).into()),
        }
    }

    pub(super) fn fill(&mut self, socket: BorrowedFd<'_>) -> rustix::io::Result<Came> {
        if self.takes_files {
            return receive_with(socket, &mut self.received, &mut self.file);
        }
        let (bytes, with_descriptors) = receive(socket, &mut self.received)?;
        Ok(Came { bytes, with_descriptors })
    }

    /// A complete frame from what was received, else room for more of it.
    pub(super) fn take_frame(&mut self) -> Result<Option<FromWorker>, ControlError> {
        let Some(header) = self.received.first_chunk::<HEADER>() else {
            self.received.reserve(READ_AHEAD);
            return Ok(None);
        };
        let end = HEADER + frame_len(*header, self.cap)?;
        if self.received.len() < end {
            self.received.reserve(end - self.received.len());
            return Ok(None);
        }
        let frame = decode_from_worker(&self.received[HEADER..end])?;
        self.received.drain(..end);
        Ok(Some(frame))
    }
}

/// What one look at a socket brought.
pub(super) struct Came {
    pub(super) bytes: usize,
    /// The kernel ends a read behind them: there may be more.
    with_descriptors: bool,
}

/// Fills the room that `received` has, and keeps a descriptor that comes along: one, whatever else there is the kernel closes.
fn receive_with(
    stream: impl AsFd,
    received: &mut Vec<u8>,
    file: &mut Option<OwnedFd>,
) -> rustix::io::Result<Came> {
    let filled = received.len();
    received.resize(received.capacity(), 0);
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut into = [io::IoSliceMut::new(received.get_mut(filled..).unwrap_or_default())];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let result = recvmsg(stream, &mut into, &mut rights, flags).map(|message| message.bytes);
    received.truncate(filled + result.unwrap_or(0));
    let mut with_descriptors = false;
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            with_descriptors = true;
            descriptors.for_each(|descriptor| *file = Some(descriptor));
        }
    }
    result.map(|bytes| Came { bytes, with_descriptors })
}
