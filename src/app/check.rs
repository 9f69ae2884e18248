//! `cofferdam check FILE`: the settings, the files that they name, and each library in a worker: a constructor never
//! runs in this program.

use std::path::Path;
use std::sync::Arc;

use crate::app::AppError;
use crate::app::certificates::Certificates;
use crate::app::run::{control_runtime, load, resources};
use crate::child::Priority;
use crate::child::start::start;
use crate::config::{Action, Config, Function, Route, Upstream};
use crate::executor::{Resources, spec};
use crate::handler::upstream::tls::connector;
use crate::telemetry::Metrics;

/// Prints one line when all is well.
///
/// # Errors
/// All that is wrong with the file; or else with the certificates, keys and libraries that it names.
pub fn check(file: &Path, worker: Option<&Path>) -> Result<(), AppError> {
    let config = load(file)?;
    let metrics = Metrics::new().map_err(AppError::runtime)?;
    let mut problems = tls_problems(&config);
    problems.extend(folder_problems(&config));
    match Certificates::load(&config, &metrics) {
        Ok(all) => all.warnings().for_each(|warning| eprintln!("warning: {warning}")),
        Err(broken) => problems.push(broken.to_string()),
    }
    if !config.functions.is_empty() {
        problems.extend(library_problems(&config, metrics, worker)?);
    }
    if !problems.is_empty() {
        return Err(AppError::Config(problems.join("\n")));
    }
    let (routes, functions) = (config.routes.len(), config.functions.len());
    println!("{}: ok ({routes} routes, {functions} functions)", file.display());
    Ok(())
}

/// The folders that are to be served.
fn folder_problems(config: &Config) -> Vec<String> {
    let problem = |route: &Route| match &route.action {
        Action::Files(files) if !files.root.is_dir() => Some(format!(
            "error: route `{}`: files root {} is no folder that can be read",
            route.name,
            files.root.display()
        )),
        _ => None,
    };
    config.routes.iter().filter_map(problem).collect()
}

/// The files that connections to upstreams need.
fn tls_problems(config: &Config) -> Vec<String> {
    let problem = |upstream: &Arc<Upstream>| {
        let made = connector(upstream, upstream.tls.as_ref()?);
        made.err().map(|problem| problem.to_string())
    };
    config.upstreams.iter().filter_map(problem).collect()
}

fn library_problems(
    config: &Config,
    metrics: Metrics,
    worker: Option<&Path>,
) -> Result<Vec<String>, AppError> {
    let resources = resources(config, metrics, worker)?;
    Ok(control_runtime()?.block_on(async {
        let mut problems = Vec::new();
        for function in &config.functions {
            problems.extend(load_problem(function, &resources).await);
        }
        problems
    }))
}

async fn load_problem(function: &Arc<Function>, resources: &Resources) -> Option<String> {
    let started = start(&spec(function, resources), Priority::Normal, None).await;
    let failure = started.err()?;
    Some(format!("error: function `{}`: {}", function.name, failure.message))
}
