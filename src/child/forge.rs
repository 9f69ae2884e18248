//! A template worker that forks a worker for each call (`spawn = "fork"`): it is kept alive, and replaced when it dies.
//! The proxy itself never forks.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::call::Hold;
use crate::child::meters::{Counted, Meters};
use crate::child::process::{Happening, Live, Started};
use crate::child::start::{START_LIMIT, StartFailure, first_frame};
use crate::child::{Launch, Library, Priority, Spawner};
use crate::sys::process::reap_group;
use crate::sys::sockets::wide_pair;
use crate::wire::codec::encode_to_worker;
use crate::wire::{self, FromWorker, Phase, ToWorker};

/// The pauses between templates that do not get ready: a broken constructor must not become a fork bomb.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// A fork that fails with its template is tried once more with the next.
const TRIES: u32 = 2;
/// Between two looks whether a killed child has ended.
const LAST_CHILD: Duration = Duration::from_millis(5);
/// A template that lives so long was no failed start.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
/// Bytes of the largest frame that a template sends.
const CAP: usize = 64 * 1024;

/// Asks a template for workers.
#[derive(Clone)]
pub struct Forge(Arc<Mutex<Option<UnboundedSender<Job>>>>);

/// A fresh worker, and what it would say of itself: it has nothing to load, so nobody waits for its word.
type Forked = (Started, wire::Ready);

struct Job {
    reply: oneshot::Sender<Result<Forked, StartFailure>>,
    hold: Option<Hold>,
    tries: u32,
}

/// Keeps one template alive.
struct Keeper {
    function: String,
    hello: Vec<u8>,
    library: Arc<Library>,
    launch: Arc<Launch>,
    spawner: Spawner,
    meters: Meters,
    jobs: UnboundedReceiver<Job>,
    /// One that is to be tried again.
    again: Option<Job>,
}

/// How long a template served.
enum Served {
    /// Until nobody will ask any more.
    All,
    /// Until it died, or said what it should not.
    Well,
    /// Not even that: it died at once, and has not forked.
    Ill,
}

impl Forge {
    /// Starts a template of `function` that gets the frame `hello` and loads `library`, by a task on the caller's runtime, and keeps one alive until
    /// this is drained.
    #[must_use]
    pub fn keep(
        function: &str,
        (hello, library): (Vec<u8>, Arc<Library>),
        launch: Arc<Launch>,
        spawner: Spawner,
        meters: Meters,
    ) -> Self {
        let (sender, jobs) = unbounded_channel();
        let function = function.to_owned();
        let keeper =
            Keeper { function, hello, library, launch, spawner, meters, jobs, again: None };
        tokio::spawn(keeper.keep());
        Self(Arc::new(Mutex::new(Some(sender))))
    }

    /// A fresh worker that has its library loaded. `hold` lives until it is reaped.
    ///
    /// # Errors
    /// The template cannot be started, or cannot fork.
    pub async fn fork(&self, hold: Option<Hold>) -> Result<Forked, StartFailure> {
        let (reply, started) = oneshot::channel();
        let ended = || StartFailure::new(Phase::Spawn, "the function is being drained");
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let job = Job { reply, hold, tries: 0 };
        jobs.ok_or_else(ended)?.send(job).map_err(|_| ended())?;
        started.await.map_err(|_| ended())?
    }

    /// Ends the template; workers that it has forked go on.
    pub fn drain(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Keeper {
    async fn keep(mut self) {
        let mut pause = PAUSES[0];
        loop {
            match self.start().await {
                Ok((mut template, said)) => match self.serve(&mut template, &said).await {
                    Served::All => return,
                    Served::Well => {
                        self.bury(template).await;
                        pause = PAUSES[0];
                    }
                    Served::Ill => {
                        self.bury(template).await;
                        if self.wait(&useless(), &mut pause).await {
                            return;
                        }
                    }
                },
                Err(failure) => {
                    if self.wait(&failure, &mut pause).await {
                        return;
                    }
                }
            }
        }
    }

    async fn bury(&self, mut template: Live) {
        template.process.kill();
        let _reaped = template.collect().await;
        // Its last child, if the template died before it could say whom it had forked.
        while reap_group(template.process.pid()) {
            sleep(LAST_CHILD).await;
        }
        self.meters.exits_crash.inc();
        let stderr = template.stderr.text();
        warn!(function = self.function, stderr, "the template has died and is replaced");
    }

    /// Refuses who asks, for longer each time; whether nobody will ask any more.
    async fn wait(&mut self, failure: &StartFailure, pause: &mut Duration) -> bool {
        warn!(
            function = self.function,
            "the template could not be started, the next try is in {pause:?}: {failure}"
        );
        let limit = std::mem::replace(pause, (*pause * 2).min(PAUSES[1]));
        timeout(limit, self.refuse(failure)).await.is_ok()
    }

    async fn start(&mut self) -> Result<(Live, wire::Ready), StartFailure> {
        let spawn_failed = |problem| StartFailure::new(Phase::Spawn, problem);
        self.meters.starts_template.inc();
        let started =
            self.spawner.spawn(Priority::Normal, &self.launch, None).await.map_err(spawn_failed)?;
        let library = self.library.descriptor();
        let mut live = started.greet(CAP, self.hello.clone(), library).map_err(spawn_failed)?;
        let ready = match timeout(START_LIMIT, first_frame(&mut live)).await {
            Ok(ready) => ready?,
            Err(_) => return Err(StartFailure::late()),
        };
        live.stdout.absorb_now();
        live.stderr.absorb_now();
        for text in [live.stdout.text(), live.stderr.text()].into_iter().flatten() {
            info!(function = self.function, "library output: {text}");
        }
        // Its children begin with new clocks.
        Ok((live, wire::Ready { traits: ready.traits, ..wire::Ready::default() }))
    }

    /// Forks on request.
    async fn serve(&mut self, template: &mut Live, said: &wire::Ready) -> Served {
        let _alive = Counted::new(&self.meters.workers_template);
        let begun = Instant::now();
        let mut has_forked = false;
        let until = |has_forked| match has_forked || begun.elapsed() >= LONG_ENOUGH {
            true => Served::Well,
            false => Served::Ill,
        };
        loop {
            let job = match self.again.take() {
                Some(job) => job,
                None => tokio::select! {
                    job = self.jobs.recv() => match job {
                        Some(job) => job,
                        None => return Served::All,
                    },
                    _said_or_ended = template.hear() => return until(has_forked),
                },
            };
            if job.reply.is_closed() {
                continue;
            }
            match fork(template, &self.launch, job.hold.clone()).await {
                Ok(started) => {
                    has_forked = true;
                    drop(job.reply.send(Ok((started, *said))));
                }
                Err(problem) => {
                    self.retry(job, problem);
                    return until(has_forked);
                }
            }
        }
    }

    fn retry(&mut self, job: Job, problem: io::Error) {
        let tries = job.tries + 1;
        if tries < TRIES {
            self.again = Some(Job { tries, ..job });
        } else {
            drop(job.reply.send(Err(StartFailure::new(Phase::Spawn, problem))));
        }
    }

    /// Answers all who ask with `failure`; ends when nobody will any more.
    async fn refuse(&mut self, failure: &StartFailure) {
        if let Some(job) = self.again.take() {
            drop(job.reply.send(Err(failure.clone())));
        }
        while let Some(job) = self.jobs.recv().await {
            drop(job.reply.send(Err(failure.clone())));
        }
    }
}

/// One that gets ready and dies at once would do so for ever.
fn useless() -> StartFailure {
    StartFailure::new(Phase::Spawn, "the template died before it had forked")
}

async fn fork(template: &mut Live, launch: &Launch, hold: Option<Hold>) -> io::Result<Started> {
    let mark = launch.sweeper.mark(&launch.homes, &launch.leftovers);
    let (ours, theirs) = wide_pair()?;
    let (stdout, their_stdout) = io::pipe()?;
    let (stderr, their_stderr) = io::pipe()?;
    let mut frame = Vec::new();
    encode_to_worker(&ToWorker::Fork { mark: mark.number() }, &mut frame);
    let sent = [theirs.as_fd(), their_stdout.as_fd(), their_stderr.as_fd()];
    template.control.send_with(&frame, &sent).await?;
    let pid = match timeout(START_LIMIT, template.hear()).await {
        Ok(Happening::Frame(Ok(FromWorker::Forked { pid }))) => pid,
        Ok(Happening::Frame(Ok(FromWorker::Failed { message, .. }))) => {
            return Err(io::Error::other(message));
        }
        Ok(_) => return Err(io::Error::other("the template has died")),
        Err(_) => return Err(io::Error::other("the template does not answer")),
    };
    let output = [OwnedFd::from(stdout), OwnedFd::from(stderr)];
    Started::adopt_forked(pid, ours, output, mark, hold)
}
