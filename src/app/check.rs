//! `cofferdam check FILE`: the settings, the certificates, and each library in a worker: a constructor never runs in
//! this program.

use std::path::Path;
use std::sync::Arc;

use crate::app::AppError;
use crate::app::certificates::Certificates;
use crate::app::run::{control_runtime, load, resources};
use crate::child::Priority;
use crate::child::start::start;
use crate::config::{Config, Function};
use crate::executor::{Resources, spec};
use crate::telemetry::Metrics;

/// Prints one line when all is well.
///
/// # Errors
/// All that is wrong with the file; then with the certificates, or else the libraries, that it names.
pub fn check(file: &Path, worker: Option<&Path>) -> Result<(), AppError> {
    let config = load(file)?;
    let metrics = Metrics::new().map_err(AppError::runtime)?;
    let certificates = Certificates::load(&config, &metrics)?;
    certificates.warnings().for_each(|warning| eprintln!("warning: {warning}"));
    if !config.functions.is_empty() {
        check_libraries(&config, metrics, worker)?;
    }
    let (routes, functions) = (config.routes.len(), config.functions.len());
    println!("{}: ok ({routes} routes, {functions} functions)", file.display());
    Ok(())
}

fn check_libraries(
    config: &Config,
    metrics: Metrics,
    worker: Option<&Path>,
) -> Result<(), AppError> {
    let resources = resources(config, metrics, worker)?;
    let problems = control_runtime()?.block_on(async {
        let mut problems = Vec::new();
        for function in &config.functions {
            problems.extend(load_problem(function, &resources).await);
        }
        problems
    });
    if problems.is_empty() { Ok(()) } else { Err(AppError::Config(problems.join("\n"))) }
}

async fn load_problem(function: &Arc<Function>, resources: &Resources) -> Option<String> {
    let started = start(&spec(function, resources), Priority::Normal).await;
    let failure = started.err()?;
    Some(format!("error: function `{}`: {}", function.name, failure.message))
}
