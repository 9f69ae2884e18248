//! What the isolated modes share: a task for each call, a worker on demand, and what is said where none is to be had.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::call::{Call, Failure, Hold, Outcome};
use crate::child::meters::CallOutcome;
use crate::child::start::{StartFailure, start};
use crate::child::{Priority, Ready, Spec};
use crate::executor::Running;
use crate::sys::clock::monotonic_ns;
use crate::wire::Phase;

/// The outcome that `serve` replies with. It runs as a task of its own: it outlives a client that leaves, until the worker
/// is reaped or rests.
pub(super) fn in_a_task<F>(
    serve: impl FnOnce(oneshot::Sender<Outcome>) -> F,
) -> Running<'static, Outcome>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (reply, outcome) = oneshot::channel();
    tokio::spawn(serve(reply));
    Box::pin(async move {
        let gone = |_| Failure::Protocol("the task that ran the call has ended".to_owned());
        outcome.await.unwrap_or_else(|ended| Err(gone(ended)))
    })
}

/// A worker that is started because a call waits. It keeps `hold` until it is reaped, though the client leaves before it is
/// ready.
pub(super) async fn on_demand(spec: &Arc<Spec>, hold: Hold) -> Result<Ready, StartFailure> {
    spec.meters.spare_misses.inc();
    spec.meters.starts_demand.inc();
    start(spec, Priority::Normal, Some(hold)).await
}

/// What became of a call that nobody waited for to begin.
pub(super) fn unheard(call: &Call) -> CallOutcome {
    let is_late = call.deadline_ns.is_some_and(|deadline| deadline <= monotonic_ns());
    if is_late { CallOutcome::Timeout } else { CallOutcome::Cancelled }
}

/// Answers a call that has no worker.
pub(super) fn refuse(
    spec: &Spec,
    call: &Call,
    failure: StartFailure,
    reply: oneshot::Sender<Outcome>,
) {
    let (outcome, failure) = match failure.phase {
        Phase::Spawn | Phase::Confine => {
            (CallOutcome::StartFailed, Failure::Start(failure.message))
        }
        Phase::Load | Phase::Init => (CallOutcome::LoadFailed, Failure::Load(failure.message)),
    };
    spec.meters.count_call(outcome);
    call.hold.ended(outcome.ending());
    tracing::warn!(
        request_id = %call.id, function = %spec.function.name, reason = %failure.reason(), "{failure}"
    );
    let _client_left = reply.send(Err(failure));
}
