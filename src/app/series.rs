//! How many series a configuration makes: all that exist from the start are made, by those who count in them, and counted.

use std::sync::Arc;

use crate::app::reload;
use crate::child::Meters;
use crate::config::function::Mode;
use crate::config::{Action, Config, Function, Route};
use crate::handler::upstream;
use crate::layer::admission::Gate;
use crate::layer::observe::RouteMeters;
use crate::route::UNMATCHED;
use crate::server::opening::Opening;
use crate::server::probe::Probe;
use crate::server::{acceptor, connection, paced};
use crate::telemetry::Metrics;

/// The lines of the first scrape of a proxy that runs with `config`. Certificates and workers have left theirs in `metrics`
/// when they were tried.
#[must_use]
pub fn expected(config: &Config, metrics: &Metrics) -> usize {
    config.routes.iter().for_each(|route| of_route(route, metrics));
    let _for_the_rest = RouteMeters::new(UNMATCHED, metrics, None);
    config.functions.iter().for_each(|function| of_function(function, metrics));
    for upstream in &config.upstreams {
        let _made = upstream::meters::Meters::new(metrics, upstream);
    }
    of_server(config, metrics);
    metrics.series()
}

fn of_route(route: &Route, metrics: &Metrics) {
    let _made = RouteMeters::new(&route.name, metrics, None);
    if matches!(route.action, Action::Proxy(_)) {
        let _made = metrics.http_overhead.with_label_values(&[&route.name]);
    }
}

fn of_function(function: &Arc<Function>, metrics: &Metrics) {
    let _made = Gate::new(Arc::clone(function), function.max_concurrency, metrics);
    let _made = Meters::new(metrics, &function.name);
    let _made = metrics.poisoned.with_label_values(&[&function.name]);
    reload::begin(function, "", metrics);
    if matches!(function.mode, Mode::Inline) {
        let _made = metrics.inline_stalls.with_label_values(&[&function.name]);
    }
}

fn of_server(config: &Config, metrics: &Metrics) {
    for listener in &config.server.listeners {
        let _made = acceptor::Meters::new(metrics, &listener.name);
        let _made = Opening::new(listener, None, &config.server, metrics);
    }
    let _made = (connection::Failed::new(metrics), paced::Meters::new(metrics));
    for number in 0..config.server.workers {
        let _made = Probe::new(metrics, config.accounting.stall_after, number);
    }
    for result in ["ok", "failed"] {
        let _made = metrics.handovers.with_label_values(&[result]);
    }
    let _made = metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]);
}
