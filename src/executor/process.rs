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
pub struct Process(Arc<Source>);

/// Where workers come from. It ends with the executor, and the last call that is on its way to one.
struct Source {
    spec: Arc<Spec>,
    spares: Arc<Spares>,
}

impl Process {
    /// Begins to start spares on the caller's runtime.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> Self {
        let spares = Spares::keep(Arc::clone(&spec));
        Self(Arc::new(Source { spec, spares }))
    }
}

impl Executor for Process {
    fn execute(&self, call: Call) -> Running<'static, Outcome> {
        let source = Arc::clone(&self.0);
        in_a_task(move |reply| serve(source, call, reply))
    }

    fn is_warm(&self) -> bool {
        self.0.spares.are_there()
    }

    fn drain(&self) {
        self.0.drain();
    }
}

async fn serve(source: Arc<Source>, mut call: Call, mut reply: oneshot::Sender<Outcome>) {
    let spec = Arc::clone(&source.spec);
    let mut source = Some(source);
    while let Some(from) = &source {
        let worker = tokio::select! {
            worker = from.spare_or_new(Arc::clone(&call.hold)) => worker,
            () = reply.closed() => return spec.meters.count_call(unheard(&call)),
        };
        source.take_if(|_| spec.function.retry == 0);
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

impl Source {
    async fn spare_or_new(&self, hold: Hold) -> Result<Ready, StartFailure> {
        if let Some(spare) = self.spares.take() {
            self.spec.meters.spare_hits.inc();
            return Ok(spare);
        }
        on_demand(&self.spec, hold).await
    }

    fn drain(&self) {
        self.spares.drain();
        self.spec.drain();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.drain();
    }
}
