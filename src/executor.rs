//! How a call runs: [`Call`] in, [`Outcome`] out, no HTTP. One mode a file; [`build`] lists them.

pub mod advice;
mod begun;
pub mod current;
pub mod detached;
pub mod inline;
pub mod ledger;
pub mod pool;
pub mod process;
pub mod spares;
pub mod thread;

use std::ffi::OsString;
use std::future::Future;
use std::os::unix::ffi::OsStringExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Call, Outcome};
use crate::child::library::Shelf;
use crate::child::sandbox::confine;
use crate::child::slow::Gate;
use crate::child::{Coroner, Forge, Launch, Library, Meters, Sampler, Spawner, Spec, Sweeper};
use crate::config::Function;
use crate::config::function::{Entry, Mode};
use crate::telemetry::Metrics;
use crate::wire::codec::encode_to_worker;
use crate::wire::{self, Life};
use crate::worker::load::LoadError;
use crate::worker::resident::Resident;

pub use current::Current;
pub use ledger::Ledger;

/// A future that a trait object can return.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs the calls of one function. Whatever takes work from elsewhere uses it too.
pub trait Executor: Send + Sync {
    /// Runs one call. Dropping the future tells it that the client left.
    fn execute(&self, call: Call) -> Running<'static, Outcome>;

    /// Whether all that should wait for calls does.
    fn is_warm(&self) -> bool {
        true
    }

    /// Ends what waits for calls; calls that run go on.
    fn drain(&self);

    /// How many calls may run at once, whatever `max_concurrency` says.
    fn at_once(&self) -> usize {
        usize::MAX
    }
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
    /// The versions of libraries that are in service.
    pub libraries: Shelf,
    /// Ends what calls leave behind.
    pub sweeper: Sweeper,
    /// A call that holds its event loop for longer is logged.
    pub stall_after: Duration,
    /// What became of calls that nobody waits for.
    pub ledger: Arc<Ledger>,
    /// Is told of deaths, where they are written down.
    pub coroner: Option<Coroner>,
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
    let library = resources.libraries.get(&function.library);
    let mut confined = confine(function, resources.sweeper.groups(), &resources.metrics);
    let leftovers = resources.metrics.worker_leftovers.with_label_values(&[&function.name]);
    let search_path = search_path(&library, &mut confined.environment);
    let launch = Arc::new(Launch {
        environment: confined.environment,
        homes: confined.homes.into(),
        sweeper: resources.sweeper.clone(),
        leftovers,
    });
    let is_template = function.has_template();
    let mut greeting = Vec::new();
    let hello = wire::Hello {
        search_path,
        reports: resources.coroner.is_some(),
        ..hello(function, confined.confinement, is_template)
    };
    encode_to_worker(&wire::ToWorker::Hello(hello), &mut greeting);
    let meters = Meters::new(&resources.metrics, &function.name);
    let spawner = resources.spawner.clone();
    let forge = || {
        let launch = Arc::clone(&launch);
        let greeting = (greeting.clone(), Arc::clone(&library));
        Forge::keep(&function.name, greeting, launch, spawner.clone(), meters.clone())
    };
    Arc::new(Spec {
        forge: is_template.then(forge),
        hello: greeting,
        library: Arc::clone(&library),
        launch,
        life: life(function.mode),
        coroner: resources.coroner.clone(),
        reply_cap: reply_cap(function),
        meters,
        sampler: resources.sampler.clone(),
        slow: Gate::default(),
        spawner,
        function: Arc::clone(function),
    })
}

/// Calls at once of a function of the proxy itself.
fn at_once(function: &Function, resident: &Resident) -> usize {
    if (function.traits | resident.traits()).overlap() { usize::MAX } else { 1 }
}

/// Has the loader look where a copy cannot: what the variable was, where it is another one now.
fn search_path(library: &Library, environment: &mut Vec<(OsString, OsString)>) -> Option<Vec<u8>> {
    const VARIABLE: &str = "LD_LIBRARY_PATH";
    let given = environment.iter().position(|(name, _)| name == VARIABLE);
    let given = given.map(|place| environment.swap_remove(place).1);
    match library.search_path(given.as_ref()) {
        Some(wanted) => {
            environment.push((VARIABLE.into(), wanted));
            Some(given.unwrap_or_default().into_vec())
        }
        None => {
            environment.extend(given.map(|given| (VARIABLE.into(), given)));
            None
        }
    }
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
        search_path: None,
        confinement,
        life: life(function.mode),
        is_template,
        reports: false,
    }
}

/// The largest frame that an honest worker sends: what its signature can return, and some room for the rest.
fn reply_cap(function: &Function) -> usize {
    use crate::ffi::callee::MAX_PRINTED;
    use crate::ffi::invoke::{MAX_BYTES, MAX_TEXT};
    use crate::ffi::signature::{Return, Slot};
    const ROOM: u64 = 256 * 1024;
    let Entry::Function(bound) = &function.entry else { return ROOM as usize };
    let capacity = |slot: &Slot| match slot {
        Slot::Buffer { capacity, .. } => *capacity,
        Slot::PutText => MAX_TEXT as u64,
        Slot::PutBytes => MAX_BYTES as u64,
        _ => 0,
    };
    let signature = &bound.callee.signature;
    let buffers: u64 = signature.slots.iter().map(capacity).sum();
    let returned = match signature.returns {
        Return::Text => MAX_TEXT as u64,
        Return::Bytes => MAX_BYTES as u64,
        _ => 0,
    };
    let printed = if bound.callee.prints { MAX_PRINTED as u64 } else { 0 };
    usize::try_from(ROOM + returned + buffers + printed).unwrap_or(usize::MAX)
}
