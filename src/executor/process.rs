//! Mode `process`: every call gets a process that has never served another one.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::call::{Call, Failure, Hold, Outcome};
use crate::child::meters::CallOutcome;
use crate::child::start::{StartFailure, start};
use crate::child::{Priority, Ready, Spec};
use crate::executor::spares::Spares;
use crate::executor::{Executor, Running};
use crate::sys::clock::monotonic_ns;
use crate::wire::Phase;

/// One function's one-shot workers.
pub struct Process {
    spec: Arc<Spec>,
    spares: Arc<Spares>,
}

impl Process {
    /// Begins to start spares on the caller's runtime.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> Self {
        let spares = Spares::keep(Arc::clone(&spec));
        Self { spec, spares }
    }
}

impl Executor for Process {
    fn execute(&self, call: Call) -> Running<'static, Outcome> {
        let (reply, outcome) = oneshot::channel();
        // A task of its own: it outlives a client that leaves, until the worker is reaped.
        tokio::spawn(serve(Arc::clone(&self.spec), Arc::clone(&self.spares), call, reply));
        Box::pin(async move {
            let gone = |_| Failure::Protocol("the task that ran the call has ended".to_owned());
            outcome.await.unwrap_or_else(|ended| Err(gone(ended)))
        })
    }

    fn drain(&self) {
        self.spares.drain();
    }
}

async fn serve(
    spec: Arc<Spec>,
    spares: Arc<Spares>,
    call: Call,
    mut reply: oneshot::Sender<Outcome>,
) {
    let worker = tokio::select! {
        worker = spare_or_new(&spec, &spares, Arc::clone(&call.hold)) => worker,
        () = reply.closed() => return spec.meters.count_call(unheard(&call)),
    };
    match worker {
        Ok(worker) => worker.run(call, reply).await,
        Err(failure) => refuse(&spec, &call, failure, reply),
    }
}

/// What became of a call that nobody waited for to begin.
fn unheard(call: &Call) -> CallOutcome {
    let is_late = call.deadline_ns.is_some_and(|deadline| deadline <= monotonic_ns());
    if is_late { CallOutcome::Timeout } else { CallOutcome::Cancelled }
}

/// A worker that is started here keeps `hold` until it is reaped, though the client leaves before it is ready.
async fn spare_or_new(
    spec: &Arc<Spec>,
    spares: &Spares,
    hold: Hold,
) -> Result<Ready, StartFailure> {
    if let Some(spare) = spares.take() {
        spec.meters.spare_hits.inc();
        return Ok(spare);
    }
    spec.meters.spare_misses.inc();
    spec.meters.starts_demand.inc();
    start(spec, Priority::Normal, Some(hold)).await
}

fn refuse(spec: &Spec, call: &Call, failure: StartFailure, reply: oneshot::Sender<Outcome>) {
    let (outcome, failure) = match failure.phase {
        Phase::Spawn | Phase::Confine => {
            (CallOutcome::StartFailed, Failure::Start(failure.message))
        }
        Phase::Load | Phase::Init => (CallOutcome::LoadFailed, Failure::Load(failure.message)),
    };
    spec.meters.count_call(outcome);
    tracing::warn!(
        request_id = %call.id, function = %spec.function.name, reason = %failure.reason(), "{failure}"
    );
    let _client_left = reply.send(Err(failure));
}
