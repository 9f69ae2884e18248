//! `cofferdam check FILE`: the settings, the files that they name, and each library in a worker: a constructor never
//! runs in this program.

use std::path::Path;
use std::sync::Arc;

use crate::app::certificates::Certificates;
use crate::app::run::{control_runtime, load, resources};
use crate::app::{AppError, dossiers, libraries, series};
use crate::config::{Action, Config, Route, Upstream};
use crate::handler::upstream::tls::connector;
use crate::telemetry::Metrics;
use crate::telemetry::log::counted;

/// Prints one line when all is well, and one for each library.
///
/// # Errors
/// All that is wrong with the file; or else with the certificates, keys and libraries that it names.
pub fn check(file: &Path, worker: Option<&Path>) -> Result<(), AppError> {
    let config = load(file)?;
    let metrics = Metrics::new().map_err(AppError::runtime)?;
    let mut problems = tls_problems(&config);
    problems.extend(folder_problems(&config));
    // It makes the folder, as `run` would.
    problems.extend(dossiers::start(&config, &metrics).err().map(|problem| problem.to_string()));
    match Certificates::load(&config, &metrics) {
        Ok(all) => all.warnings().for_each(|warning| eprintln!("warning: {warning}")),
        Err(broken) => problems.push(broken.to_string()),
    }
    let mut libraries = Vec::new();
    if !config.functions.is_empty() {
        let resources = resources(&config, metrics.clone(), worker)?;
        let found = control_runtime()?.block_on(libraries::verify(&config.functions, &resources));
        found.advice.iter().for_each(|advice| eprintln!("warning: {advice}"));
        found.notes.iter().for_each(|note| eprintln!("note: {note}"));
        problems.extend(found.problems);
        libraries.extend(config.functions.iter().map(|one| resources.libraries.get(&one.library)));
    }
    if !problems.is_empty() {
        return Err(AppError::Config(problems.join("\n")));
    }
    let (routes, functions) = (config.routes.len(), config.functions.len());
    let series = series::expected(&config, &metrics);
    let (routes, functions) = (counted(routes, "route"), counted(functions, "function"));
    println!("{}: ok ({routes}, {functions}, {series} series at /metrics)", file.display());
    libraries.sort_unstable_by(|one, other| one.path().cmp(other.path()));
    libraries.dedup_by(|one, other| one.path() == other.path());
    for library in libraries {
        println!("  library {}: build id {}", library.path().display(), library.build_id());
    }
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
