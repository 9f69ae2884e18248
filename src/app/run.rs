//! `cofferdam run FILE`: builds the house from the settings, serves, drains.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::Signal;
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use crate::admin::{Admin, AdminError};
use crate::app::certificates::Certificates;
use crate::app::handover::{Predecessor, Program};
use crate::app::reload::Reload;
use crate::app::signals::{self, Ending, reopen_on_usr1};
use crate::app::{AppError, dossiers, libraries, logging, notify};
use crate::child::groups::Groups;
use crate::child::library::Shelf;
use crate::child::{Sampler, Spawner, Sweeper, WorkerProgram};
use crate::config::{self, Address, Config, Listener};
use crate::executor::Resources;
use crate::listen::Bound;
use crate::listen::passed::Passed;
use crate::route::Parts;
use crate::server::event_loop::Threads;
use crate::server::opening::Opening;
use crate::server::{Acceptor, Loops, Shared};
use crate::sys::process::raise_descriptor_limit;
use crate::telemetry::Metrics;

/// The kernel gives a client up after the proxy has: it also has what was written before.
const AFTER_SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// For dossiers that wait to be written when the program ends.
const LAST_DOSSIERS: Duration = Duration::from_secs(2);

/// Serves until it is told to end.
///
/// # Errors
/// A configuration that is wrong; something of this machine that is missing.
pub fn run(file: &Path, worker: Option<&Path>) -> Result<(), AppError> {
    let passed = Passed::take().map_err(AppError::runtime)?;
    let predecessor = Predecessor::take();
    let config = Arc::new(load(file)?);
    let metrics = Metrics::new().map_err(AppError::runtime)?;
    metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    let (lines, _flusher) = logging::start(&config.log, &metrics)?;
    let access = logging::access(&config, &metrics, lines)?;
    let coroner = dossiers::start(&config, &metrics).map_err(AppError::config)?;
    let resources = Resources { coroner, ..resources(&config, metrics, worker)? };
    let coroner = resources.coroner.clone();
    let sweeper = resources.sweeper.clone();
    let runtime = control_runtime()?;
    runtime.block_on(refuse_unloadable(&config, &resources))?;
    let served = runtime.block_on(serve(config, resources, &access, passed, predecessor));
    // Dropping it would wait for the event loops, which a second signal does not.
    runtime.shutdown_background();
    sweeper.finish();
    coroner.iter().for_each(|coroner| coroner.flush(LAST_DOSSIERS));
    served
}

/// What cannot be loaded, or is not what its prototype says, is refused before anybody is served.
async fn refuse_unloadable(config: &Config, resources: &Resources) -> Result<(), AppError> {
    // These starts are not the service's.
    let metrics = Metrics::new().map_err(AppError::runtime)?;
    let resources = Resources { metrics, ..resources.clone() };
    let found = libraries::verify(&config.functions, &resources).await;
    found.advice.iter().for_each(|advice| warn!("{advice}"));
    if found.problems.is_empty() {
        Ok(())
    } else {
        Err(AppError::Config(found.problems.join("\n")))
    }
}

/// The settings in `file`.
///
/// # Errors
/// All that is wrong with it.
pub fn load(file: &Path) -> Result<Config, AppError> {
    use std::io::IsTerminal;
    config::load(file).map_err(|report| {
        let in_colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let told = if in_colour { report.coloured() } else { report.to_string() };
        AppError::Config(told)
    })
}

/// What executors are built from: threads that live as long as the program.
///
/// # Errors
/// No worker program, no thread.
pub fn resources(
    config: &Config,
    metrics: Metrics,
    worker: Option<&Path>,
) -> Result<Resources, AppError> {
    let descriptors = raise_descriptor_limit();
    warn_if_scarce(config, descriptors);
    let program = WorkerProgram::locate(worker).map_err(AppError::runtime)?;
    let spawner = Spawner::start(program).map_err(AppError::runtime)?;
    let sampler =
        Sampler::start(config.accounting.interval, &metrics).map_err(AppError::runtime)?;
    let groups = Groups::prepare(&config.functions);
    let sweeper = Sweeper::start(groups).map_err(AppError::runtime)?;
    let stall_after = config.accounting.stall_after;
    Ok(Resources {
        metrics,
        spawner,
        sampler,
        sweeper,
        stall_after,
        ledger: Arc::default(),
        coroner: None,
        libraries: Shelf::default(),
    })
}

/// The runtime of everything that is not a client's request: accepting, spares, signals.
///
/// # Errors
/// No descriptor left.
pub fn control_runtime() -> Result<Runtime, AppError> {
    Builder::new_current_thread().enable_all().build().map_err(AppError::runtime)
}

fn warn_if_scarce(config: &Config, descriptors: Option<u64>) {
    const PER_WORKER: usize = 6;
    let workers = |function: &Arc<config::Function>| {
        let template = usize::from(function.has_template());
        function.max_concurrency + function.most_spares + template
    };
    let isolated = config.functions.iter().filter(|function| function.mode.is_isolated());
    let workers: usize = isolated.map(workers).sum();
    let needed = (workers * PER_WORKER + config.server.max_connections) as u64;
    if let Some(allowed) = descriptors.filter(|allowed| *allowed < needed) {
        warn!(
            "{needed} descriptors may be needed ({PER_WORKER} a worker, one a connection), {allowed} are \
             allowed: raise the hard limit (LimitNOFILE=, ulimit -Hn) or lower max_connections or max_concurrency"
        );
    }
}

async fn serve(
    config: Arc<Config>,
    resources: Resources,
    access: &logging::Access,
    passed: Passed,
    predecessor: Option<Predecessor>,
) -> Result<(), AppError> {
    let mut signals = Signals::listen(&resources).map_err(AppError::runtime)?;
    let hangup = signals::hangup().map_err(AppError::runtime)?;
    let reloads = signals::hangup().map_err(AppError::runtime)?;
    reopen_on_usr1(access.file.clone()).map_err(AppError::runtime)?;
    let (drain, draining) = watch::channel(false);
    let metrics = resources.metrics.clone();
    let certificates = Certificates::load(&config, &metrics).map_err(AppError::config)?;
    certificates.warnings().for_each(|warning| warn!("{warning}"));
    let mut bound = bind(&config, &passed)?;
    let parts = Parts::new(&config, &resources, access.log.clone()).map_err(AppError::config)?;
    let parts = Arc::new(parts);
    let ledger = Arc::clone(&resources.ledger);
    let admin = || Admin {
        metrics: metrics.clone(),
        gates: parts.gates(),
        ledger: Arc::clone(&ledger),
        draining: draining.clone(),
    };
    bound.extend(start_admin(&config, admin, &passed).await?);
    passed.left().iter().for_each(|left| warn!("{left}"));
    let shared = Arc::new(Shared {
        config: Arc::clone(&config),
        parts: Arc::clone(&parts),
        metrics: metrics.clone(),
    });
    let (loops, threads) = Loops::start(&shared, &draining).map_err(AppError::runtime)?;
    tokio::spawn(notify::watchdog(loops.pulse()));
    start_accepting(&bound, &certificates, loops, &shared, &draining);
    tokio::spawn(certificates.keep(hangup));
    tokio::spawn(Reload::new(&config, &parts, &resources).keep(reloads));
    metrics.configured();
    announce(&bound).map_err(AppError::runtime)?;
    say_ready(predecessor);
    let why = signals.until_the_end(bound, config.server.handover_timeout).await;
    info!("{why}: draining, for at most {:?}; SIGTERM ends at once", config.server.drain_timeout);
    let _receivers_are_gone = drain.send(true);
    tokio::select! {
        () = join(threads) => info!("drained"),
        signal = signals.ending.next() => warn!("{signal} in the drain: ending at once"),
    }
    let lost = ledger.unfinished();
    if lost > 0 {
        warn!("{lost} detached calls have not ended: they are lost");
    }
    parts.drain();
    Ok(())
}

/// What may come from outside while it serves.
struct Signals {
    program: Program,
    ending: Ending,
    upgrade: Signal,
    taken: IntCounter,
    failed: IntCounter,
}

impl Signals {
    fn listen(resources: &Resources) -> io::Result<Self> {
        let handovers = |result| resources.metrics.handovers.with_label_values(&[result]);
        Ok(Self {
            program: Program::of_this_process(resources.sweeper.clone()),
            ending: Ending::listen()?,
            upgrade: signals::upgrade()?,
            taken: handovers("ok"),
            failed: handovers("failed"),
        })
    }

    /// Serves on until a signal ends it, or a successor serves at the sockets `bound`: why it ends.
    async fn until_the_end(&mut self, bound: Vec<Arc<Bound>>, limit: Duration) -> String {
        let ended = |signal: &str| {
            notify::stopping();
            signal.to_owned()
        };
        loop {
            tokio::select! {
                signal = self.ending.next() => return ended(signal),
                _ = self.upgrade.recv() => info!("SIGUSR2: starting a process to take over"),
            }
            notify::reloading();
            let handed_over = tokio::select! {
                signal = self.ending.next() => return ended(signal),
                handed_over = self.program.take_over(&bound, limit) => handed_over,
            };
            match handed_over {
                Ok(successor) => {
                    self.taken.inc();
                    bound.iter().for_each(|socket| socket.hand_over());
                    notify::handed_over(successor);
                    return format!("process {successor} has taken over");
                }
                Err(problem) => {
                    self.failed.inc();
                    notify::ready();
                    warn!("no hand-over, this process stays in service: {problem}");
                }
            }
        }
    }
}

/// To whoever waits for it.
fn say_ready(predecessor: Option<Predecessor>) {
    match predecessor.map(Predecessor::tell) {
        None => notify::ready(),
        Some(Ok(())) => {}
        Some(Err(problem)) => {
            warn!("the process that started this one is gone: {problem}");
            notify::ready();
        }
    }
}

fn bind(config: &Config, passed: &Passed) -> Result<Vec<Arc<Bound>>, AppError> {
    let mut bound = Vec::new();
    for listener in &config.server.listeners {
        let given = passed.claim(listener, false);
        let one = Bound::bind(listener, given).map_err(AppError::runtime)?;
        if let Some(limit) = config.server.send_timeout {
            one.give_up_after(limit + AFTER_SEND_TIMEOUT).map_err(AppError::runtime)?;
        }
        bound.push(Arc::new(one));
    }
    Ok(bound)
}

/// On the socket that was passed, else on the address that is configured; where none is, and the default is taken, on a
/// free port.
async fn start_admin(
    config: &Config,
    admin: impl Fn() -> Admin,
    passed: &Passed,
) -> Result<Option<Arc<Bound>>, AppError> {
    let Some(wanted) = &config.admin else { return Ok(None) };
    let at = |address: &Address| Listener::plain("admin", address.clone());
    let listener = at(&wanted.address);
    let given = passed.claim(&listener, wanted.is_default);
    let started = admin().start(listener, given).await;
    let bound = match (started, &wanted.address) {
        (Err(AdminError::Bind(taken)), Address::Tcp(address))
            if wanted.is_default && taken.is_in_use() =>
        {
            warn!(
                "the default admin address {address} is taken, a free port will do: set [admin] address"
            );
            let free = Address::Tcp((address.ip(), 0).into());
            admin().start(at(&free), None).await
        }
        (started, _) => started,
    };
    bound.map(Some).map_err(AppError::runtime)
}

/// One line a listener, the operator's last, then `ready`: whoever started this program reads them.
fn announce(bound: &[Arc<Bound>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for listener in bound {
        writeln!(out, "listening {} {}", listener.name(), listener.url()?)?;
    }
    writeln!(out, "ready")?;
    out.flush()
}

fn start_accepting(
    bound: &[Arc<Bound>],
    certificates: &Certificates,
    loops: Loops,
    shared: &Shared,
    draining: &watch::Receiver<bool>,
) {
    let (server, metrics) = (&shared.config.server, &shared.metrics);
    let loops = Arc::new(loops);
    let room = Arc::new(Semaphore::new(server.max_connections.min(Semaphore::MAX_PERMITS)));
    // The operator's listener comes after these.
    for (one, listener) in bound.iter().zip(&server.listeners) {
        let opening = Opening::new(listener, certificates.of(listener), server, metrics);
        let (one, shared_loops, room) = (Arc::clone(one), Arc::clone(&loops), Arc::clone(&room));
        let drain = draining.clone();
        loops.listen(&Acceptor::new(one, opening, shared_loops, room, metrics, drain));
    }
}

async fn join(threads: Threads) {
    let joined = tokio::task::spawn_blocking(|| threads.join()).await;
    if joined.is_err() {
        warn!("the event loops could not be joined");
    }
}
