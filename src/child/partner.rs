//! Who runs a call, as the exchange sees it: a worker process, or something that behaves like one.

use std::future::Future;
use std::os::fd::OwnedFd;

use crate::call::Feed;
use crate::child::process::{Happening, Hears, Live};
use crate::sys::process::Reaped;
use crate::sys::procfs;
use crate::wire::FromWorker;

/// The other side of an exchange.
pub trait Partner: Send {
    /// Waits for what it does next, and hands it the body of call `id` meanwhile.
    fn next(
        &mut self,
        hears: Hears,
        id: u64,
        feed: &mut Feed,
    ) -> impl Future<Output = Happening> + Send;

    /// The rest of the body will never come.
    fn end_body(&mut self, id: u64);

    /// A frame that it sent before it ended.
    fn last_frame(&mut self) -> Option<FromWorker>;

    /// The file that came along with its last frame.
    fn take_file(&mut self) -> Option<OwnedFd>;

    /// Whether it is on its way out: then its end tells more than its silence.
    fn is_exiting(&self) -> bool;

    /// Asks it to end; false where nobody can.
    fn terminate(&mut self) -> bool;

    /// Ends it; false where nobody can.
    fn kill(&mut self) -> bool;

    /// How it ended, where it is a process.
    fn reap(&mut self) -> Option<Reaped>;

    /// Whether the kernel killed it at its limit of memory. Known once it is reaped.
    fn was_out_of_memory(&self) -> bool;

    /// Takes in what its library has printed so far.
    fn absorb(&mut self);

    /// What its library has printed: standard output, and standard error.
    fn printed(&self) -> [Option<String>; 2];
}

impl Partner for Live {
    fn next(
        &mut self,
        hears: Hears,
        id: u64,
        feed: &mut Feed,
    ) -> impl Future<Output = Happening> + Send {
        Live::next(self, hears, id, feed)
    }

    fn end_body(&mut self, id: u64) {
        self.control.end_body(id, false);
    }

    fn last_frame(&mut self) -> Option<FromWorker> {
        self.control.next_now().ok()
    }

    fn take_file(&mut self) -> Option<OwnedFd> {
        self.control.take_file()
    }

    fn is_exiting(&self) -> bool {
        procfs::is_exiting(self.process.pid())
    }

    /// Hangs up before: what a handler writes and reads on ends then.
    fn terminate(&mut self) -> bool {
        self.control.hang_up();
        self.process.terminate();
        true
    }

    fn kill(&mut self) -> bool {
        self.process.kill();
        true
    }

    fn reap(&mut self) -> Option<Reaped> {
        self.reap_now()
    }

    fn was_out_of_memory(&self) -> bool {
        self.process.was_out_of_memory()
    }

    fn absorb(&mut self) {
        self.stdout.absorb_now();
        self.stderr.absorb_now();
    }

    fn printed(&self) -> [Option<String>; 2] {
        [self.stdout.text(), self.stderr.text()]
    }
}
