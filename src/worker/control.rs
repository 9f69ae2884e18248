//! The control socket: whole frames in, whole frames out.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::sys::descriptors;
use crate::wire::FromWorker;
use crate::wire::codec::{CodecError, HEADER, encode_chunk, encode_from_worker, frame_len};

/// The proxy has bounded what it sends by the configured body size.
const CAP: usize = u32::MAX as usize;

/// Why a frame did not come or go.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
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

    pub(super) fn send(&self, message: &FromWorker) -> Result<(), ControlError> {
        let mut frame = Vec::new();
        encode_from_worker(message, &mut frame);
        self.send_all(&frame)
    }

    /// A [`FromWorker::Chunk`].
    pub(super) fn send_chunk(&self, id: u64, data: &[u8]) -> Result<(), ControlError> {
        let mut frame = Vec::new();
        encode_chunk(id, data, &mut frame);
        self.send_all(&frame)
    }

    fn send_all(&self, mut rest: &[u8]) -> Result<(), ControlError> {
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

    /// Whether the proxy hung up: after the call it sends nothing more, so anything to read is the end.
    pub(super) fn is_closed(&self) -> bool {
        let mut watched = [PollFd::new(&self.0, PollFlags::IN | PollFlags::RDHUP)];
        matches!(poll(&mut watched, Some(&Timespec::default())), Ok(ready) if ready > 0)
    }

    pub(super) fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
