//! From nothing to a worker that is ready for its call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::call::Hold;
use crate::child::life::Cause;
use crate::child::meters::Counted;
use crate::child::process::{Happening, Live};
use crate::child::{Priority, Ready, Spec};
use crate::sys::clock::monotonic_ns;
use crate::sys::priority;
use crate::sys::process::{Exit, Reaped, signal_name};
use crate::wire::{self, FromWorker, Phase};

/// A library whose constructors or `init` take longer is given up.
pub const START_LIMIT: Duration = Duration::from_secs(10);

/// Why a worker did not become ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartFailure {
    /// Where it stopped.
    pub phase: Phase,
    /// Why.
    pub message: String,
}

impl StartFailure {
    /// At `phase`, because of `message`.
    pub fn new(phase: Phase, message: impl fmt::Display) -> Self {
        Self { phase, message: message.to_string() }
    }

    /// Of a library that takes longer than [`START_LIMIT`].
    #[must_use]
    pub fn late() -> Self {
        let limit = START_LIMIT.as_secs();
        Self::new(
            Phase::Load,
            format!(
                "the library did not load within {limit} s: look at its constructors and its init function"
            ),
        )
    }
}

/// Starts a worker and waits until its library is loaded. `hold` lives until the worker is reaped, whatever becomes of
/// the caller.
///
/// # Errors
/// See [`StartFailure`]; the worker is gone, or will be, then.
pub async fn start(
    spec: &Arc<Spec>,
    priority: Priority,
    hold: Option<Hold>,
) -> Result<Ready, StartFailure> {
    let _starting = Counted::new(&spec.meters.workers_starting);
    let result = start_uncounted(spec, priority, hold).await;
    if let Err(failure) = &result {
        spec.meters.count_start_failure(failure.phase);
    }
    result
}

async fn start_uncounted(
    spec: &Arc<Spec>,
    priority: Priority,
    hold: Option<Hold>,
) -> Result<Ready, StartFailure> {
    let begun_ns = monotonic_ns();
    let spawn_failed = |problem| StartFailure::new(Phase::Spawn, problem);
    let mut live = match &spec.forge {
        Some(forge) => {
            let (started, said) = forge.fork(hold).await?;
            if !spec.function.entry.opens() {
                record(spec, begun_ns, &said);
                return Ok(Ready::new(Arc::clone(spec), started, &said));
            }
            started.begin(spec.reply_cap, Vec::new()).map_err(spawn_failed)?
        }
        None => {
            let started = spec.spawner.spawn(priority, &spec.launch, hold);
            let started = started.await.map_err(spawn_failed)?;
            let library = spec.library.descriptor();
            started.greet(spec.reply_cap, spec.hello.clone(), library).map_err(spawn_failed)?
        }
    };
    let said = match timeout(START_LIMIT, first_frame(&mut live)).await {
        Ok(said) => said,
        Err(_) => Err(give_up(spec, &mut live)),
    };
    let ready = said?;
    record(spec, begun_ns, &ready);
    if priority == Priority::Idle {
        lift(live.process.pid());
    }
    let started = live.rest().map_err(spawn_failed)?;
    Ok(Ready::new(Arc::clone(spec), started, &ready))
}

/// What a worker says first, once it is ready.
///
/// # Errors
/// It failed, or ended; it is reaped then.
pub async fn first_frame(live: &mut Live) -> Result<wire::Ready, StartFailure> {
    match live.hear().await {
        Happening::Frame(Ok(FromWorker::Ready(ready))) => Ok(ready),
        Happening::Frame(Ok(FromWorker::Failed { phase, message })) => {
            live.process.kill();
            let _reaped = live.collect().await;
            Err(StartFailure { phase, message })
        }
        Happening::Frame(Ok(_)) => {
            Err(StartFailure::new(Phase::Load, "the library spoke on the control descriptor"))
        }
        Happening::Frame(Err(_)) | Happening::Ended | Happening::Lost(_) => {
            let reaped = live.collect().await;
            Err(StartFailure::new(Phase::Load, died(live, reaped)))
        }
    }
}

/// A worker that died before it was ready: its library's constructors or `init` did that.
fn died(live: &Live, reaped: Option<Reaped>) -> String {
    let how = match reaped.map(|reaped| reaped.exit) {
        Some(_) if live.process.was_out_of_memory() => {
            "used more memory than its sandbox allows".to_owned()
        }
        Some(Exit::Signal(signal)) => format!("crashed with {}", signal_name(signal)),
        Some(Exit::Code(code)) => format!("exited with status {code}"),
        None => "vanished".to_owned(),
    };
    let last_words = live.stderr.text().map(|text| format!("; it wrote: {text}"));
    format!(
        "the worker {how} while the library was loaded: look at its constructors and its init function{}",
        last_words.unwrap_or_default()
    )
}

fn give_up(spec: &Spec, live: &mut Live) -> StartFailure {
    spec.meters.count_kill(Cause::Timeout);
    live.process.kill();
    StartFailure::late()
}

fn record(spec: &Spec, begun_ns: u64, ready: &wire::Ready) {
    let whole = monotonic_ns() - begun_ns;
    let load = ready.load_ns.min(whole);
    let init = ready.init_ns.min(whole - load);
    let seconds = |ns: u64| ns as f64 / 1e9;
    spec.meters.start_load.observe(seconds(load));
    spec.meters.start_init.observe(seconds(init));
    spec.meters.start_spawn.observe(seconds(whole - load - init));
}

/// A spare started under SCHED_IDLE; its call must not run so, nor any thread that its library started.
fn lift(pid: u32) {
    for tid in crate::sys::procfs::threads(pid) {
        let _gone_meanwhile = priority::make_normal(tid);
    }
}
