//! Refuses a request whose like have killed workers: it costs no slot and no worker.

use std::sync::Arc;

use tower::Service;

use crate::call::Poison as Memory;
use crate::config::Function;
use crate::config::function::{Entry, Source};
use crate::handler::{Answering, Error, Request, Response, always_ready};

/// Looks at what a function would be given.
#[derive(Clone)]
pub struct Poison<S> {
    inner: S,
    memory: Arc<Memory>,
    function: Arc<Function>,
}

impl<S> Poison<S> {
    /// With the memory of `function`.
    #[must_use]
    pub fn new(inner: S, (memory, function): (Arc<Memory>, Arc<Function>)) -> Self {
        Self { inner, memory, function }
    }
}

impl<S> Service<Request> for Poison<S>
where
    S: Service<Request, Response = Response, Error = Error, Future = Answering>,
{
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Answering {
        let input = request.context.input.as_ref();
        let suspect = input.and_then(|input| {
            self.memory.suspect(input, |place| tells(&self.function.entry, place))
        });
        if let Some(refusal) = suspect.as_ref().and_then(|one| Error::poisoned(&self.function, one))
        {
            return Box::pin(std::future::ready(Err(refusal)));
        }
        request.context.suspect = suspect;
        self.inner.call(request)
    }
}

/// A request's id is its own.
fn tells(entry: &Entry, place: usize) -> bool {
    let Entry::Function(bound) = entry else { return true };
    bound.inputs.get(place).is_none_or(|input| input.source != Source::RequestId)
}
