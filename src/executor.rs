//! How a call runs: [`Call`] in, [`Outcome`] out, no HTTP. One mode a file; [`build`] lists them.

pub mod process;
pub mod spares;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::call::{Call, Outcome};
use crate::child::sandbox::confine;
use crate::child::{Launch, Meters, Sampler, Spawner, Spec, Sweeper};
use crate::config::Function;
use crate::config::function::{Entry, Mode};
use crate::telemetry::Metrics;
use crate::wire;
use crate::wire::codec::encode_to_worker;

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
}

/// The executor of a function: the list of modes.
#[must_use]
pub fn build(function: &Arc<Function>, resources: &Resources) -> Arc<dyn Executor> {
    match function.mode {
        Mode::Process => Arc::new(process::Process::new(spec(function, resources))),
    }
}

/// What the workers of `function` have in common.
#[must_use]
pub fn spec(function: &Arc<Function>, resources: &Resources) -> Arc<Spec> {
    let confined = confine(function, resources.sweeper.groups(), &resources.metrics);
    let leftovers = resources.metrics.worker_leftovers.with_label_values(&[&function.name]);
    Arc::new(Spec {
        hello: hello(function, confined.confinement),
        launch: Arc::new(Launch {
            environment: confined.environment,
            homes: confined.homes.into(),
            sweeper: resources.sweeper.clone(),
            leftovers,
        }),
        reply_cap: reply_cap(function),
        meters: Meters::new(&resources.metrics, &function.name),
        sampler: resources.sampler.clone(),
        spawner: resources.spawner.clone(),
        function: Arc::clone(function),
    })
}

fn hello(function: &Function, confinement: wire::Confinement) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let entry = match &function.entry {
        Entry::Function(bound) => wire::Entry::Function(Box::new(bound.callee.clone())),
        Entry::Handler { symbol } => wire::Entry::Handler { symbol: symbol.clone() },
    };
    let hello = wire::Hello {
        version: wire::VERSION,
        parent: std::process::id(),
        name: format!("cof:{}", function.name).chars().take(15).collect(),
        library: function.library.as_os_str().as_bytes().to_vec(),
        entry,
        confinement,
    };
    let mut frame = Vec::new();
    encode_to_worker(&wire::ToWorker::Hello(hello), &mut frame);
    frame
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
