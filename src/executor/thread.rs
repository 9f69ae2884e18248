//! Mode `thread`: calls on threads of the proxy itself. Cheap, and nothing is isolated: a crash is the proxy's. A call that
//! takes too long is answered for, but nobody can end it: its slot is taken until it returns.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::{mpsc, oneshot};

use crate::call::{Call, Failure, Fed, Feed, Hold, Outcome, Reason};
use crate::child::Spec;
use crate::child::meters::CallOutcome;
use crate::child::partner::Partner;
use crate::child::process::{Happening, Hears};
use crate::child::run::Opening;
use crate::executor::begun::in_a_task;
use crate::executor::{Executor, Running};
use crate::sys::clock;
use crate::sys::priority;
use crate::sys::process::Reaped;
use crate::sys::procfs::Sched;
use crate::wire::{CallFrame, FromWorker, MAX_CHUNK};
use crate::worker::control::{ControlError, Link, Piece};
use crate::worker::resident::Resident;

/// Pieces of a request's body that wait for the function; beyond them the client waits.
const PIECES: usize = 4;
/// Frames that wait for the event loop; beyond them the function waits.
const FRAMES: usize = 8;

/// One function's threads: at most one for each slot.
pub struct Thread(Arc<Crew>);

struct Crew {
    spec: Arc<Spec>,
    resident: Resident,
    /// The last one in is the first one out. `None`: drained.
    idle: Mutex<Option<Vec<Hand>>>,
}

/// A thread that waits for a call.
struct Hand {
    number: u32,
    /// What it has used so far.
    used: Sched,
    mailbox: std_mpsc::Sender<Job>,
}

struct Job {
    call: CallFrame,
    voice: Voice,
    hand: Hand,
    _hold: Hold,
}

impl Thread {
    /// Of a library that is loaded.
    #[must_use]
    pub fn new(spec: Arc<Spec>, resident: Resident) -> Self {
        Self(Arc::new(Crew { spec, resident, idle: Mutex::new(Some(Vec::new())) }))
    }
}

impl Executor for Thread {
    fn execute(&self, call: Call) -> Running<'static, Outcome> {
        let crew = Arc::clone(&self.0);
        in_a_task(move |reply| crew.serve(call, reply))
    }

    fn drain(&self) {
        self.0.idle().take();
    }

    fn at_once(&self) -> usize {
        super::at_once(&self.0.spec.function, &self.0.resident)
    }
}

impl Crew {
    async fn serve(self: Arc<Self>, call: Call, reply: oneshot::Sender<Outcome>) {
        let idle = self.idle().as_mut().and_then(Vec::pop);
        let hand = match idle {
            Some(hand) => hand,
            None => match self.start().await {
                Ok(hand) => hand,
                Err(problem) => {
                    self.spec.meters.count_call(CallOutcome::StartFailed);
                    call.hold.ended(CallOutcome::StartFailed.ending());
                    return drop(reply.send(Err(Failure::Start(problem.to_string()))));
                }
            },
        };
        let (frames, heard) = mpsc::channel(FRAMES);
        let cancel = Arc::new(Cancel::default());
        let (pieces, fed) = mpsc::channel(PIECES);
        let voice = Voice { frames, pieces: Mutex::new(fed), cancel: Arc::clone(&cancel) };
        let hold = Arc::clone(&call.hold);
        let whom = (hand.number, hand.used);
        let (opening, call) = Opening::new(Arc::clone(&self.spec), whom, call, reply);
        let mailbox = hand.mailbox.clone();
        // A thread that has ended drops the voice: the exchange hears that.
        let _it_has_ended = mailbox.send(Job { call, voice, hand, _hold: hold });
        let ear = Ear { heard, file: None, pieces: Some(pieces), cancel };
        // The thread itself comes back by its own doing, when its call has ended.
        let _rested = opening.run(ear).await;
    }

    async fn start(self: &Arc<Self>) -> std::io::Result<Hand> {
        let (mailbox, jobs) = std_mpsc::channel();
        let (told, number) = oneshot::channel();
        let crew = Arc::clone(self);
        let name = format!("call-{}", self.spec.function.name);
        self.spec.meters.starts_demand.inc();
        thread::Builder::new().name(name).spawn(move || {
            // What it inherited from the event loop is not for calls.
            let _stays = priority::set_nice(0);
            let number = rustix::thread::gettid().as_raw_nonzero().get();
            let _starter_left = told.send(number.unsigned_abs());
            crew.work(&jobs);
        })?;
        let ended = |_| std::io::Error::other("the thread has ended");
        Ok(Hand { number: number.await.map_err(ended)?, used: Sched::default(), mailbox })
    }

    fn work(&self, jobs: &std_mpsc::Receiver<Job>) {
        while let Ok(Job { call, voice, mut hand, _hold }) = jobs.recv() {
            let _nobody_hears_it = self.resident.answer(&voice, call);
            hand.used = Sched {
                cpu_ns: clock::thread_cpu_ns(),
                runqueue_ns: clock::thread_runqueue_ns().unwrap_or(0),
            };
            // Before its slot is another's, who then finds it.
            match self.idle().as_mut() {
                Some(idle) => idle.push(hand),
                None => return,
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Hand>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a call that nobody wants its answer.
#[derive(Default)]
struct Cancel {
    is_set: AtomicBool,
    /// Made for who asks for a descriptor.
    event: OnceLock<Option<OwnedFd>>,
}

impl Cancel {
    fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        self.event.get().into_iter().flatten().for_each(ring);
    }

    fn raw(&self) -> RawFd {
        let made = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        let event = self.event.get_or_init(made).as_ref();
        if self.is_set.load(Ordering::SeqCst) {
            event.into_iter().for_each(ring);
        }
        event.map_or(-1, AsRawFd::as_raw_fd)
    }
}

fn ring(event: &OwnedFd) {
    let _it_rings_already = rustix::io::write(event.as_fd(), &1_u64.to_ne_bytes());
}

/// A frame, and the file that comes along.
type Said = (FromWorker, Option<OwnedFd>);

/// The thread's side of a call.
struct Voice {
    frames: mpsc::Sender<Said>,
    pieces: Mutex<mpsc::Receiver<Piece>>,
    cancel: Arc<Cancel>,
}

impl Link for Voice {
    fn send(&self, message: &FromWorker) -> Result<(), ControlError> {
        self.frames.blocking_send((message.clone(), None)).map_err(|_| ControlError::Closed)
    }

    fn send_file(&self, message: &FromWorker, file: BorrowedFd<'_>) -> Result<(), ControlError> {
        let said = (message.clone(), Some(file.try_clone_to_owned()?));
        self.frames.blocking_send(said).map_err(|_| ControlError::Closed)
    }

    fn send_chunk(&self, id: u64, data: &[u8]) -> Result<(), ControlError> {
        if self.is_closed() {
            return Err(ControlError::Closed);
        }
        self.send(&FromWorker::Chunk { id, data: data.to_vec() })
    }

    fn next_piece(&self, _: u64) -> Result<Piece, ControlError> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.blocking_recv().ok_or(ControlError::Closed)
    }

    fn is_closed(&self) -> bool {
        self.cancel.is_set.load(Ordering::SeqCst)
    }

    fn raw(&self) -> RawFd {
        self.cancel.raw()
    }
}

/// The event loop's side of it.
struct Ear {
    heard: mpsc::Receiver<Said>,
    file: Option<OwnedFd>,
    /// Until all of the body is handed over, or nobody wants it.
    pieces: Option<mpsc::Sender<Piece>>,
    cancel: Arc<Cancel>,
}

impl Partner for Ear {
    async fn next(&mut self, hears: Hears, _: u64, feed: &mut Feed) -> Happening {
        loop {
            let Self { heard, file, pieces, .. } = self;
            let has_more = feed.is_open() && pieces.is_some();
            tokio::select! {
                biased;
                frame = heard.recv(), if hears != Hears::Nothing => match frame {
                    Some((frame, came)) if hears == Hears::All => {
                        *file = came.or(file.take());
                        return Happening::Frame(Ok(frame));
                    }
                    Some(_) => {}
                    None => return Happening::Ended,
                },
                lost = hand_over(pieces.as_ref(), feed), if has_more => if let Some(reason) = lost {
                    return Happening::Lost(reason);
                },
                else => std::future::pending().await,
            }
        }
    }

    fn end_body(&mut self, _: u64) {
        // Nothing else is sent once a body is lost: there is room for one word, or the thread has left.
        let _left = self.pieces.take().map(|pieces| pieces.try_send(Piece::Lost));
    }

    fn last_frame(&mut self) -> Option<FromWorker> {
        let (frame, came) = self.heard.try_recv().ok()?;
        self.file = came.or(self.file.take());
        Some(frame)
    }

    fn take_file(&mut self) -> Option<OwnedFd> {
        self.file.take()
    }

    fn is_exiting(&self) -> bool {
        false
    }

    fn terminate(&mut self) -> bool {
        self.cancel.set();
        self.pieces = None;
        false
    }

    fn kill(&mut self) -> bool {
        self.terminate()
    }

    fn reap(&mut self) -> Option<Reaped> {
        None
    }

    fn was_out_of_memory(&self) -> bool {
        false
    }

    fn absorb(&mut self) {}

    fn printed(&self) -> [Option<String>; 2] {
        [None, None]
    }
}

/// The next piece of a body, once there is room for it; why the rest will never come.
async fn hand_over(pieces: Option<&mpsc::Sender<Piece>>, feed: &mut Feed) -> Option<Reason> {
    let pieces = pieces?;
    let Ok(place) = pieces.reserve().await else {
        feed.close();
        return None;
    };
    match feed.next(MAX_CHUNK).await {
        Fed::Piece(piece) => place.send(Piece::Data(piece.into())),
        Fed::End => place.send(Piece::End),
        Fed::Lost(reason) => return Some(reason),
    }
    None
}
