//! The event loops: one thread and one single-threaded runtime each. All accept; a connection stays where it is served,
//! with the routes, pools and timers of that loop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::handler::Error;
use crate::listen::Loose;
use crate::server::accepted::Accepted;
use crate::server::acceptor::Acceptor;
use crate::server::connection::Router;
use crate::server::graceful::Graceful;
use crate::server::probe::{Probe, Pulse};
use crate::server::{Load, Shared, watchdog};
use crate::sys::priority;
use crate::telemetry::log::counted;

/// Event loops go before workers: a thousand that start, or compute, must not delay a fast route.
const NICE: i32 = -10;
/// Of each loop: they read files and look names up. What waits for a slow disk waits for one of them.
const BLOCKING_THREADS: usize = 64;
/// How often a drain looks whether the last call has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// All event loops.
pub struct Loops {
    loops: Vec<Loop>,
}

struct Loop {
    load: Load,
    inbox: UnboundedSender<Arrival>,
    probe: Probe,
}

/// What comes to a loop from outside.
enum Arrival {
    Listener(Box<Acceptor>),
    Connection(Accepted<Loose>),
}

/// A loop takes what it has accepted, unless another has fewer connections by more than this.
const SLACK: usize = 1;

/// The threads of the loops; they end after a drain.
pub struct Threads(Vec<JoinHandle<()>>);

impl Loops {
    /// Starts `server.workers` loops. They serve until `drain` changes, then until their connections have ended or
    /// `server.drain_timeout` has passed.
    ///
    /// # Errors
    /// As `pthread_create(3)`; a route that cannot be composed.
    pub fn start(
        shared: &Arc<Shared>,
        drain: &watch::Receiver<bool>,
    ) -> io::Result<(Self, Threads)> {
        let mut loops = Vec::new();
        let mut threads = Vec::new();
        for number in 0..shared.config.server.workers {
            let (inbox, arriving) = unbounded_channel();
            let load = Load::default();
            // Made now, not on its loop: its metrics stand at 0 from the start.
            let probe = Probe::new(&shared.metrics, shared.config.accounting.stall_after, number);
            let served = Serving {
                probe: probe.clone(),
                load: Arc::clone(&load),
                shared: Arc::clone(shared),
                drain: drain.clone(),
            };
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS)
                .build()?;
            let router = Router::new(shared).map_err(io::Error::other::<Error>)?;
            let name = format!("loop-{number}");
            threads.push(thread::Builder::new().name(name).spawn(move || {
                // Where it may not, calls that compute take their full share from who waits for an answer.
                let _may_not = priority::set_nice(NICE);
                runtime.block_on(served.run(Arc::new(router), arriving));
            })?);
            loops.push(Loop { load, inbox, probe });
        }
        watchdog::start(loops.iter().map(|one| Arc::downgrade(one.probe.turn())).collect())?;
        Ok((Self { loops }, Threads(threads)))
    }

    /// Whether they turn.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse::of(self.loops.iter().map(|one| &one.probe))
    }

    /// Every loop accepts what comes to `acceptor`'s listener, until the drain.
    pub fn listen(&self, acceptor: &Acceptor) {
        for one in &self.loops {
            let _loop_has_ended = one.inbox.send(Arrival::Listener(Box::new(acceptor.clone())));
        }
    }

    /// Gives a connection that was accepted on `here` to the loop that is to serve it.
    ///
    /// # Errors
    /// As `epoll_ctl(2)`.
    pub fn place(&self, connection: Accepted, here: &Local) -> io::Result<()> {
        let load = |one: &Load| one.load(Ordering::Relaxed);
        let idlest = self.loops.iter().min_by_key(|one| load(&one.load));
        // It is counted here already.
        match idlest.filter(|one| load(&one.load) + SLACK < load(&here.load) - 1) {
            None => here.serve(connection),
            Some(one) => {
                let connection = connection.loosen(&one.load)?;
                let _loop_has_ended = one.inbox.send(Arrival::Connection(connection));
            }
        }
        Ok(())
    }
}

impl Threads {
    /// Waits for the loops to end.
    pub fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                warn!("an event loop ended by a panic");
            }
        }
    }
}

/// One loop, for what runs on it.
#[derive(Clone)]
pub struct Local {
    /// How many connections it has.
    pub load: Load,
    router: Arc<Router>,
    graceful: Graceful,
}

impl Local {
    fn serve(&self, connection: Accepted) {
        let watcher = self.graceful.watcher();
        tokio::spawn(Arc::clone(&self.router).serve(connection, watcher));
    }

    fn take(&self, arrival: Arrival) {
        match arrival {
            Arrival::Listener(acceptor) => drop(tokio::spawn(acceptor.accept(self.clone()))),
            Arrival::Connection(connection) => match connection.settle() {
                Ok(connection) => self.serve(connection),
                Err(problem) => warn!("a connection could not be served: {problem}"),
            },
        }
    }
}

struct Serving {
    probe: Probe,
    load: Load,
    shared: Arc<Shared>,
    drain: watch::Receiver<bool>,
}

impl Serving {
    async fn run(mut self, router: Arc<Router>, mut arriving: UnboundedReceiver<Arrival>) {
        let graceful = Graceful::default();
        let local = Local { load: Arc::clone(&self.load), router, graceful: graceful.clone() };
        tokio::spawn(self.probe.clone().watch());
        loop {
            tokio::select! {
                biased;
                Some(arrival) = arriving.recv() => local.take(arrival),
                _ = self.drain.changed() => break,
            }
        }
        let limit = self.shared.config.server.drain_timeout;
        if timeout(limit, self.drained(local, arriving, graceful)).await.is_err() {
            let left = counted(self.load.load(Ordering::Relaxed), "connection");
            warn!(limit = ?limit, "drain_timeout is over: {left}, and calls that still run, are cut");
        }
    }

    /// Waits for connections, then for calls that outlive their clients and workers on their way out.
    async fn drained(
        &self,
        local: Local,
        mut arriving: UnboundedReceiver<Arrival>,
        graceful: Graceful,
    ) {
        graceful.begin();
        // The acceptors end as well, when all that the kernel has accepted is placed.
        while let Some(arrival) = arriving.recv().await {
            local.take(arrival);
        }
        drop(local);
        graceful.ended().await;
        while !self.shared.parts.is_idle() {
            sleep(LOOK_AGAIN).await;
        }
    }
}
