//! What a handler sees and says, through the table of [`crate::ffi::abi`].

mod body;
mod head;
mod request;

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::control::{ControlError, Link};
use crate::ffi::abi::{self, Text};
use crate::ffi::phases::Phases;
use crate::sys::{clock, descriptors};
use crate::wire::{FromWorker, MAX_CHUNK, MAX_LOG, Request};
use body::Body;
use head::Head;
use request::{Lent, RequestError};

/// One request and its answer.
pub(super) struct Exchange<'a> {
    control: &'a dyn Link,
    id: u64,
    /// On `CLOCK_MONOTONIC`; `None` for never.
    deadline_ns: Option<u64>,
    request: Lent,
    body: Body,
    /// The lock also keeps frames whole when a handler has threads.
    answer: Mutex<Written>,
    phases: Mutex<Phases>,
    is_head: bool,
}

/// How much of the answer is out.
enum Written {
    Nothing(Head),
    /// The head; so much of the body may follow.
    Head(Option<u64>),
    /// A file, which is all.
    File,
}

impl<'a> Exchange<'a> {
    /// # Errors
    /// A header that C cannot read.
    pub(super) fn new(
        control: &'a dyn Link,
        id: u64,
        time_left_ms: u64,
        mut request: Request,
    ) -> Result<Self, RequestError> {
        let time_left_ns = time_left_ms.checked_mul(1_000_000);
        Ok(Self {
            control,
            id,
            deadline_ns: time_left_ns.and_then(|left| clock::monotonic_ns().checked_add(left)),
            is_head: request.method == "HEAD",
            body: Body::of(&mut request),
            request: Lent::new(request)?,
            answer: Mutex::new(Written::Nothing(Head::default())),
            phases: Mutex::default(),
        })
    }

    /// Commits the head of a handler that wrote nothing: with `code` as its status where it is one.
    /// All else is left to the proxy.
    pub(super) fn complete(&self, code: i32) -> Result<(), ControlError> {
        let mut answer = self.answer();
        let Written::Nothing(head) = &mut *answer else { return Ok(()) };
        let refused = code > 0 && head.set_status(code).is_err();
        if code < 0 || refused { Ok(()) } else { self.commit(&mut answer) }
    }

    fn answer(&self) -> MutexGuard<'_, Written> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the head, where that was not done.
    fn commit(&self, answer: &mut Written) -> Result<(), ControlError> {
        let Written::Nothing(head) = answer else { return Ok(()) };
        let head = std::mem::take(head);
        // The body of an answer to HEAD is nobody's, whatever its head says.
        *answer = Written::Head(head.announced().filter(|_| !self.is_head));
        self.control.send(&head.into_frame(self.id))
    }

    fn edit(&self, edit: impl FnOnce(&mut Head) -> Result<(), Errno>) -> Result<(), Errno> {
        match &mut *self.answer() {
            Written::Nothing(head) => edit(head),
            Written::Head(_) | Written::File => Err(Errno::ALREADY),
        }
    }
}

fn errno(error: ControlError) -> Errno {
    match error {
        ControlError::Closed => Errno::PIPE,
        ControlError::Codec(_) => Errno::PROTO,
        ControlError::Io(error) => Errno::from_io_error(&error).unwrap_or(Errno::IO),
    }
}

impl abi::Exchange for Exchange<'_> {
    fn text(&self, which: Text) -> &CStr {
        self.request.text(which)
    }

    fn header(&self, name: &[u8]) -> Option<&CStr> {
        self.request.header(name)
    }

    fn header_at(&self, index: usize) -> Option<(&CStr, &CStr)> {
        self.request.header_at(index)
    }

    fn param(&self, name: &[u8]) -> Option<&CStr> {
        self.request.param(name)
    }

    fn body(&self) -> Option<&[u8]> {
        self.body.whole(|| self.control.next_piece(self.id))
    }

    fn read(&self, into: &mut [MaybeUninit<u8>]) -> Result<usize, Errno> {
        self.body.read(into, || self.control.next_piece(self.id))
    }

    fn time_left_ms(&self) -> i64 {
        let Some(deadline) = self.deadline_ns else { return i64::MAX };
        let left = deadline.saturating_sub(clock::monotonic_ns()) / 1_000_000;
        i64::try_from(left).unwrap_or(i64::MAX)
    }

    fn is_cancelled(&self) -> bool {
        self.control.is_closed()
    }

    fn cancel_fd(&self) -> RawFd {
        self.control.raw()
    }

    fn log(&self, level: c_int, message: &[u8]) -> Result<(), Errno> {
        let level = u8::try_from(level).ok().filter(|level| *level <= 7).ok_or(Errno::INVAL)?;
        let cut = message.get(..MAX_LOG).unwrap_or(message);
        let message = String::from_utf8_lossy(cut).into_owned();
        let _whole_frames = self.answer();
        self.control.send(&FromWorker::Log { level, message }).map_err(errno)
    }

    fn set_status(&self, status: c_int) -> Result<(), Errno> {
        self.edit(|head| head.set_status(status))
    }

    fn add_header(&self, name: &[u8], value: &[u8], replace: bool) -> Result<(), Errno> {
        self.edit(|head| head.add(name, value, replace))
    }

    fn phase(&self, name: &[u8]) -> Result<(), Errno> {
        let at_ns = clock::monotonic_ns();
        let name = str::from_utf8(name).map_err(|_| Errno::INVAL)?;
        if !self.phases.lock().unwrap_or_else(PoisonError::into_inner).begin(name, 0) {
            return Err(Errno::INVAL);
        }
        let _whole_frames = self.answer();
        let name = name.to_owned();
        self.control.send(&FromWorker::Phase { id: self.id, at_ns, name }).map_err(errno)
    }

    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), Errno> {
        let mut answer = self.answer();
        let Written::Nothing(head) = &mut *answer else { return Err(Errno::ALREADY) };
        let there = descriptors::readable_size(file)?.checked_sub(offset).ok_or(Errno::INVAL)?;
        let length = if length == u64::MAX { there } else { length };
        if length > there {
            return Err(Errno::INVAL);
        }
        let frame = std::mem::take(head).into_file(self.id, offset, length);
        *answer = Written::File;
        self.control.send_file(&frame, file).map_err(errno)
    }

    fn write(&self, data: &[u8]) -> Result<(), Errno> {
        let mut answer = self.answer();
        let room = match &mut *answer {
            Written::Nothing(_) if self.is_head => None,
            Written::Nothing(head) => head.announced_for(data.len() as u64),
            Written::Head(left) => *left,
            Written::File => return Err(Errno::ALREADY),
        };
        let left = room.map(|room| room.checked_sub(data.len() as u64));
        if left == Some(None) {
            return Err(Errno::MSGSIZE);
        }
        self.commit(&mut answer).map_err(errno)?;
        *answer = Written::Head(left.flatten());
        let mut pieces = data.chunks(MAX_CHUNK);
        pieces.try_for_each(|piece| self.control.send_chunk(self.id, piece)).map_err(errno)
    }
}
