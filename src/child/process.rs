//! A started worker process. At rest its descriptors belong to no runtime; [`Started::register`] wakes it up in one.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use crate::call::{Feed, Hold, Reason};
use crate::child::control::{Control, ControlError, Step, send_with};
use crate::child::leftovers::Mark;
use crate::child::output::Output;
use crate::sys::descriptors;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{Exit, Reaped, kill_group, lead_group, reap, terminate_group};
use crate::wire::FromWorker;

/// How long a thread without a runtime waits for a process that it has killed.
const PROMPT: Duration = Duration::from_secs(1);

/// A process that leads its own group and was not reaped yet. Dropping it kills and collects it.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    is_reaped: bool,
    is_forked: bool,
    /// The slot that it occupies, until it is reaped.
    hold: Option<Hold>,
    /// By which what it leaves behind is known; until it is reaped.
    mark: Option<Mark>,
    was_out_of_memory: bool,
}

impl Process {
    fn new(pid: u32, is_forked: bool, mark: Mark, hold: Option<Hold>) -> Self {
        let mark = Some(mark);
        Self { pid, is_reaped: false, is_forked, hold, mark, was_out_of_memory: false }
    }

    /// The process id, which is also that of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its call is over and it stays: the slot is another's.
    pub fn release(&mut self) {
        self.hold = None;
    }

    /// SIGTERM to the group.
    pub fn terminate(&self) {
        terminate_group(self.pid);
    }

    /// SIGKILL to the group.
    pub fn kill(&self) {
        kill_group(self.pid);
    }

    /// Collects the process once it has ended, and kills whatever it left in its group.
    ///
    /// # Errors
    /// It has not ended yet.
    pub fn reap(&mut self) -> io::Result<Reaped> {
        // The group's number stays taken until its leader is reaped: killing later could hit a stranger.
        kill_group(self.pid);
        self.forget();
        let reaped = reap(self.pid)?.ok_or(io::ErrorKind::WouldBlock)?;
        self.is_reaped = true;
        if let Some(mark) = self.mark.take() {
            let by_kernel = reaped.exit == Exit::Signal(libc::SIGKILL);
            self.was_out_of_memory = by_kernel && mark.was_out_of_memory(self.pid);
            mark.is_gone(self.pid);
        }
        Ok(reaped)
    }

    /// Whether the kernel killed it at its limit of memory. Known once it is reaped.
    #[must_use]
    pub fn was_out_of_memory(&self) -> bool {
        self.was_out_of_memory
    }

    /// Its number may be another's soon.
    fn forget(&self) {
        if self.is_forked {
            forked().remove(&self.pid);
        }
    }
}

/// Forked workers that were not reaped yet: what a template says is held against them.
fn forked() -> MutexGuard<'static, BTreeSet<u32>> {
    static FORKED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    FORKED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        kill_group(self.pid);
        self.forget();
        let (hold, mark) = (self.hold.take(), self.mark.take());
        match (reap(self.pid), Handle::try_current()) {
            (Ok(None), Ok(runtime)) => drop(runtime.spawn(collect(self.pid, hold, mark))),
            (Ok(None), Err(_)) => collect_here(self.pid, mark),
            _ => gone(self.pid, mark),
        }
    }
}

fn gone(pid: u32, mark: Option<Mark>) {
    if let Some(mark) = mark {
        mark.is_gone(pid);
    }
}

async fn collect(pid: u32, hold: Option<Hold>, mark: Option<Mark>) {
    let ended = PidFd::open(pid).and_then(PidFd::watch);
    if let Ok(ended) = ended {
        let _readable = ended.readable().await;
        let _collected = reap(pid);
    }
    gone(pid, mark);
    drop(hold);
}

/// On a thread that may block: the spawner's, whose caller left meanwhile.
fn collect_here(pid: u32, mark: Option<Mark>) {
    if PidFd::open(pid).is_ok_and(|ended| ended.ends_within(PROMPT)) {
        let _collected = reap(pid);
    }
    gone(pid, mark);
}

/// A worker at rest.
#[derive(Debug)]
pub struct Started {
    process: Process,
    ended: PidFd,
    control: UnixStream,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Started {
    /// Takes over a child that leads its own process group and has pipes for its output; `hold` lives until it is
    /// reaped.
    ///
    /// # Errors
    /// No descriptor left, or no pipes; the child is killed then.
    pub fn adopt(
        mut child: Child,
        control: UnixStream,
        mark: Mark,
        hold: Option<Hold>,
    ) -> io::Result<Self> {
        let process = Process::new(child.id(), false, mark, hold);
        let no_pipe = || io::Error::other("the child has no pipe");
        let stdout = OwnedFd::from(child.stdout.take().ok_or_else(no_pipe)?);
        let stderr = OwnedFd::from(child.stderr.take().ok_or_else(no_pipe)?);
        Self::new(process, control, [stdout, stderr])
    }

    /// Takes over a child that a template has forked, which it names `pid`: nothing is believed that the kernel does not
    /// confirm. `output` are the reading ends of its standard output and error; `hold` as in [`Started::adopt`].
    ///
    /// # Errors
    /// It is no child of this process that has never called exec, or one that is known already; no descriptor left.
    pub fn adopt_forked(
        pid: u32,
        control: UnixStream,
        output: [OwnedFd; 2],
        mark: Mark,
        hold: Option<Hold>,
    ) -> io::Result<Self> {
        if !forked().insert(pid) {
            return Err(io::Error::other("it names a process that is another's"));
        }
        // Only a child that never called exec can be moved (`setpgid(2)`): here a lie ends.
        if let Err(no_child) = lead_group(pid) {
            forked().remove(&pid);
            return Err(no_child);
        }
        Self::new(Process::new(pid, true, mark, hold), control, output)
    }

    fn new(process: Process, control: UnixStream, output: [OwnedFd; 2]) -> io::Result<Self> {
        control.set_nonblocking(true)?;
        for pipe in &output {
            descriptors::never_block(pipe)?;
        }
        let [stdout, stderr] = output;
        Ok(Self { ended: PidFd::open(process.pid)?, process, control, stdout, stderr })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Whether it has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.has_ended()
    }

    /// Sends it `frame`, and registers its descriptors with the caller's runtime while it is at that. Frames beyond `cap`
    /// bytes are refused.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`; the worker is killed then.
    pub fn begin(self, cap: usize, frame: Vec<u8>) -> io::Result<Live> {
        Ok(Live {
            process: self.process,
            control: Control::begin(self.control, cap, frame)?,
            ended: self.ended.watch()?,
            stdout: Output::new(self.stdout)?,
            stderr: Output::new(self.stderr)?,
        })
    }

    /// As [`Started::begin`], with a descriptor along.
    ///
    /// # Errors
    /// As [`Started::begin`], and `sendmsg(2)`.
    pub fn greet(
        self,
        cap: usize,
        mut frame: Vec<u8>,
        along: Option<BorrowedFd<'_>>,
    ) -> io::Result<Live> {
        if let Some(along) = along {
            let sent = match send_with(&self.control, &frame, &[along]) {
                // Whoever listens to it will find its end.
                Err(Errno::PIPE | Errno::CONNRESET) => frame.len(),
                sent => sent?,
            };
            frame.drain(..sent);
        }
        self.begin(cap, frame)
    }
}

/// What a live worker did.
#[derive(Debug)]
pub enum Happening {
    /// It sent a frame, or something else.
    Frame(Result<FromWorker, ControlError>),
    /// It has ended.
    Ended,
    /// The rest of the request's body will never come: its client's doing, not the worker's.
    Lost(Reason),
}

/// What of a worker's doings is wanted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// Its frames, and its end.
    All,
    /// Its end only: frames mean nothing any more.
    End,
    /// Nothing: its client takes what it said before.
    Nothing,
}

/// A worker registered with a runtime.
#[derive(Debug)]
pub struct Live {
    /// To signal and reap it.
    pub process: Process,
    ended: AsyncFd<PidFd>,
    /// Its frames.
    pub control: Control,
    /// What its library prints.
    pub stdout: Output,
    /// What its library complains about.
    pub stderr: Output,
}

impl Live {
    /// Waits for its next frame, or its end.
    pub async fn hear(&mut self) -> Happening {
        self.next(Hears::All, 0, &mut Feed::default()).await
    }

    /// Waits for what the worker does next, and hands it the body of call `id` meanwhile. What is not heard waits.
    pub async fn next(&mut self, hears: Hears, id: u64, feed: &mut Feed) -> Happening {
        let is_heard = hears == Hears::All;
        loop {
            tokio::select! {
                biased;
                step = self.control.exchange(id, is_heard, feed), if hears != Hears::End => {
                    return match step {
                        Step::Frame(frame) => Happening::Frame(frame),
                        Step::Lost(reason) => Happening::Lost(reason),
                    };
                }
                _ = self.ended.readable(), if hears != Hears::Nothing => return Happening::Ended,
                () = self.stdout.absorb(), if self.stdout.is_open() => {}
                () = self.stderr.absorb(), if self.stderr.is_open() => {}
            }
        }
    }

    /// Takes its descriptors out of the runtime.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`; the worker is killed then.
    pub fn rest(self) -> io::Result<Started> {
        Ok(Started {
            process: self.process,
            ended: self.ended.into_inner(),
            control: self.control.into_std(),
            stdout: self.stdout.into_inner()?,
            stderr: self.stderr.into_inner()?,
        })
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.get_ref().has_ended()
    }

    /// Waits for the end.
    pub async fn ended(&self) {
        let _readable = self.ended.readable().await;
    }

    /// Waits for the end, then collects the process; its last words are in `stdout` and `stderr` then.
    pub async fn collect(&mut self) -> Option<Reaped> {
        let _readable = self.ended.readable().await;
        self.reap_now()
    }

    /// Collects a process that has ended.
    pub fn reap_now(&mut self) -> Option<Reaped> {
        self.stdout.absorb_now();
        self.stderr.absorb_now();
        self.process.reap().ok()
    }
}
