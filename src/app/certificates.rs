//! The certificates of all listeners: read at the start, looked at again every two seconds, and read again on SIGHUP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::config::{Config, Listener};
use crate::listen::tls::{Tls, TlsError};
use crate::telemetry::Metrics;
use crate::telemetry::log::counted;

/// How long a changed file may go unseen.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// TLS by listener.
pub struct Certificates(HashMap<String, Arc<Tls>>);

/// All that is wrong with them.
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.0))]
pub struct Broken(Vec<TlsError>);

fn told(problems: &[TlsError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Certificates {
    /// Reads the files of all listeners.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn load(config: &Config, metrics: &Metrics) -> Result<Self, Broken> {
        let mut loaded = HashMap::new();
        let mut problems = Vec::new();
        for listener in &config.server.listeners {
            let Some(settings) = &listener.tls else { continue };
            match Tls::load(&listener.name, settings, metrics) {
                Ok(tls) => drop(loaded.insert(listener.name.clone(), Arc::new(tls))),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self(loaded)) } else { Err(Broken(problems)) }
    }

    /// What should be said of certificates that load and yet are of no use.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.0.values().filter_map(|tls| tls.warning())
    }

    /// Of this listener, where it has TLS.
    #[must_use]
    pub fn of(&self, listener: &Listener) -> Option<Arc<Tls>> {
        self.0.get(&listener.name).cloned()
    }

    /// Renews them for as long as the program runs.
    pub async fn keep(self, mut hangup: Signal) {
        let all: Arc<[Arc<Tls>]> = self.0.into_values().collect();
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                _ = ticks.tick() => false,
                _ = hangup.recv() => true,
            };
            if is_asked {
                info!(
                    "SIGHUP: reading the certificates of {} again",
                    counted(all.len(), "listener")
                );
            }
            let all = Arc::clone(&all);
            // A disk may be slow, and connections are accepted on this thread.
            let read = move || all.iter().for_each(|tls| tls.reload(is_asked));
            if tokio::task::spawn_blocking(read).await.is_err() {
                warn!("the certificates could not be read again");
            }
        }
    }
}
