//! What a handler sees and says, through the table of [`crate::ffi::abi`].

mod body;
mod head;
mod request;

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::control::{ControlError, Link};
use crate::ffi::abi::{self, Text};
use crate::sys::clock;
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
    /// `None` once it is committed. The lock also keeps frames whole when a handler has threads.
    head: Mutex<Option<Head>>,
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
            body: Body::of(&mut request),
            request: Lent::new(request)?,
            head: Mutex::new(Some(Head::default())),
        })
    }

    /// Commits the head of a handler that wrote nothing: with `code` as its status where it is one.
    /// All else is left to the proxy.
    pub(super) fn complete(&self, code: i32) -> Result<(), ControlError> {
        let mut slot = self.head();
        let head = slot.as_mut().filter(|_| code > 0);
        let refused = head.is_some_and(|head| head.set_status(code).is_err());
        if code < 0 || refused { Ok(()) } else { self.commit(&mut slot) }
    }

    fn head(&self) -> MutexGuard<'_, Option<Head>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, slot: &mut Option<Head>) -> Result<(), ControlError> {
        match slot.take() {
            Some(head) => self.control.send(&head.into_frame(self.id)),
            None => Ok(()),
        }
    }

    fn write_pieces(&self, data: &[u8]) -> Result<(), ControlError> {
        let mut slot = self.head();
        self.commit(&mut slot)?;
        data.chunks(MAX_CHUNK).try_for_each(|piece| self.control.send_chunk(self.id, piece))
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
        let _whole_frames = self.head();
        self.control.send(&FromWorker::Log { level, message }).map_err(errno)
    }

    fn set_status(&self, status: c_int) -> Result<(), Errno> {
        self.head().as_mut().ok_or(Errno::ALREADY)?.set_status(status)
    }

    fn add_header(&self, name: &[u8], value: &[u8], replace: bool) -> Result<(), Errno> {
        self.head().as_mut().ok_or(Errno::ALREADY)?.add(name, value, replace)
    }

    fn write(&self, data: &[u8]) -> Result<(), Errno> {
        self.write_pieces(data).map_err(errno)
    }
}
