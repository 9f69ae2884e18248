//! The proxy's end of a worker's control socket: frames in, frames out. Every step can be cancelled without loss.

mod incoming;
mod outgoing;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::call::{Fed, Feed, Reason};
use crate::sys::descriptors::watch;
use crate::wire::codec::{CodecError, encode_body, encode_to_worker};
use crate::wire::{FromWorker, MAX_CHUNK, ToWorker};
use incoming::Incoming;
use outgoing::Outgoing;
pub(super) use outgoing::send_with;

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
    /// Registered for what comes only: a worker that reads would wake the event loop else.
    stream: AsyncFd<OwnedFd>,
    /// Registered for room, from when there was none.
    room: Option<AsyncFd<OwnedFd>>,
    unsent: Outgoing,
    incoming: Incoming,
}

impl Control {
    /// Sends `frame` and registers the socket, which must not block, with the caller's runtime then: the worker is at it
    /// meanwhile. Frames beyond `cap` bytes are refused.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn begin(stream: UnixStream, cap: usize, frame: Vec<u8>) -> io::Result<Self> {
        let mut unsent = Outgoing::default();
        unsent.add(frame);
        unsent.flush(stream.as_fd());
        Ok(Self {
            stream: watch(stream.into(), Interest::READABLE)?,
            room: None,
            unsent,
            incoming: Incoming::new(cap),
        })
    }

    /// Gives the socket back, free of any runtime.
    #[must_use]
    pub fn into_std(self) -> UnixStream {
        self.stream.into_inner().into()
    }

    /// Queues a whole encoded frame and sends what the socket takes now; [`Control::next`] sends the rest.
    pub fn send(&mut self, frame: Vec<u8>) {
        self.unsent.add(frame);
        self.unsent.flush(self.stream.as_fd());
    }

    /// Whether there is something that nobody asked for: bytes, or the end.
    #[must_use]
    pub fn has_stray(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        let mut byte = [std::mem::MaybeUninit::<u8>::uninit()];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let nothing = |problem| problem == rustix::io::Errno::WOULDBLOCK;
        !self.incoming.received.is_empty()
            || !recv(&self.stream, &mut byte, flags).is_err_and(nothing)
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
        loop {
            match send_with(&self.stream, frame, descriptors) {
                Ok(whole) if whole == frame.len() => return Ok(()),
                Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
                Err(Errno::WOULDBLOCK) => self.room()?.writable().await?.clear_ready(),
                Err(Errno::INTR) => {}
                Err(problem) => return Err(problem.into()),
            }
        }
    }

    /// What tells when there is room.
    fn room(&mut self) -> io::Result<&AsyncFd<OwnedFd>> {
        let room = match self.room.take() {
            Some(room) => room,
            None => {
                let socket = self.stream.as_fd().try_clone_to_owned()?;
                watch(socket, Interest::WRITABLE)?
            }
        };
        Ok(self.room.insert(room))
    }

    /// The next frame; sends what is queued meanwhile.
    ///
    /// # Errors
    /// See [`ControlError`]; nothing that follows can be trusted then.
    pub async fn next(&mut self) -> Result<FromWorker, ControlError> {
        loop {
            if let Some(frame) = self.incoming.take_frame()? {
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
            let has_room = self.unsent.is_empty() && feed.is_open();
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
        encode(&mut self.unsent.bytes);
        self.unsent.flush(self.stream.as_fd());
    }

    fn take_frame_if(&mut self, hears: bool) -> Result<Option<FromWorker>, ControlError> {
        if hears { self.incoming.take_frame() } else { Ok(None) }
    }

    /// Waits for the socket and moves what it takes and has.
    async fn progress(&mut self, hears: bool) -> Result<(), ControlError> {
        let is_sending = !self.unsent.is_empty();
        if is_sending {
            self.room()?;
        }
        let Self { stream, room, unsent, incoming, .. } = self;
        let freed = async {
            match room {
                Some(room) if is_sending => room.writable().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            came = stream.readable(), if hears => incoming.receive(&mut came?),
            freed = freed => {
                let mut freed = freed?;
                unsent.flush(stream.as_fd());
                if !unsent.is_empty() {
                    freed.clear_ready();
                }
                Ok(())
            }
        }
    }

    /// Whether descriptors may come along with frames; those that came before are closed.
    pub fn take_files(&mut self, takes_files: bool) {
        self.incoming.takes_files = takes_files;
        self.incoming.file = None;
    }

    /// The file that came along with a frame.
    pub fn take_file(&mut self) -> Option<OwnedFd> {
        self.incoming.file.take()
    }

    /// A frame that is already here, without waiting for the runtime to notice it: for a worker that has ended.
    ///
    /// # Errors
    /// As [`Control::next`].
    pub fn next_now(&mut self) -> Result<FromWorker, ControlError> {
        loop {
            if let Some(frame) = self.incoming.take_frame()? {
                return Ok(frame);
            }
            match self.incoming.fill(self.stream.as_fd()) {
                Ok(came) if came.bytes > 0 => {}
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return Err(ControlError::Closed),
            }
        }
    }
}
