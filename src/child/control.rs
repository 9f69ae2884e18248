//! The proxy's end of a worker's control socket: frames in, frames out. Every step can be cancelled without loss.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use rustix::buffer::spare_capacity;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::call::{Fed, Feed, Reason};
use crate::wire::codec::{
    CodecError, HEADER, decode_from_worker, encode_body, encode_to_worker, frame_len,
};
use crate::wire::{FromWorker, MAX_CHUNK, ToWorker};

/// Read at once where a frame's length is not known yet: most answers fit.
const READ_AHEAD: usize = 4096;

/// Memory that is kept for what is sent: a piece of a body, and its frame.
const SENT_AT_ONCE: usize = MAX_CHUNK + 64;

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

/// What comes of an exchange next.
#[derive(Debug)]
pub enum Step {
    /// The worker's next frame.
    Frame(Result<FromWorker, ControlError>),
    /// The rest of the request's body will never come.
    Lost(Reason),
}

/// Frames over a stream socket.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    cap: usize,
    received: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
    takes_files: bool,
    /// The last one that came along: an honest worker sends one.
    file: Option<OwnedFd>,
}

impl Control {
    /// Registers the socket with the runtime of the caller. Frames beyond `cap` bytes are refused.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn new(stream: StdStream, cap: usize) -> io::Result<Self> {
        let stream = UnixStream::from_std(stream)?;
        Ok(Self {
            stream,
            cap,
            received: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            takes_files: false,
            file: None,
        })
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
        match self.unsent.is_empty() {
            true => self.unsent = frame,
            // The end of a body that the last call did not read.
            false => self.unsent.extend_from_slice(&frame),
        }
        self.try_flush();
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

    /// The reader sees what goes wrong; nobody will take the rest then.
    fn try_flush(&mut self) {
        while self.has_unsent() {
            match self.stream.try_write(&self.unsent[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.sent = self.unsent.len(),
            }
        }
        self.unsent.clear();
        self.unsent.shrink_to(SENT_AT_ONCE);
        self.sent = 0;
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
            self.progress(true).await?;
        }
    }

    /// As [`Control::next`], and hands on the body of call `id` as there is room for it. Frames wait where nobody `hears`
    /// them.
    pub async fn exchange(&mut self, id: u64, hears: bool, feed: &mut Feed) -> Step {
        loop {
            match self.take_frame_if(hears) {
                Ok(None) => {}
                Ok(Some(frame)) => return Step::Frame(Ok(frame)),
                Err(problem) => return Step::Frame(Err(problem)),
            }
            let has_room = !self.has_unsent() && feed.is_open();
            tokio::select! {
                biased;
                done = self.progress(hears) => if let Err(problem) = done {
                    return Step::Frame(Err(problem));
                },
                fed = feed.next(MAX_CHUNK), if has_room => match fed {
                    Fed::Piece(piece) => self.put(|out| encode_body(id, &piece, out)),
                    Fed::End => self.end_body(id, true),
                    Fed::Lost(reason) => return Step::Lost(reason),
                },
            }
        }
    }

    /// The worker finds the end of a request's body.
    pub fn end_body(&mut self, id: u64, is_whole: bool) {
        self.put(|out| encode_to_worker(&ToWorker::BodyEnd { id, is_whole }, out));
    }

    fn put(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.unsent);
        self.try_flush();
    }

    fn take_frame_if(&mut self, hears: bool) -> Result<Option<FromWorker>, ControlError> {
        if hears { self.take_frame() } else { Ok(None) }
    }

    /// Waits for the socket and moves what it takes and has.
    async fn progress(&mut self, hears: bool) -> Result<(), ControlError> {
        let interest = match (hears, self.has_unsent()) {
            (true, false) => Interest::READABLE,
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return std::future::pending().await,
        };
        let ready = self.stream.ready(interest).await?;
        if ready.is_writable() {
            self.try_flush();
        }
        if hears { self.receive() } else { Ok(()) }
    }

    /// Whether descriptors may come along with frames; those that came before are closed.
    pub fn take_files(&mut self, takes_files: bool) {
        self.takes_files = takes_files;
        self.file = None;
    }

    /// The file that came along with a frame.
    pub fn take_file(&mut self) -> Option<OwnedFd> {
        self.file.take()
    }

    fn receive(&mut self) -> Result<(), ControlError> {
        let Self { stream, received, takes_files, file, .. } = self;
        let result = match takes_files {
            false => stream.try_read_buf(received),
            true => {
                stream.try_io(Interest::READABLE, || Ok(receive_with(&*stream, received, file)?))
            }
        };
        match result {
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
            let Self { stream, received, takes_files, file, .. } = self;
            let came = match takes_files {
                false => rustix::io::read(&*stream, spare_capacity(received)),
                true => receive_with(&*stream, received, file),
            };
            match came {
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

/// Fills the room that `received` has, and keeps a descriptor that comes along: one, whatever else there is the kernel closes.
fn receive_with(
    stream: impl AsFd,
    received: &mut Vec<u8>,
    file: &mut Option<OwnedFd>,
) -> rustix::io::Result<usize> {
    let filled = received.len();
    received.resize(received.capacity(), 0);
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut into = [io::IoSliceMut::new(received.get_mut(filled..).unwrap_or_default())];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let result = recvmsg(stream, &mut into, &mut rights, flags).map(|message| message.bytes);
    received.truncate(filled + result.unwrap_or(0));
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            descriptors.for_each(|descriptor| *file = Some(descriptor));
        }
    }
    result
}
