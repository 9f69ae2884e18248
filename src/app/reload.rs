//! SIGHUP: libraries whose files are others by now are tested in a worker and put in service, each with all its functions or
//! not at all. What has not changed keeps its workers.

pub mod plan;

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use tokio::signal::unix::Signal;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::app::libraries;
use crate::child::Library;
use crate::child::start::START_LIMIT;
use crate::config::{Config, Function};
use crate::executor::{self, Executor, Resources};
use crate::route::Parts;
use crate::telemetry::Metrics;
use plan::{Plan, Renewal};

/// Between two reloads: signals that come meanwhile are one.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks whether what was started ahead is there.
const LOOK: Duration = Duration::from_millis(5);

/// What a reload changes.
#[derive(Clone)]
pub struct Reload {
    config: Arc<Config>,
    parts: Arc<Parts>,
    resources: Resources,
}

impl Reload {
    /// Tells which versions are in service.
    #[must_use]
    pub fn new(config: &Arc<Config>, parts: &Arc<Parts>, resources: &Resources) -> Self {
        let reload = Self {
            config: Arc::clone(config),
            parts: Arc::clone(parts),
            resources: resources.clone(),
        };
        for function in &config.functions {
            let library = resources.libraries.get(&function.library);
            let (path, build_id) = (library.path().display(), library.build_id());
            info!(function = function.name, library = %path, build_id, "the library is loaded");
            begin(function, build_id, &resources.metrics);
        }
        reload
    }

    /// Does it at each `hangup`, for as long as the program runs.
    pub async fn keep(self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            self.once().await;
            sleep(PAUSE).await;
        }
    }

    async fn once(&self) {
        let looking = self.clone();
        let Ok(others) = spawn_blocking(move || looking.others()).await else { return };
        let plan = Plan::between(&self.config.functions, &others);
        info!("SIGHUP: libraries that have changed: {}", others.len());
        for Renewal { library, functions } in &plan.fixed {
            let path = library.path().display();
            for Function { name, .. } in functions.iter().map(Arc::as_ref) {
                warn!(
                    function = name, library = %path,
                    "the library has changed and stays as it is: it is loaded into the proxy itself, restart that (SIGUSR2)"
                );
            }
        }
        let mut tests = JoinSet::new();
        for renewal in plan.renewals {
            tests.spawn(self.clone().renew(renewal));
        }
        while tests.join_next().await.is_some() {}
    }

    /// Libraries that are not what is in service. Blocks.
    fn others(&self) -> Vec<Arc<Library>> {
        let mut paths: Vec<_> = self.config.functions.iter().map(|one| &one.library).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut others = Vec::new();
        for path in paths {
            let known = self.resources.libraries.get(path);
            if known.is_untouched() {
                self.mark(path, 1);
                continue;
            }
            let taken = Library::take(path);
            match taken.is_same(&known) {
                true => self.mark(path, 1),
                false => others.push(Arc::new(taken)),
            }
        }
        others
    }

    async fn renew(self, renewal: Renewal) {
        match self.test(&renewal).await {
            Ok(fresh) => self.put_in_service(&renewal, fresh),
            Err(problems) => self.refuse(&renewal, &problems),
        }
    }

    /// As `check` does; then what takes the place of what is in service, with all spares that it is to have.
    async fn test(&self, renewal: &Renewal) -> Result<Vec<Arc<dyn Executor>>, Vec<String>> {
        let told = |problem: &dyn std::fmt::Display| vec![problem.to_string()];
        let libraries = self.resources.libraries.copy();
        libraries.put(Arc::clone(&renewal.library));
        // The starts of a test are not the service's.
        let metrics = Metrics::new().map_err(|problem| told(&problem))?;
        let resources = Resources { libraries, ..self.resources.clone() };
        let apart = Resources { metrics, ..resources.clone() };
        let found = libraries::verify(&renewal.functions, &apart).await;
        if !found.problems.is_empty() {
            return Err(found.problems);
        }
        if renewal.library.was_written() {
            return Err(told(&"the file was written while it was tested: replace it by a rename"));
        }
        let build = |function| executor::build(function, &resources);
        let fresh: Result<Vec<_>, _> = renewal.functions.iter().map(build).collect();
        let fresh = fresh.map_err(|problem| told(&problem))?;
        let begun = Instant::now();
        while !fresh.iter().all(|one| one.is_warm()) && begun.elapsed() < START_LIMIT {
            sleep(LOOK).await;
        }
        Ok(fresh)
    }

    fn put_in_service(&self, renewal: &Renewal, fresh: Vec<Arc<dyn Executor>>) {
        let Renewal { library, functions } = renewal;
        let old = self.resources.libraries.get(library.path());
        self.resources.libraries.put(Arc::clone(library));
        for (function, executor) in functions.iter().zip(fresh) {
            self.parts.renew(&function.name, executor);
            let before = [function.name.as_str(), old.build_id()];
            // Two files may have one id.
            let _was_there = self.resources.metrics.library_info.remove_label_values(&before);
            self.shows(function, library).set(1);
            self.results(function)[0].inc();
            self.last(function).set(1);
            info!(
                function = function.name, library = %library.path().display(),
                build_id = library.build_id(), before = old.build_id(),
                "the new library is in service"
            );
        }
    }

    fn refuse(&self, renewal: &Renewal, problems: &[String]) {
        let library = renewal.library.path();
        let build_id = self.resources.libraries.get(library).build_id().to_owned();
        for problem in problems {
            let problem = problem.strip_prefix("error: ").unwrap_or(problem);
            error!(
                library = %library.display(), build_id,
                "the new library is refused, the old one stays in service: {problem}"
            );
        }
        for function in &renewal.functions {
            self.results(function)[1].inc();
            self.last(function).set(0);
        }
    }

    fn mark(&self, path: &std::path::Path, value: i64) {
        let all = self.config.functions.iter().filter(|function| function.library == path);
        all.for_each(|function| self.last(function).set(value));
    }

    fn shows(&self, function: &Function, library: &Library) -> IntGauge {
        shows(function, library.build_id(), &self.resources.metrics)
    }

    fn results(&self, function: &Function) -> [IntCounter; 2] {
        results(function, &self.resources.metrics)
    }

    fn last(&self, function: &Function) -> IntGauge {
        last(function, &self.resources.metrics)
    }
}

/// What is told of the library of a function from the start.
pub fn begin(function: &Function, build_id: &str, metrics: &Metrics) {
    shows(function, build_id, metrics).set(1);
    let _stand_at_zero = results(function, metrics);
    last(function, metrics).set(1);
}

fn shows(function: &Function, build_id: &str, metrics: &Metrics) -> IntGauge {
    metrics.library_info.with_label_values(&[function.name.as_str(), build_id])
}

fn results(function: &Function, metrics: &Metrics) -> [IntCounter; 2] {
    let reloads = &metrics.library_reloads;
    ["ok", "failed"].map(|word| reloads.with_label_values(&[function.name.as_str(), word]))
}

fn last(function: &Function, metrics: &Metrics) -> IntGauge {
    metrics.library_last_reload.with_label_values(&[function.name.as_str()])
}
