//! What is on its way to a worker.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};

use crate::wire::MAX_CHUNK;

/// Memory that is kept: for a piece of a body, and its frame.
const KEPT: usize = MAX_CHUNK + 64;

/// Sends what the socket takes of `frame` now, and descriptors with its first byte (`unix(7)`, SCM_RIGHTS): how many bytes it
/// has taken.
///
/// # Errors
/// As `sendmsg(2)`.
pub(in crate::child) fn send_with(
    socket: impl AsFd,
    frame: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(descriptors));
    sendmsg(socket, &[IoSlice::new(frame)], &mut rights, SendFlags::NOSIGNAL)
}

/// Encoded frames that the socket has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    pub(super) fn add(&mut self, frame: Vec<u8>) {
        match self.bytes.is_empty() {
            true => self.bytes = frame,
            // The end of a body that the last call did not read.
            false => self.bytes.extend_from_slice(&frame),
        }
    }

    /// Sends what the socket takes now. The reader sees what goes wrong; nobody will take the rest then.
    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>) {
        while !self.is_empty() {
            match send(socket, &self.bytes[self.sent..], SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::WOULDBLOCK) => return,
                Err(Errno::INTR) => {}
                Err(_) => self.sent = self.bytes.len(),
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.sent = 0;
    }
}
