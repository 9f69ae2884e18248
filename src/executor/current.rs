//! An executor whose place another can take while calls run: calls that have begun end where they are.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::call::{Call, Outcome};
use crate::executor::{Executor, Running};

/// The one that new calls go to.
pub struct Current(ArcSwap<Arc<dyn Executor>>);

impl Current {
    /// Begins with this one.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>) -> Self {
        Self(ArcSwap::from_pointee(executor))
    }

    /// From now on calls go to `next`. The one before is dropped, which ends what waits for calls there as soon as no call
    /// is on its way to a worker any more.
    pub fn replace(&self, next: Arc<dyn Executor>) {
        self.0.store(Arc::new(next));
    }
}

impl Executor for Current {
    fn execute(&self, call: Call) -> Running<'static, Outcome> {
        self.0.load().execute(call)
    }

    fn is_warm(&self) -> bool {
        self.0.load().is_warm()
    }

    fn drain(&self) {
        self.0.load().drain();
    }

    fn at_once(&self) -> usize {
        self.0.load().at_once()
    }
}
