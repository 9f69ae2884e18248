//! The control socket: whole frames in, whole frames out.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, send, sendmsg,
};

use crate::sys::{descriptors, signals};
use crate::wire::codec::{
    CodecError, HEADER, decode_to_worker, encode_chunk, encode_from_worker, frame_len,
};
use crate::wire::{FromWorker, ToWorker};

/// The proxy has bounded what it sends by the configured body size.
const CAP: usize = u32::MAX as usize;

/// Threads that are amid a frame.
static SENDING: AtomicUsize = AtomicUsize::new(0);

/// A frame that is on its way, until it is dropped.
struct Sending;

impl Sending {
    fn begin() -> Self {
        SENDING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        SENDING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether part of a frame may be out and part of it not.
pub(super) fn is_sending() -> bool {
    SENDING.load(Ordering::SeqCst) > 0
}

/// Why a frame did not come or go.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The proxy closed its end, or has ended.
    #[error("the proxy closed the control socket")]
    Closed,
    /// Not a frame.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Anything else.
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
}

/// What comes of a request's body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Data(Vec<u8>),
    /// That was all.
    End,
    /// The rest will never come.
    Lost,
}

/// Where a call's frames go, and whether anybody still wants them.
pub trait Link: Sync {
    /// Sends one frame; blocks while the other side is slower.
    ///
    /// # Errors
    /// [`ControlError::Closed`] once nobody is there.
    fn send(&self, message: &FromWorker) -> Result<(), ControlError>;

    /// Sends a [`FromWorker::Chunk`].
    ///
    /// # Errors
    /// As [`Link::send`].
    fn send_chunk(&self, id: u64, data: &[u8]) -> Result<(), ControlError>;

    /// Sends a frame, and an open file with it.
    ///
    /// # Errors
    /// As [`Link::send`].
    fn send_file(&self, message: &FromWorker, file: BorrowedFd<'_>) -> Result<(), ControlError>;

    /// Waits for the next piece of the body of call `id`, which must be streamed.
    ///
    /// # Errors
    /// As [`Link::send`].
    fn next_piece(&self, id: u64) -> Result<Piece, ControlError>;

    /// Whether nobody wants the answer any more.
    fn is_closed(&self) -> bool;

    /// A descriptor that polls as readable then.
    fn raw(&self) -> RawFd;
}

/// This end of the socket.
pub(super) struct Control(UnixStream);

impl Control {
    /// Takes descriptor 0, and leaves `/dev/null` in its place.
    pub(super) fn take() -> io::Result<Self> {
        let socket = UnixStream::from(descriptors::take_stdin()?);
        socket.peer_addr()?;
        socket.set_nonblocking(false)?;
        Ok(Self(socket))
    }

    /// Moves it to where a worker that was started afresh has it.
    pub(super) fn raise(&mut self) -> io::Result<()> {
        let low = self.0.try_clone()?;
        self.0 = UnixStream::from(descriptors::to_high(low.into())?);
        Ok(())
    }

    /// The next payload.
    pub(super) fn receive(&self) -> Result<Vec<u8>, ControlError> {
        let mut header = [0; HEADER];
        self.fill(&mut header)?;
        let mut payload = vec![0; frame_len(header, CAP)?];
        self.fill(&mut payload)?;
        Ok(payload)
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<(), ControlError> {
        use io::ErrorKind::{ConnectionReset, UnexpectedEof};
        (&self.0).read_exact(buffer).map_err(|error| match error.kind() {
            ConnectionReset | UnexpectedEof => ControlError::Closed,
            _ => ControlError::Io(error),
        })
    }

    /// The next payload, and the descriptors that came with its first byte.
    pub(super) fn receive_with_descriptors(&self) -> Result<(Vec<u8>, Vec<OwnedFd>), ControlError> {
        let mut header = [0; HEADER];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut header)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = loop {
            match recvmsg(&self.0, &mut into, &mut ancillary, flags) {
                Err(Errno::INTR) => {}
                Ok(got) if got.bytes == 0 => return Err(ControlError::Closed),
                Err(Errno::CONNRESET) => return Err(ControlError::Closed),
                other => break other.map_err(io::Error::from)?.bytes,
            }
        };
        let rights = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        });
        let descriptors = rights.flatten().collect();
        self.fill(header.get_mut(got..).unwrap_or_default())?;
        let mut payload = vec![0; frame_len(header, CAP)?];
        self.fill(&mut payload)?;
        Ok((payload, descriptors))
    }

    fn send_all(&self, mut rest: &[u8]) -> Result<(), ControlError> {
        let _sending = Sending::begin();
        while !rest.is_empty() {
            match send(&self.0, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(ControlError::Closed),
                Err(error) => return Err(ControlError::Io(error.into())),
            }
        }
        Ok(())
    }
}

impl Link for Control {
    fn send(&self, message: &FromWorker) -> Result<(), ControlError> {
        let mut frame = Vec::new();
        encode_from_worker(message, &mut frame);
        self.send_all(&frame)
    }

    fn send_chunk(&self, id: u64, data: &[u8]) -> Result<(), ControlError> {
        let mut frame = Vec::new();
        encode_chunk(id, data, &mut frame);
        self.send_all(&frame)
    }

    fn send_file(&self, message: &FromWorker, file: BorrowedFd<'_>) -> Result<(), ControlError> {
        let mut frame = Vec::new();
        encode_from_worker(message, &mut frame);
        let (first, rest) = frame.split_at(1);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let file = [file];
        rights.push(SendAncillaryMessage::ScmRights(&file));
        let first = [IoSlice::new(first)];
        let _sending = Sending::begin();
        loop {
            match sendmsg(&self.0, &first, &mut rights, SendFlags::NOSIGNAL) {
                Ok(_one) => return self.send_all(rest),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(ControlError::Closed),
                Err(error) => return Err(ControlError::Io(error.into())),
            }
        }
    }

    fn next_piece(&self, id: u64) -> Result<Piece, ControlError> {
        loop {
            match decode_to_worker(&self.receive()?)? {
                ToWorker::Body { id: of, data } if of == id => return Ok(Piece::Data(data)),
                ToWorker::BodyEnd { id: of, is_whole: true } if of == id => return Ok(Piece::End),
                ToWorker::BodyEnd { id: of, is_whole: false } if of == id => {
                    return Ok(Piece::Lost);
                }
                // What is left of a call before.
                ToWorker::Body { .. } | ToWorker::BodyEnd { .. } => {}
                _ => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
            }
        }
    }

    /// The proxy hangs up, and sends SIGTERM: from the first question on that is no end any more, but an answer.
    fn is_closed(&self) -> bool {
        let _bell = signals::catch_term();
        let mut watched = [PollFd::new(&self.0, PollFlags::RDHUP)];
        signals::was_told()
            || matches!(poll(&mut watched, Some(&Timespec::default())), Ok(ready) if ready > 0)
    }

    fn raw(&self) -> RawFd {
        signals::catch_term().unwrap_or(-1)
    }
}

impl From<OwnedFd> for Control {
    fn from(socket: OwnedFd) -> Self {
        Self(UnixStream::from(socket))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
