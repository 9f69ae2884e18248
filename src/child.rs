//! The parent's side of an isolated call: starting workers, talking to one, ending and reaping it.
//! A worker is a value passed by move; one whose call did not end well is destroyed, never used again. [`run`] is the one
//! exchange with whoever runs a call: a worker, or a thread of the proxy ([`partner`]).

pub mod account;
pub mod control;
pub mod coroner;
pub mod forge;
pub mod groups;
pub mod leftovers;
pub mod library;
pub mod life;
pub mod meters;
pub mod output;
pub mod partner;
pub mod process;
pub mod program;
pub mod ready;
pub mod run;
pub mod sample;
pub mod sandbox;
pub mod sight;
pub mod slow;
pub mod spawner;
pub mod start;
pub mod wear;

use std::sync::Arc;

use crate::config::Function;
use crate::wire::Life;

pub use coroner::Coroner;
pub use forge::Forge;
pub use leftovers::Sweeper;
pub use library::Library;
pub use meters::Meters;
pub use program::WorkerProgram;
pub use ready::Ready;
pub use sample::Sampler;
pub use spawner::{Launch, Priority, Spawner};

/// All that the workers of one function have in common.
pub struct Spec {
    /// As configured.
    pub function: Arc<Function>,
    /// The first frame to each worker.
    pub hello: Vec<u8>,
    /// What each worker loads.
    pub library: Arc<Library>,
    /// How each worker is started.
    pub launch: Arc<Launch>,
    /// Bytes of the largest frame that a worker may send.
    pub reply_cap: usize,
    /// The function's metric handles.
    pub meters: Meters,
    /// Looks at calls while they run.
    pub sampler: Sampler,
    /// Which of its slow calls are written of.
    pub slow: slow::Gate,
    /// Starts the workers.
    pub spawner: Spawner,
    /// Forks them, where the function says so.
    pub forge: Option<Forge>,
    /// How many calls a worker serves.
    pub life: Life,
    /// Is told of deaths, where they are written down.
    pub coroner: Option<Coroner>,
}

impl Spec {
    /// Ends the template, where there is one.
    pub fn drain(&self) {
        self.forge.iter().for_each(Forge::drain);
    }
}
