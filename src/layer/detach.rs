//! `mode = "detached"`: answers as soon as the call has a slot or a place in the queue, and sees to it from then on. A full
//! queue is a 503: what is promised is done.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use tower::Service;
use tracing::warn;

use crate::call::{Call, Feed, RequestId};
use crate::child::meters::{CallOutcome, Meters};
use crate::config::{Function, Respond};
use crate::executor::detached::follow;
use crate::executor::ledger::{Ended, Record};
use crate::executor::{Executor, Ledger};
use crate::handler::call::kept;
use crate::handler::{Answering, Body, Error, Request, Response, always_ready};
use crate::layer::admission::{Arrival, Entered, Way};
use crate::sys::clock::monotonic_ns;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Takes the place of admission and call.
#[derive(Clone)]
pub struct Detach(Arc<Desk>);

/// What one route's calls need.
pub struct Desk {
    /// The route.
    pub route: Arc<str>,
    /// What it calls.
    pub function: Arc<Function>,
    /// To slots and queue.
    pub way: Arc<Way>,
    /// Runs the calls.
    pub executor: Arc<dyn Executor>,
    /// Something is to be left of a call whose process dies.
    pub keeps: bool,
    /// Where it is told what became of them.
    pub ledger: Arc<Ledger>,
    /// Where those are counted that never get a slot.
    pub meters: Meters,
    /// The route's own answer.
    pub answer: Option<Arc<Respond>>,
}

impl Detach {
    /// At `desk`.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self(Arc::new(desk))
    }
}

impl Service<Request> for Detach {
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    always_ready!();

    fn call(&mut self, request: Request) -> Answering {
        let answer = Arc::clone(&self.0).accept(request);
        Box::pin(std::future::ready(answer))
    }
}

impl Desk {
    fn accept(self: Arc<Self>, request: Request) -> Result<Response, Error> {
        let id = request.context.id;
        let trace = request.context.trace.and_then(|trace| trace.recorded());
        // The route's time is the client's, who has its answer.
        let arrival = Arrival { deadline: None, ..self.way.arrival(&request) };
        let Some(input) = request.context.input else {
            return Err(Error::Internal("a call without its input"));
        };
        let arrived_ns = monotonic_ns();
        let entered = self.way.gate().begin(arrival)?;
        let record = self.ledger.accept(id, Arc::clone(&self.route), &self.function.name);
        let answer = self.answer(id);
        let kept = self.keeps.then(|| kept(&request.head, &input, self.function.retry));
        let call = Call {
            id,
            trace,
            route: Arc::clone(&self.route),
            input: *input,
            feed: Feed::default(),
            arrived_ns,
            granted_ns: arrived_ns,
            deadline_ns: None,
            hold: Arc::new(()),
            kept,
            suspect: request.context.suspect,
        };
        tokio::spawn(self.run(call, entered, record));
        Ok(answer)
    }

    async fn run(self: Arc<Self>, call: Call, entered: Entered, record: Record) {
        match self.way.gate().slot(entered).await {
            Ok(slot) => {
                let call = Call { granted_ns: monotonic_ns(), hold: Arc::new(slot), ..call };
                follow(&*self.executor, &self.function, call, record).await;
            }
            Err(problem) => self.give_up(call.id, &problem, record),
        }
    }

    /// `queue.timeout` was written, and is over.
    fn give_up(&self, id: RequestId, problem: &Error, record: Record) {
        let (function, route) = (&self.function.name, &*self.route);
        let (_, reason) = problem.status_and_reason();
        warn!(request_id = %id, function, route, reason = %reason, "a call that was promised will not run: {problem}");
        self.meters.count_call(CallOutcome::Timeout);
        let detail = Some(problem.to_string());
        record.end(Ended { outcome: CallOutcome::Timeout, detail, accounting: None });
    }

    fn answer(&self, id: RequestId) -> Response {
        let (status, body, content_type) = match &self.answer {
            Some(own) => {
                (own.status, Bytes::copy_from_slice(own.body.as_bytes()), own.content_type.clone())
            }
            None => {
                let body = serde_json::json!({ "id": id.to_string(), "state": "accepted" });
                (StatusCode::ACCEPTED, Bytes::from(format!("{body}\n")), JSON)
            }
        };
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}
