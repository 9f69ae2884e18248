//! Mode `detached`: as `process`, and nobody waits for the answer. The client has gone with its 202; what becomes of the call
//! stands in the [`Ledger`].
//!
//! [`Ledger`]: crate::executor::Ledger

use std::future::poll_fn;
use std::sync::Arc;

use crate::call::{Answer, AnswerBody, Call, Failure, Outcome};
use crate::child::Spec;
use crate::child::meters::CallOutcome;
use crate::child::run::verdict::of_outcome;
use crate::config::Function;
use crate::config::function::Entry;
use crate::executor::ledger::{Ended, Record};
use crate::executor::process::Process;
use crate::executor::{Executor, Running};

/// One function's one-shot workers.
pub struct Detached(Process);

impl Detached {
    /// Begins to start spares on the caller's runtime.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> Self {
        Self(Process::new(spec))
    }
}

impl Executor for Detached {
    fn execute(&self, call: Call) -> Running<'static, Outcome> {
        self.0.execute(call)
    }

    fn is_warm(&self) -> bool {
        self.0.is_warm()
    }

    fn drain(&self) {
        self.0.drain();
    }
}

/// Runs `call` to its end and records what became of it.
pub async fn follow(executor: &dyn Executor, function: &Function, call: Call, record: Record) {
    record.begin();
    let outcome = executor.execute(call).await;
    record.end(ended(function, outcome).await);
}

async fn ended(function: &Function, outcome: Outcome) -> Ended {
    let word = of_outcome(function, &outcome);
    match outcome {
        Ok(Answer::Returned { returned, accounting }) => {
            let is_failed = word == CallOutcome::Failed;
            let detail =
                is_failed.then(|| format!("the function returned {}", returned.value.to_json()));
            Ended { outcome: word, detail, accounting: Some(accounting) }
        }
        Ok(Answer::Code { code, accounting, .. }) => {
            let is_handler = matches!(function.entry, Entry::Handler { .. });
            let detail = is_handler.then(|| format!("the handler returned {code}"));
            Ended { outcome: word, detail, accounting: Some(accounting) }
        }
        Ok(Answer::File { status, accounting, .. }) => {
            let detail = Some(format!("it answered {status}"));
            Ended { outcome: word, detail, accounting: Some(accounting) }
        }
        Ok(Answer::Streaming { status, body, .. }) => streamed(status, body).await,
        Err(failure) => {
            Ended { outcome: word, detail: Some(failure.to_string()), accounting: None }
        }
    }
}

/// A handler writes on after its head: only the end of its body says what became of it.
async fn streamed(status: u16, mut body: AnswerBody) -> Ended {
    while let Some(piece) = poll_fn(|context| body.poll_next(context)).await {
        if piece.is_err() {
            let cut = Failure::Protocol("its answer was cut; the log says why".to_owned());
            let detail = Some(cut.to_string());
            return Ended { outcome: CallOutcome::Protocol, detail, accounting: None };
        }
    }
    let detail = Some(format!("it answered {status}"));
    Ended { outcome: CallOutcome::Ok, detail, accounting: None }
}
