//! How a call runs: [`Call`] in, [`Outcome`] out, no HTTP. One mode a file; [`build`] lists them.

mod begun;
pub mod detached;
pub mod inline;
pub mod ledger;
pub mod pool;
pub mod process;
pub mod spares;
pub mod thread;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Call, Outcome};
use crate::child::sandbox::confine;
use crate::child::slow::Gate;
use crate::child::{Forge, Launch, Meters, Sampler, Spawner, Spec, Sweeper};
use crate::config::Function;
use crate::config::function::{Entry, Mode};
use crate::ffi::traits::Traits;
use crate::telemetry::Metrics;
use crate::wire::codec::encode_to_worker;
use crate::wire::{self, Life};
use crate::worker::load::LoadError;
use crate::worker::resident::Resident;

pub use ledger::Ledger;

/// A future that a trait object can return.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs the calls of one function. Whatever takes work from elsewhere uses it too.
pub trait Executor: Send + Sync {
    /// Runs one call. Dropping the future tells it that the client left.
    fn execute(&self, call: Call) -> Running<'static, Outcome>;

    /// Ends what waits for calls; calls that run go on.
    fn drain(&self);
}

/// What all executors are built from.
#[derive(Clone)]
pub struct Resources {
    /// Where each function registers its handles.
    pub metrics: Metrics,
    /// Starts workers.
    pub spawner: Spawner,
    /// Looks at running calls.
    pub sampler: Sampler,
    /// Ends what calls leave behind.
    pub sweeper: Sweeper,
    /// A call that holds its event loop for longer is logged.
    pub stall_after: Duration,
    /// What became of calls that nobody waits for.
    pub ledger: Arc<Ledger>,
}

/// A library that the proxy itself has to load, and cannot.
#[derive(Debug, thiserror::Error)]
#[error("function `{function}`: {problem}")]
pub struct Unloadable {
    function: String,
    problem: LoadError,
}

/// The executor of a function: the list of modes.
///
/// # Errors
/// A library that is to run in the proxy cannot be loaded.
pub fn build(
    function: &Arc<Function>,
    resources: &Resources,
) -> Result<Arc<dyn Executor>, Unloadable> {
    let spec = spec(function, resources);
    Ok(match function.mode {
        Mode::Process => Arc::new(process::Process::new(spec)),
        Mode::Pool(recycle) => Arc::new(pool::Pool::new(spec, recycle)),
        Mode::Thread => Arc::new(thread::Thread::new(spec, resident(function)?)),
        Mode::Inline => {
            let stalls = resources.metrics.inline_stalls.with_label_values(&[&function.name]);
            let (resident, stall_after) = (resident(function)?, resources.stall_after);
            Arc::new(inline::Inline::new(spec, resident, stall_after, stalls))
        }
        Mode::Detached => Arc::new(detached::Detached::new(spec)),
    })
}

/// Loads a library into the proxy: its constructors, its `init` and its calls are the proxy's own from now on.
fn resident(function: &Function) -> Result<Resident, Unloadable> {
    let failed = |problem| Unloadable { function: function.name.clone(), problem };
    Resident::load(hello(function, wire::Confinement::least(), false)).map_err(failed)
}

/// What the workers of `function` have in common. A template begins to start on the caller's runtime, where they are
/// forked.
#[must_use]
pub fn spec(function: &Arc<Function>, resources: &Resources) -> Arc<Spec> {
    let confined = confine(function, resources.sweeper.groups(), &resources.metrics);
    let leftovers = resources.metrics.worker_leftovers.with_label_values(&[&function.name]);
    let launch = Arc::new(Launch {
        environment: confined.environment,
        homes: confined.homes.into(),
        sweeper: resources.sweeper.clone(),
        leftovers,
    });
    let is_template = function.has_template();
    let mut greeting = Vec::new();
    let hello = hello(function, confined.confinement, is_template);
    encode_to_worker(&wire::ToWorker::Hello(hello), &mut greeting);
    let meters = Meters::new(&resources.metrics, &function.name);
    let spawner = resources.spawner.clone();
    let forge = || {
        let launch = Arc::clone(&launch);
        Forge::keep(&function.name, greeting.clone(), launch, spawner.clone(), meters.clone())
    };
    Arc::new(Spec {
        forge: is_template.then(forge),
        hello: greeting,
        launch,
        life: life(function.mode),
        reply_cap: reply_cap(function),
        meters,
        sampler: resources.sampler.clone(),
        slow: Gate::default(),
        spawner,
        function: Arc::clone(function),
    })
}

/// What an operator should know of a function that runs in its mode and has these traits.
#[must_use]
pub fn advice(function: &Function, traits: Traits) -> Vec<String> {
    let (name, mode) = (&function.name, function.mode.word());
    let declare = |word: &str, bit: &str| {
        format!(
            "declare it by `traits = [\"{word}\"]`, or by {bit} in the library's `{}_traits`",
            function.entry.symbol()
        )
    };
    let mut advice = Vec::new();
    if !function.mode.is_isolated() {
        advice.push(format!(
            "function `{name}` has mode = \"{mode}\": its library runs in the proxy itself, without any sandbox, and a crash, an exit or a leak of it is \
             the proxy's; mode = \"pool\" is nearly as fast and ends alone"
        ));
    }
    if life(function.mode) == Life::Many && !traits.has(Traits::REUSABLE) {
        advice.push(format!(
            "function `{name}` has mode = \"{mode}\", and nobody says that one process may call it again and again: what a call \
             leaves behind (memory, globals, descriptors) the next call finds; if that is fine, {}",
            declare("reusable", "COF_REUSABLE")
        ));
    }
    if !function.mode.is_isolated() && !traits.has(Traits::THREADSAFE) {
        advice.push(format!(
            "function `{name}` has mode = \"{mode}\", and nobody says that threads may call it at once; if they may, {}",
            declare("threadsafe", "COF_THREADSAFE")
        ));
    }
    advice
}

fn life(mode: Mode) -> Life {
    match mode {
        Mode::Process | Mode::Detached => Life::Once,
        Mode::Pool(_) | Mode::Thread | Mode::Inline => Life::Many,
    }
}

fn hello(function: &Function, confinement: wire::Confinement, is_template: bool) -> wire::Hello {
    use std::os::unix::ffi::OsStrExt;
    let entry = match &function.entry {
        Entry::Function(bound) => wire::Entry::Function(Box::new(bound.callee.clone())),
        Entry::Handler { symbol, .. } => wire::Entry::Handler { symbol: symbol.clone() },
    };
    wire::Hello {
        version: wire::VERSION,
        parent: std::process::id(),
        name: format!("cof:{}", function.name).chars().take(15).collect(),
        library: function.library.as_os_str().as_bytes().to_vec(),
        entry,
        confinement,
        life: life(function.mode),
        is_template,
    }
}

/// The largest frame that an honest worker sends: what its signature can return, and some room for the rest.
fn reply_cap(function: &Function) -> usize {
    use crate::ffi::callee::MAX_PRINTED;
    use crate::ffi::signature::{Return, Slot};
    const ROOM: u64 = 256 * 1024;
    const TEXT: u64 = 1024 * 1024;
    let Entry::Function(bound) = &function.entry else { return ROOM as usize };
    let capacity = |slot: &Slot| match slot {
        Slot::Buffer { capacity } => *capacity,
        _ => 0,
    };
    let signature = &bound.callee.signature;
    let buffers: u64 = signature.slots.iter().map(capacity).sum();
    let text = if signature.returns == Return::Text { TEXT } else { 0 };
    let printed = if bound.callee.prints { MAX_PRINTED as u64 } else { 0 };
    usize::try_from(ROOM + text + buffers + printed).unwrap_or(usize::MAX)
}
