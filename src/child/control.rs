//! The proxy's end of a worker's control socket: frames in, frames out. Every step can be cancelled without loss.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream as StdStream;

use rustix::buffer::spare_capacity;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::wire::FromWorker;
use crate::wire::codec::{CodecError, HEADER, decode_from_worker, frame_len};

/// Read at once where a frame's length is not known yet: most answers fit.
const READ_AHEAD: usize = 4096;

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The worker hung up.
    #[error("it closed its control descriptor")]
    Closed,
    /// Bytes that are no frame.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// The socket failed.
    #[error("its control socket failed: {0}")]
    Io(#[from] io::Error),
}

/// Frames over a stream socket.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    cap: usize,
    received: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
}

impl Control {
    /// Registers the socket with the runtime of the caller. Frames beyond `cap` bytes are refused.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn new(stream: StdStream, cap: usize) -> io::Result<Self> {
        let stream = UnixStream::from_std(stream)?;
        Ok(Self { stream, cap, received: Vec::new(), unsent: Vec::new(), sent: 0 })
    }

    /// Gives the socket back, free of any runtime.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn into_std(self) -> io::Result<StdStream> {
        self.stream.into_std()
    }

    /// Queues a whole encoded frame and sends what the socket takes now; [`Control::next`] sends the rest.
    pub fn send(&mut self, frame: Vec<u8>) {
        self.unsent = frame;
        self.sent = 0;
        let _the_reader_sees_the_error = self.try_flush();
    }

    /// Whether there is something that nobody asked for: bytes, or the end.
    #[must_use]
    pub fn has_stray(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        let mut byte = [std::mem::MaybeUninit::<u8>::uninit()];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let nothing = |problem| problem == rustix::io::Errno::WOULDBLOCK;
        !self.received.is_empty() || !recv(&self.stream, &mut byte, flags).is_err_and(nothing)
    }

    /// The worker finds the end of its calls.
    pub fn hang_up(&self) {
        let _gone_is_fine = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Both);
    }

    /// Sends a whole encoded frame, and descriptors with its first byte (`unix(7)`, SCM_RIGHTS).
    ///
    /// # Errors
    /// As `sendmsg(2)`.
    pub async fn send_with(
        &mut self,
        frame: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let sent = self.stream.async_io(Interest::WRITABLE, || {
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            rights.push(SendAncillaryMessage::ScmRights(descriptors));
            let flags = SendFlags::NOSIGNAL;
            Ok(sendmsg(&self.stream, &[io::IoSlice::new(frame)], &mut rights, flags)?)
        });
        match sent.await? {
            whole if whole == frame.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    fn has_unsent(&self) -> bool {
        self.sent < self.unsent.len()
    }

    fn try_flush(&mut self) -> io::Result<()> {
        while self.has_unsent() {
            match self.stream.try_write(&self.unsent[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(problem) => return Err(problem),
            }
        }
        self.unsent = Vec::new();
        self.sent = 0;
        Ok(())
    }

    /// The next frame; sends what is queued meanwhile.
    ///
    /// # Errors
    /// See [`ControlError`]; nothing that follows can be trusted then.
    pub async fn next(&mut self) -> Result<FromWorker, ControlError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            let sending = if self.has_unsent() { Interest::WRITABLE } else { Interest::READABLE };
            let ready = self.stream.ready(Interest::READABLE | sending).await?;
            if ready.is_writable() {
                let _the_reader_sees_the_error = self.try_flush();
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), ControlError> {
        match self.stream.try_read_buf(&mut self.received) {
            Ok(0) => Err(ControlError::Closed),
            Ok(_) => Ok(()),
            Err(empty) if empty.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(gone) if gone.kind() == io::ErrorKind::ConnectionReset => Err(ControlError::Closed),
            Err(problem) => Err(problem.into()),
        }
    }

    /// A frame that is already here, without waiting for the runtime to notice it: for a worker that has ended.
    ///
    /// # Errors
    /// As [`Control::next`].
    pub fn next_now(&mut self) -> Result<FromWorker, ControlError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            match rustix::io::read(&self.stream, spare_capacity(&mut self.received)) {
                Ok(count) if count > 0 => {}
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return Err(ControlError::Closed),
            }
        }
    }

    /// A complete frame from what was received, else room for more of it.
    fn take_frame(&mut self) -> Result<Option<FromWorker>, ControlError> {
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
