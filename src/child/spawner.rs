//! The threads that start every worker. `spawn()` blocks, and a worker's PR_SET_PDEATHSIG fires when the *thread*
//! that spawned it ends: so workers are started by threads that live as long as the proxy.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use prometheus::IntCounter;
use tokio::sync::oneshot;

use crate::call::Hold;
use crate::child::WorkerProgram;
use crate::child::groups::Home;
use crate::child::leftovers::{MARK, Sweeper};
use crate::child::process::Started;
use crate::sys::priority;
use crate::sys::sockets::wide_pair;

/// How urgent a start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A call waits for it.
    Normal,
    /// A spare: it must not delay anyone, so it starts under SCHED_IDLE where that can be left again.
    Idle,
}

/// How the workers of one function are started.
#[derive(Debug)]
pub struct Launch {
    /// The variables that they start with, but for the mark.
    pub environment: Vec<(OsString, OsString)>,
    /// Where their control groups are.
    pub homes: Arc<[Home]>,
    /// Ends what they leave behind.
    pub sweeper: Sweeper,
    /// Counts that.
    pub leftovers: IntCounter,
}

struct Job {
    launch: Arc<Launch>,
    reply: oneshot::Sender<io::Result<Started>>,
    hold: Option<Hold>,
}

/// Hands starts to the spawning threads.
#[derive(Clone)]
pub struct Spawner {
    normal: Sender<Job>,
    idle: Option<Sender<Job>>,
}

impl Spawner {
    /// Starts the thread `spawner`, and `spawner-idle` where this process may lift an idle worker again.
    ///
    /// # Errors
    /// As `pthread_create(3)`.
    pub fn start(program: WorkerProgram) -> io::Result<Self> {
        let program = Arc::new(program);
        let normal = start_thread("spawner", Arc::clone(&program), || ())?;
        let idle = match Self::can_leave_idle() {
            true => Some(start_thread("spawner-idle", program, become_idle)?),
            false => None,
        };
        Ok(Self { normal, idle })
    }

    /// Whether spares may start under SCHED_IDLE, which cannot be left without CAP_SYS_NICE: tried on a thread that is
    /// thrown away.
    #[must_use]
    pub fn can_leave_idle() -> bool {
        let probe =
            thread::spawn(|| priority::make_idle(0).and_then(|()| priority::make_normal(0)));
        matches!(probe.join(), Ok(Ok(())))
    }

    /// Starts one worker; its library is not loaded yet. `hold` lives until the worker is reaped, also where the caller
    /// does not wait for it.
    ///
    /// # Errors
    /// As `posix_spawn(3)`, `socketpair(2)`, `pidfd_open(2)`.
    pub async fn spawn(
        &self,
        priority: Priority,
        launch: &Arc<Launch>,
        hold: Option<Hold>,
    ) -> io::Result<Started> {
        let thread = match priority {
            Priority::Normal => &self.normal,
            Priority::Idle => self.idle.as_ref().unwrap_or(&self.normal),
        };
        let (reply, started) = oneshot::channel();
        let thread_is_gone = || io::Error::other("the spawner thread has ended");
        let launch = Arc::clone(launch);
        thread.send(Job { launch, reply, hold }).map_err(|_| thread_is_gone())?;
        started.await.map_err(|_| thread_is_gone())?
    }
}

fn become_idle() {
    let _stays_normal = priority::make_idle(0);
}

/// A thread that serves jobs after `prepare`, until every sender is gone.
fn start_thread(name: &str, program: Arc<WorkerProgram>, prepare: fn()) -> io::Result<Sender<Job>> {
    let (sender, jobs) = channel();
    thread::Builder::new().name(name.into()).spawn(move || {
        prepare();
        serve(&program, &jobs);
    })?;
    Ok(sender)
}

fn serve(program: &WorkerProgram, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        if !job.reply.is_closed() {
            // A receiver that left meanwhile drops the process, which ends it.
            let _receiver_left = job.reply.send(spawn(program, &job.launch, job.hold));
        }
    }
}

fn spawn(program: &WorkerProgram, launch: &Launch, hold: Option<Hold>) -> io::Result<Started> {
    let (ours, theirs) = wide_pair()?;
    let mark = launch.sweeper.mark(&launch.homes, &launch.leftovers);
    let child = Command::new(program.path())
        .arg0("cofferdam-worker")
        .env_clear()
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .env(MARK, mark.text())
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    Started::adopt(child, ours, mark, hold)
}
