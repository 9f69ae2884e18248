//! The event loops: one thread and one single-threaded runtime each. A connection stays where it was handed to, with
//! the routes, pools and timers of that loop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use prometheus::{Histogram, IntCounter};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::warn;

use crate::handler::Error;
use crate::server::connection::{Accepted, Router};
use crate::server::graceful::Graceful;
use crate::server::{Load, Shared};
use crate::sys::priority;

/// Event loops go before workers: a thousand that start, or compute, must not delay a fast route.
const NICE: i32 = -10;
/// Of each loop: they read files and look names up. What waits for a slow disk waits for one of them.
const BLOCKING_THREADS: usize = 64;
/// How often each loop looks how late it is.
const PROBE: Duration = Duration::from_millis(100);
/// How often a drain looks whether the last call has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// All event loops.
pub struct Loops {
    loops: Vec<Loop>,
}

struct Loop {
    load: Load,
    inbox: UnboundedSender<Accepted>,
    beat: Arc<AtomicU64>,
}

/// How often each loop has turned.
pub struct Pulse(Vec<Arc<AtomicU64>>);

impl Pulse {
    /// One number a loop; while a loop turns it grows each 100 ms.
    #[must_use]
    pub fn beats(&self) -> Vec<u64> {
        self.0.iter().map(|beat| beat.load(Ordering::Relaxed)).collect()
    }
}

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
            let probe = Probe::new(shared, number);
            let beat = Arc::clone(&probe.beat);
            let served = Serving {
                probe,
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
            loops.push(Loop { load, inbox, beat });
        }
        Ok((Self { loops }, Threads(threads)))
    }

    /// Whether they turn.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse(self.loops.iter().map(|one| Arc::clone(&one.beat)).collect())
    }

    /// Gives a connection to the loop with the fewest.
    pub fn hand_over(&self, connection: Accepted) {
        let idlest = self.loops.iter().min_by_key(|one| one.load.load(Ordering::Relaxed));
        if let Some(idlest) = idlest {
            idlest.load.fetch_add(1, Ordering::Relaxed);
            let _loop_has_ended = idlest.inbox.send(connection);
        }
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

struct Serving {
    probe: Probe,
    load: Load,
    shared: Arc<Shared>,
    drain: watch::Receiver<bool>,
}

impl Serving {
    async fn run(mut self, router: Arc<Router>, mut arriving: UnboundedReceiver<Accepted>) {
        let graceful = Graceful::default();
        tokio::spawn(self.probe.clone().watch());
        loop {
            tokio::select! {
                biased;
                Some(connection) = arriving.recv() => self.serve(&router, connection, &graceful),
                _ = self.drain.changed() => break,
            }
        }
        let limit = self.shared.config.server.drain_timeout;
        if timeout(limit, self.drained(&router, arriving, graceful)).await.is_err() {
            let left = self.load.load(Ordering::Relaxed);
            warn!(limit = ?limit, "drain_timeout is over: {left} connections, and calls that still run, are cut");
        }
    }

    fn serve(&self, router: &Arc<Router>, connection: Accepted, graceful: &Graceful) {
        let watcher = graceful.watcher();
        let load = Leaving(Arc::clone(&self.load));
        let router = Arc::clone(router);
        tokio::spawn(async move {
            let _load = load;
            router.serve(connection, watcher).await;
        });
    }

    /// Waits for connections, then for calls that outlive their clients and workers on their way out.
    async fn drained(
        &self,
        router: &Arc<Router>,
        mut arriving: UnboundedReceiver<Accepted>,
        graceful: Graceful,
    ) {
        graceful.begin();
        // The acceptors end as well, when all that the kernel has accepted is handed over.
        while let Some(connection) = arriving.recv().await {
            self.serve(router, connection, &graceful);
        }
        graceful.ended().await;
        while !self.shared.parts.is_idle() {
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Counts a connection out of its loop.
struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Measures how late timers fire: whatever holds the loop shows here.
#[derive(Clone)]
struct Probe {
    number: usize,
    beat: Arc<AtomicU64>,
    stall_after: Duration,
    lag: Histogram,
    stalls: IntCounter,
}

impl Probe {
    fn new(shared: &Shared, number: usize) -> Self {
        let label = &[&number.to_string()];
        Self {
            number,
            beat: Arc::default(),
            stall_after: shared.config.accounting.stall_after,
            lag: shared.metrics.event_loop_lag.with_label_values(label),
            stalls: shared.metrics.event_loop_stalls.with_label_values(label),
        }
    }

    async fn watch(self) {
        loop {
            let due = Instant::now() + PROBE;
            sleep_until(due.into()).await;
            let lag = due.elapsed();
            self.beat.fetch_add(1, Ordering::Relaxed);
            self.lag.observe(lag.as_secs_f64());
            if lag > self.stall_after {
                self.stalls.inc();
                warn!(
                    "event loop {} was held for {lag:?}: every request on it waited",
                    self.number
                );
            }
        }
    }
}
