//! What a reload has to do: a pure function of what is in service and what was found.

use std::sync::Arc;

use crate::child::Library;
use crate::config::Function;

/// All of it.
#[derive(Debug, Default)]
pub struct Plan {
    /// To be tested, and put in service.
    pub renewals: Vec<Renewal>,
    /// In the proxy itself, where a library stays until the process ends.
    pub fixed: Vec<Renewal>,
}

/// One library's new version, and whom it is for.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The new version.
    pub library: Arc<Library>,
    /// The functions that are in it.
    pub functions: Vec<Arc<Function>>,
}

impl Plan {
    /// Of `functions` that are in service, where these libraries are others by now.
    #[must_use]
    pub fn between(functions: &[Arc<Function>], others: &[Arc<Library>]) -> Self {
        let of = |library: &Arc<Library>, is_isolated: bool| {
            let all = functions.iter().filter(|function| {
                function.library == library.path() && function.mode.is_isolated() == is_isolated
            });
            Renewal { library: Arc::clone(library), functions: all.cloned().collect() }
        };
        let all = |is_isolated| {
            let renewals = others.iter().map(move |library| of(library, is_isolated));
            renewals.filter(|renewal| !renewal.functions.is_empty()).collect()
        };
        Self { renewals: all(true), fixed: all(false) }
    }
}
