//! Mode `process`: every call gets a process that has never served another one, started afresh or forked from a template.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::call::{Call, Hold, Outcome};
use crate::child::run::After;
use crate::child::start::StartFailure;
use crate::child::{Ready, Spec};
use crate::executor::begun::{in_a_task, on_demand, refuse, unheard};
use crate::executor::spares::Spares;
use crate::executor::{Executor, Running};

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
        let (spec, spares) = (Arc::clone(&self.spec), Arc::clone(&self.spares));
        in_a_task(move |reply| serve(spec, spares, call, reply))
    }

    fn drain(&self) {
        self.spares.drain();
        self.spec.drain();
    }
}

async fn serve(
    spec: Arc<Spec>,
    spares: Arc<Spares>,
    mut call: Call,
    mut reply: oneshot::Sender<Outcome>,
) {
    loop {
        let worker = tokio::select! {
            worker = spare_or_new(&spec, &spares, Arc::clone(&call.hold)) => worker,
            () = reply.closed() => return spec.meters.count_call(unheard(&call)),
        };
        match worker {
            Ok(worker) => match worker.run(call, reply).await {
                After::Again(again, waiting) => (call, reply) = (*again, waiting),
                // It lives for one call: it never comes back.
                After::Rested(_) | After::Gone => return,
            },
            Err(failure) => return refuse(&spec, &call, failure, reply),
        }
    }
}

async fn spare_or_new(
    spec: &Arc<Spec>,
    spares: &Spares,
    hold: Hold,
) -> Result<Ready, StartFailure> {
    if let Some(spare) = spares.take() {
        spec.meters.spare_hits.inc();
        return Ok(spare);
    }
    on_demand(spec, hold).await
}
