//! What a route is made of: the one place where layers are put around handlers.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ipnet::IpNet;
use tower::Service;
use tower::util::Either;

use crate::call::Poison;
use crate::child::Meters;
use crate::config::{Action, Config, Function, Route};
use crate::executor::{self, Current, Executor, Ledger, Unloadable};
use crate::handler::call::Call;
use crate::handler::files::Files;
use crate::handler::proxy::Proxy;
use crate::handler::redirect::Redirect;
use crate::handler::respond::Respond;
use crate::handler::upstream::{Group, tls};
use crate::handler::{Error, Request, Response};
use crate::layer::access::AccessLog;
use crate::layer::admission::{Admission, Gate, Way};
use crate::layer::compress::Compress;
use crate::layer::deadline::Deadline;
use crate::layer::detach::{Desk, Detach};
use crate::layer::headers::Headers;
use crate::layer::intake::Intake;
use crate::layer::observe::{Observe, RouteMeters};
use crate::layer::poison;
use crate::layer::rate_limit::{Limiter, RateLimit};
use crate::layer::rewrite::Rewrite;
use crate::telemetry::Metrics;

/// A route's whole stack, shared by the connections of one event loop.
pub type RouteService = Arc<dyn Answers>;

/// A service whose type is forgotten.
pub trait Answers: Send + Sync {
    /// Answers a request; there is always an answer.
    fn answer(&self, request: Request) -> Promised;
}

/// An answer that is being made.
pub type Promised = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<S> Answers for S
where
    S: Service<Request, Response = Response, Error = std::convert::Infallible>
        + Clone
        + Send
        + Sync,
    S::Future: Send + 'static,
{
    fn answer(&self, request: Request) -> Promised {
        let answer = self.clone().call(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}

/// What the routes of all event loops share.
pub struct Parts {
    metrics: Metrics,
    access: Option<AccessLog>,
    trusted: Arc<[IpNet]>,
    functions: HashMap<String, Isolated>,
    upstreams: HashMap<String, Arc<Group>>,
    meters: HashMap<String, Arc<RouteMeters>>,
    limiters: HashMap<String, Arc<Limiter>>,
    ledger: Arc<Ledger>,
}

/// Why there are no parts.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// The TLS files of an upstream.
    #[error(transparent)]
    Tls(#[from] tls::Unusable),
    /// A library that runs in the proxy.
    #[error(transparent)]
    Library(#[from] Unloadable),
}

/// A function at work: who may run it, and how.
#[derive(Clone)]
struct Isolated {
    gate: Arc<Gate>,
    executor: Arc<Current>,
    poison: Option<Arc<Poison>>,
    keeps: bool,
}

/// The label `route` of requests that no route matches; no route can be named so.
pub const UNMATCHED: &str = "-";

impl Parts {
    /// Builds the executors, gates and upstreams of `config`; spares begin to start, and names to be looked up, on the
    /// caller's runtime.
    ///
    /// # Errors
    /// The TLS files of an upstream; a library that is to run in the proxy.
    pub fn new(
        config: &Config,
        resources: &executor::Resources,
        access: Option<AccessLog>,
    ) -> Result<Self, PartsError> {
        let metrics = resources.metrics.clone();
        let isolate = |function: &Arc<Function>| {
            let executor = executor::build(function, resources)?;
            let gate = Gate::new(Arc::clone(function), executor.at_once(), &metrics);
            let executor = Arc::new(Current::new(executor));
            let poison = remembering(function, &metrics);
            let keeps = function.retry > 0 || resources.coroner.is_some();
            Ok((function.name.clone(), Isolated { gate, executor, poison, keeps }))
        };
        let names = config.routes.iter().map(|route| route.name.as_str());
        let meters = names
            .chain([UNMATCHED])
            .map(|name| (name.to_owned(), RouteMeters::new(name, &metrics, access.clone())));
        let trusted: Arc<[IpNet]> = config.server.trusted_proxies.clone().into();
        let limiters = config.routes.iter().filter_map(|route| {
            let limit = route.filters.rate_limit?;
            Some((route.name.clone(), Limiter::new(limit, Arc::clone(&trusted))))
        });
        let upstreams = config
            .upstreams
            .iter()
            .map(|upstream| Ok((upstream.name.clone(), Group::start(upstream, &metrics)?)));
        Ok(Self {
            limiters: limiters.collect(),
            functions: config.functions.iter().map(isolate).collect::<Result<_, Unloadable>>()?,
            upstreams: upstreams.collect::<Result<_, tls::Unusable>>()?,
            ledger: Arc::clone(&resources.ledger),
            meters: meters.collect(),
            trusted,
            metrics,
            access,
        })
    }

    /// New calls of the function go to `executor`; the one before ends when its calls have.
    pub fn renew(&self, function: &str, executor: Arc<dyn Executor>) {
        if let Some(isolated) = self.functions.get(function) {
            isolated.executor.replace(executor);
        }
    }

    /// The gates, for the scrape.
    #[must_use]
    pub fn gates(&self) -> Vec<Arc<Gate>> {
        self.functions.values().map(|function| Arc::clone(&function.gate)).collect()
    }

    /// Whether no call runs any more, not even one whose client has left.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.functions.values().all(|function| function.gate.is_idle())
    }

    /// Ends all spares.
    pub fn drain(&self) {
        self.functions.values().for_each(|function| function.executor.drain());
    }

    /// The stack of one route, for one event loop.
    ///
    /// # Errors
    /// The route names a function or an upstream that is not configured: a defect, since the configuration is checked.
    pub fn compose(&self, route: &Route) -> Result<RouteService, Error> {
        match &route.action {
            Action::Respond(answer) => Ok(self.finish(route, Respond::new(Arc::clone(answer)))),
            Action::Redirect(to) => Ok(self.finish(route, Redirect::new(Arc::clone(to)))),
            Action::Files(files) => {
                let files = Files::new(Arc::clone(files), route.filters.rewrite.clone());
                Ok(self.finish(route, files))
            }
            Action::Proxy(upstream) => {
                let overhead = self.metrics.http_overhead.with_label_values(&[&route.name]);
                let group = self.upstreams.get(&upstream.name).cloned();
                let group = group.ok_or(Error::Internal("a route without its upstream"))?;
                let trusted = Arc::clone(&self.trusted);
                let proxy = Proxy::new(group, trusted, route.timeout, overhead);
                Ok(self.finish(route, proxy))
            }
            Action::Call(function) => {
                let Isolated { gate, executor, poison, keeps } = self.isolated(function)?;
                let name = route.name.as_str().into();
                let call = Call::new(name, Arc::clone(function), executor, keeps);
                // Slots are scarce: only what is complete and valid waits for one.
                let way = Way::new(gate, route, Arc::clone(&self.trusted));
                let admitted = guarded(Admission::new(call, way), poison, function);
                Ok(self.finish(route, Intake::new(admitted, Arc::clone(function))))
            }
            Action::Detach(function, answer) => {
                let Isolated { gate, executor, poison, keeps } = self.isolated(function)?;
                let detach = Detach::new(Desk {
                    route: route.name.as_str().into(),
                    function: Arc::clone(function),
                    way: Way::new(gate, route, Arc::clone(&self.trusted)),
                    executor,
                    keeps,
                    ledger: Arc::clone(&self.ledger),
                    meters: Meters::new(&self.metrics, &function.name),
                    answer: answer.clone(),
                });
                let guarded = guarded(detach, poison, function);
                Ok(self.finish(route, Intake::new(guarded, Arc::clone(function))))
            }
        }
    }

    fn isolated(&self, function: &Function) -> Result<Isolated, Error> {
        let isolated = self.functions.get(&function.name).cloned();
        isolated.ok_or(Error::Internal("a route without its function"))
    }

    fn finish<S>(&self, route: &Route, handler: S) -> RouteService
    where
        S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let filters = &route.filters;
        // Innermost: all others speak of the path that the client asked for. Files look at both.
        let rewrite = filters.rewrite.clone().filter(|_| !matches!(route.action, Action::Files(_)));
        let rewritten = layer(handler, rewrite, Rewrite::new);
        // Around the handler only: what the proxy says of itself stays as it is.
        let edits = (filters.request.clone(), filters.response.clone());
        let are_edits = !(edits.0.is_empty() && edits.1.is_empty());
        let edited = layer(rewritten, are_edits.then_some(edits), Headers::new);
        // Sees the headers that the client will see.
        let compressed = layer(edited, filters.compress.then_some(()), Compress::new);
        // The limit covers the wait for a slot too. A proxy keeps it by the timer that it has anyway.
        let limit = route.timeout.filter(|_| !matches!(route.action, Action::Proxy(_)));
        let limited = layer(compressed, limit, Deadline::new);
        // A client that asks too often costs neither a body nor a slot.
        let rated = layer(limited, self.limiters.get(&route.name).cloned(), RateLimit::new);
        // Outermost: it sees every end, also that of a client that left.
        let calls = matches!(route.action, Action::Call(_));
        Arc::new(Observe::new(rated, self.meters_of(&route.name), calls))
    }

    /// What answers where no route matches.
    #[must_use]
    pub fn unmatched(&self) -> RouteService {
        let no_route = tower::util::service_fn(|_| std::future::ready(Err(Error::NoRoute)));
        Arc::new(Observe::new(no_route, self.meters_of(UNMATCHED), false))
    }

    fn meters_of(&self, name: &str) -> Arc<RouteMeters> {
        match self.meters.get(name) {
            Some(meters) => Arc::clone(meters),
            None => RouteMeters::new(name, &self.metrics, self.access.clone()),
        }
    }
}

fn remembering(function: &Function, metrics: &Metrics) -> Option<Arc<Poison>> {
    let refused = metrics.poisoned.with_label_values(&[&function.name]);
    let poison = function.poison?;
    Some(Poison::new(poison.deaths, poison.within, refused))
}

/// What kills is refused before it waits.
fn guarded<S>(
    inner: S,
    poison: Option<Arc<Poison>>,
    function: &Arc<Function>,
) -> Either<poison::Poison<S>, S> {
    let on = poison.map(|memory| (memory, Arc::clone(function)));
    layer(inner, on, poison::Poison::new)
}

/// `layer` around `inner` where it is switched on; else nothing, at no cost.
fn layer<S, T, L>(inner: S, on: Option<T>, layer: impl FnOnce(S, T) -> L) -> Either<L, S> {
    match on {
        Some(settings) => Either::Left(layer(inner, settings)),
        None => Either::Right(inner),
    }
}
