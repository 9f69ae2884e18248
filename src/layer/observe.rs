//! Counts and times each request of a route, makes an answer of each error, and sees how each answer ends.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Method};
use pin_project_lite::pin_project;
use prometheus::{IntCounter, IntGauge};
use tower::Service;

use crate::call::{Reason, RequestId};
use crate::handler::always_ready;
use crate::handler::body::Ending;
use crate::handler::{Error, Progress, Request, Response, Stage, Waited, problem};
use crate::layer::access::{AccessLog, End, Kept};
use crate::telemetry::Metrics;
use crate::telemetry::exemplars::Traced;

/// The outermost layer of a route: it always has an answer.
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    route: Arc<RouteMeters>,
    calls: bool,
}

impl<S> Observe<S> {
    /// With the handles of the route; whether it `calls` a function, for which a request may wait.
    #[must_use]
    pub fn new(inner: S, route: Arc<RouteMeters>, calls: bool) -> Self {
        Self { inner, route, calls }
    }
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Observed<S::Future>;

    always_ready!();

    fn call(&mut self, mut request: Request) -> Self::Future {
        request.context.progress = self.calls.then(Arc::default);
        let seen = Box::new(Seen::new(Arc::clone(&self.route), &mut request));
        let refusal = request.context.refusal.take();
        let answer = match &refusal {
            Some(_) => None,
            None => Some(self.inner.call(request)),
        };
        Observed { answer, refusal, seen: Some(seen) }
    }
}

pin_project! {
    /// An answer that is counted when it comes, and again when it ends.
    pub struct Observed<F> {
        #[pin]
        answer: Option<F>,
        refusal: Option<Error>,
        seen: Option<Box<Seen>>,
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for Observed<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match (this.answer.as_pin_mut(), this.refusal.take()) {
            (Some(answer), _) => ready!(answer.poll(context)),
            (None, refusal) => Err(refusal.unwrap_or(Error::Internal("polled after its end"))),
        };
        Poll::Ready(Ok(match this.seen.take() {
            Some(seen) => seen.settle(answer),
            None => problem::response(&Error::Internal("polled after its end"), RequestId::next()),
        }))
    }
}

/// The metric handles of one route, resolved once.
pub struct RouteMeters {
    name: String,
    metrics: Metrics,
    in_flight: IntGauge,
    durations: [Traced; CLASSES.len()],
    switched: OnceLock<Traced>,
    rejected: Vec<IntCounter>,
    aborted: [IntCounter; STAGES.len()],
    answered: Vec<OnceLock<IntCounter>>,
    access: Option<AccessLog>,
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"];
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
/// Of connections that were upgraded, which few routes see.
const SWITCHED: &str = "1xx";
/// In the order of [`Stage`], which ends before the answer begins.
const STAGES: [&str; 4] = ["request", "queue", "call", "response"];
const RESPONSE: usize = STAGES.len() - 1;
/// Nobody saw a status (nginx's word for it).
const CLIENT_LEFT: u16 = 499;
/// Statuses 100 to 599: an upgraded connection ends with 101.
const CODES: usize = 500;

impl RouteMeters {
    /// Of the route `name`.
    #[must_use]
    pub fn new(name: &str, metrics: &Metrics, access: Option<AccessLog>) -> Arc<Self> {
        let duration = |class| metrics.http_request_duration.with_label_values(&[name, class]);
        let rejected = |reason: &Reason| {
            metrics.http_requests_rejected.with_label_values(&[name, reason.as_str()])
        };
        let aborted = |stage| metrics.http_requests_aborted.with_label_values(&[name, stage]);
        Arc::new(Self {
            name: name.to_owned(),
            in_flight: metrics.http_requests_in_flight.with_label_values(&[name]),
            durations: CLASSES.map(duration),
            switched: OnceLock::new(),
            rejected: Reason::ALL.iter().map(rejected).collect(),
            aborted: STAGES.map(aborted),
            answered: (0..METHODS.len() * CODES).map(|_| OnceLock::new()).collect(),
            metrics: metrics.clone(),
            access,
        })
    }

    fn count_answer(&self, method: &Method, status: u16) {
        let known = METHODS.iter().position(|known| *known == method.as_str());
        let method = known.unwrap_or(METHODS.len() - 1);
        let place = method * CODES + usize::from(status.clamp(100, 599) - 100);
        let counter = self.answered[place].get_or_init(|| {
            let code = status.to_string();
            self.metrics.http_requests.with_label_values(&[&self.name, METHODS[method], &code])
        });
        counter.inc();
    }

    fn duration(&self, status: u16) -> &Traced {
        if status < 200 {
            let labels = [self.name.as_str(), SWITCHED];
            let switched = || self.metrics.http_request_duration.with_label_values(&labels);
            return self.switched.get_or_init(switched);
        }
        &self.durations[usize::from(status / 100).clamp(2, 5) - 2]
    }
}

/// One request, from its head to the end of its answer.
pub struct Seen {
    route: Arc<RouteMeters>,
    id: RequestId,
    trace: Option<u128>,
    peer: Option<IpAddr>,
    method: Method,
    kept: Option<Box<Kept>>,
    progress: Option<Arc<Progress>>,
    wants_timing: bool,
    arrived: Instant,
    status: Option<u16>,
    reason: Option<Reason>,
    is_over: bool,
}

impl Seen {
    fn new(route: Arc<RouteMeters>, request: &mut Request) -> Self {
        route.in_flight.inc();
        let kept = route.access.as_ref().map(|access| Box::new(access.keep(request)));
        let wants_timing = request.head.headers.contains_key(&SERVER_TIMING);
        request.context.is_timed = wants_timing || kept.is_some();
        Self {
            id: request.context.id,
            trace: request.context.trace.and_then(|trace| trace.recorded()),
            peer: request.context.peer.as_ref().map(|peer| peer.address),
            method: request.head.method.clone(),
            kept,
            progress: request.context.progress.clone(),
            wants_timing,
            arrived: request.context.arrived,
            status: None,
            reason: None,
            is_over: false,
            route,
        }
    }

    fn settle(mut self: Box<Self>, answer: Result<Response, Error>) -> Response {
        let response = match answer {
            Ok(mut response) => {
                self.answered(response.status().as_u16());
                self.told(&mut response);
                response
            }
            Err(error) => self.refused(&error),
        };
        response.map(|body| body.observed(self))
    }

    fn refused(&mut self, error: &Error) -> Response {
        let (status, reason) = error.status_and_reason();
        tracing::debug!(request_id = %self.id, route = self.route.name, %reason, "{error}");
        // A client that left gets no answer, whatever is written now.
        if reason != Reason::ClientGone {
            self.reason = Some(reason);
            self.route.rejected[reason.index()].inc();
            self.answered(status.as_u16());
        }
        problem::response(error, self.id)
    }

    fn answered(&mut self, status: u16) {
        self.status = Some(status);
        self.route.count_answer(&self.method, status);
    }

    /// What the upstream took: for who asks, and for the log.
    fn told(&mut self, response: &mut Response) {
        let Some(waited) = response.extensions_mut().remove::<Waited>() else { return };
        if self.wants_timing {
            let timing = server_timing(waited.time, self.arrived.elapsed());
            response.headers_mut().append(SERVER_TIMING, timing);
        }
        if let Some(kept) = &mut self.kept {
            kept.waited(waited);
        }
    }

    /// The client left before there was an answer.
    fn left(&mut self) {
        self.reason = Some(Reason::ClientGone);
        let stage = self.progress.as_ref().map_or(Stage::Request, |progress| progress.stage());
        self.route.aborted[stage as usize].inc();
        self.route.rejected[Reason::ClientGone.index()].inc();
        self.route.count_answer(&self.method, CLIENT_LEFT);
    }

    fn write_access_line(&self, is_whole: bool, sent: u64) {
        let (Some(access), Some(kept)) = (&self.route.access, &self.kept) else { return };
        let end = End {
            id: self.id,
            peer: self.peer,
            method: &self.method,
            route: &self.route.name,
            status: self.status.unwrap_or(CLIENT_LEFT),
            reason: self.reason.map(Reason::as_str),
            is_whole,
            sent,
            took: self.arrived.elapsed(),
        };
        access.write(kept, &end);
    }
}

impl Ending for Seen {
    fn ended(&mut self, is_whole: bool, sent: u64) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        // hyper drops the body of an answer to HEAD unread.
        let is_whole = is_whole || (self.method == Method::HEAD && self.status.is_some());
        self.route.in_flight.dec();
        match self.status {
            None => self.left(),
            Some(_) if !is_whole => self.route.aborted[RESPONSE].inc(),
            Some(_) => {}
        }
        let duration = self.route.duration(self.status.unwrap_or(CLIENT_LEFT));
        duration.observe(self.arrived.elapsed().as_secs_f64(), self.trace);
        self.write_access_line(is_whole, sent);
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.ended(false, 0);
    }
}

/// `upstream` until its head, `total` until the answer's: milliseconds (W3C Server Timing).
fn server_timing(upstream: Duration, total: Duration) -> HeaderValue {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let text = format!("upstream;dur={:.6}, total;dur={:.6}", ms(upstream), ms(total));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("total"))
}
