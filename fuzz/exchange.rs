//! The exchange with a worker as a machine of steps: bytes and descriptors come in any cut, the proxy hears or does not, a body
//! goes the other way meanwhile. What is heard, and what the worker gets, must not depend on any of it.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use cofferdam::call::feed::Source;
use cofferdam::call::{Feed, Reason};
use cofferdam::child::control::{Control, Step};
use cofferdam::wire::codec::{HEADER, decode_to_worker, frame_len};
use cofferdam::wire::{FromWorker, MAX_CHUNK, ToWorker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::checks::{FRAME, frames};

/// Of the call.
const ID: u64 = 7;

/// Steps of one script at most.
const STEPS: usize = 64;

/// The first byte says how many steps there are, two bytes each; the rest is what the worker sends.
pub fn exchange(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let count = usize::from(*count).min(STEPS).min(rest.len() / 2);
    let (script, stream) = rest.split_at(2 * count);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let mut stage = Stage::new(stream);
        for step in script.chunks_exact(2) {
            stage.step(step[0], usize::from(step[1])).await;
        }
        stage.finish().await;
    });
}

/// Pieces of a request's body that have come so far.
#[derive(Clone, Default)]
struct Pieces(Arc<Mutex<VecDeque<Bytes>>>);

impl Source for Pieces {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reason>>> {
        match self.0.lock().unwrap().pop_front() {
            None => Poll::Pending,
            Some(end) if end.is_empty() => Poll::Ready(None),
            Some(piece) => Poll::Ready(Some(Ok(piece))),
        }
    }
}

struct Stage<'d> {
    control: Control,
    /// Its socket.
    ours: UnixStream,
    feed: Feed,
    pieces: Pieces,
    /// The worker's end.
    theirs: UnixStream,
    stream: &'d [u8],
    sent: usize,
    /// The other ends of the pipes that were sent along.
    watched: Vec<OwnedFd>,
    takes_files: bool,
    heard: Vec<FromWorker>,
    is_refused: bool,
    fed: Vec<u8>,
    is_ended: bool,
    got: Vec<u8>,
}

impl<'d> Stage<'d> {
    fn new(stream: &'d [u8]) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let pieces = Pieces::default();
        Self {
            ours: ours.try_clone().unwrap(),
            control: Control::begin(ours, FRAME, Vec::new()).unwrap(),
            feed: Feed::of(pieces.clone()),
            pieces,
            theirs,
            stream,
            sent: 0,
            watched: Vec::new(),
            takes_files: false,
            heard: Vec::new(),
            is_refused: false,
            fed: Vec::new(),
            is_ended: false,
            got: Vec::new(),
        }
    }

    async fn step(&mut self, what: u8, size: usize) {
        match what % 8 {
            0..3 => self.send(size, usize::from(what >> 6)),
            3 | 4 => self.turn(true).await,
            5 => self.turn(false).await,
            6 => self.feed(size),
            _ if size.is_multiple_of(4) => drop(self.control.take_file()),
            _ => self.files(size % 4 == 1),
        }
        assert!(self.open() <= usize::from(self.takes_files), "descriptors that nobody asked for");
    }

    /// So many bytes more, with pipes along.
    fn send(&mut self, size: usize, descriptors: usize) {
        let end = (self.sent + size).min(self.stream.len());
        let piece = &self.stream[self.sent..end];
        if piece.is_empty() {
            return;
        }
        let pipes: Vec<_> = (0..descriptors).map(|_| rustix::pipe::pipe().unwrap()).collect();
        let theirs: Vec<_> = pipes.iter().map(|(_, write)| write.as_fd()).collect();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !theirs.is_empty() {
            assert!(rights.push(SendAncillaryMessage::ScmRights(&theirs)));
        }
        let flags = SendFlags::NOSIGNAL;
        // A socket that is full takes it later, or never.
        if let Ok(sent) = sendmsg(&self.theirs, &[IoSlice::new(piece)], &mut rights, flags) {
            self.sent += sent;
            self.watched.extend(pipes.into_iter().map(|(read, _)| read));
        }
    }

    /// What the exchange does while the proxy waits for a moment, and is called away then.
    async fn turn(&mut self, hears: bool) {
        while !self.is_refused {
            let step = tokio::select! {
                biased;
                step = self.control.exchange(ID, hears, &mut self.feed) => step,
                () = moment() => return,
            };
            match step {
                Step::Frame(Ok(frame)) => {
                    assert!(hears, "heard by nobody");
                    self.heard.push(frame);
                }
                Step::Frame(Err(_)) => self.is_refused = true,
                Step::Lost(reason) => panic!("nothing was lost: {reason:?}"),
            }
        }
    }

    fn feed(&mut self, size: usize) {
        if !self.is_ended {
            self.is_ended = size == 0;
            self.fed.extend(std::iter::repeat_n(size as u8, size));
            self.pieces.0.lock().unwrap().push_back(vec![size as u8; size].into());
        }
    }

    fn files(&mut self, takes: bool) {
        self.control.take_files(takes);
        self.takes_files = takes;
    }

    /// Pipes that the proxy has open; those on their way are in the socket.
    fn open(&self) -> usize {
        match rustix::io::ioctl_fionread(&self.ours) {
            Ok(0) => self.watched.iter().filter(|pipe| !is_hung_up(pipe)).count(),
            _ => 0,
        }
    }

    /// All that is left is sent and heard; then it is held against what a plain reader makes of it.
    async fn finish(mut self) {
        while self.sent < self.stream.len() && !self.is_refused {
            self.send(4096, 0);
            self.turn(true).await;
        }
        self.turn(true).await;
        let (expected, is_refused) = frames(self.stream);
        assert_eq!((&self.heard, self.is_refused), (&expected, is_refused));
        self.receive();
        let (body, is_ended) = self.body();
        assert!(self.fed.starts_with(&body));
        if !is_refused {
            assert_eq!((body.len(), is_ended), (self.fed.len(), self.is_ended));
        }
        let Self { control, ours, theirs, watched, .. } = self;
        drop((control, ours, theirs));
        assert!(watched.iter().all(is_hung_up), "a descriptor was kept");
    }

    fn receive(&mut self) {
        let mut block = [0; 4096];
        loop {
            match self.theirs.read(&mut block) {
                Ok(0) => return,
                Ok(count) => self.got.write_all(&block[..count]).unwrap(),
                Err(empty) if empty.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return,
            }
        }
    }

    /// The body that the worker got, and whether its end came.
    fn body(&self) -> (Vec<u8>, bool) {
        let (mut body, mut is_ended) = (Vec::new(), false);
        let mut rest = &self.got[..];
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
            let length = frame_len(*header, MAX_CHUNK + 64).unwrap();
            let Some((payload, behind)) = behind.split_at_checked(length) else { break };
            assert!(!is_ended, "something behind the end");
            match decode_to_worker(payload).unwrap() {
                ToWorker::Body { id: ID, data } => body.extend(data),
                ToWorker::BodyEnd { id: ID, is_whole: true } => is_ended = true,
                other => panic!("{other:?}"),
            }
            rest = behind;
        }
        (body, is_ended)
    }
}

/// Whether nobody has the other end.
fn is_hung_up(pipe: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(pipe, PollFlags::IN)];
    let ready = poll(&mut watched, Some(&Timespec::default())).unwrap();
    ready == 1 && watched[0].revents().contains(PollFlags::HUP)
}

/// Long enough for what is there to be seen.
async fn moment() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}
