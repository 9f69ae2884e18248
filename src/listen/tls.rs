//! TLS of a listener: what its handshakes take now, and how that is renewed. Files that are broken never replace files
//! that work.

mod files;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{IntCounter, IntGauge};
use rustls::ServerConfig;
use tracing::{info, warn};

use crate::config;
use crate::telemetry::Metrics;
use files::{Fault, Files, Made};

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
#[error("error: listener `{listener}`: {}\n --> {defined_at}\n  = help: {}\n", .fault.what, .fault.mend)]
pub struct TlsError {
    defined_at: String,
    listener: String,
    fault: Fault,
}

/// TLS of one listener.
pub struct Tls {
    listener: String,
    settings: config::Tls,
    state: Mutex<State>,
    expiry: IntGauge,
    taken: IntCounter,
    refused: IntCounter,
}

struct State {
    config: Arc<ServerConfig>,
    /// Of the files when they were last looked at, whether they were good or not.
    seen: u64,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with one of them, where it is named, and how to mend it.
    pub fn load(
        listener: &str,
        settings: &config::Tls,
        metrics: &Metrics,
    ) -> Result<Self, TlsError> {
        let read = Files::read(settings);
        let seen = fingerprint(&read);
        let made = read.and_then(|files| files.make(settings)).map_err(|fault| TlsError {
            defined_at: settings.defined_at.clone(),
            listener: listener.to_owned(),
            fault,
        })?;
        let expiry = metrics.tls_expiry.with_label_values(&[listener]);
        expiry.set(made.expires);
        let reloads = |result| metrics.tls_reloads.with_label_values(&[listener, result]);
        Ok(Self {
            listener: listener.to_owned(),
            settings: settings.clone(),
            state: Mutex::new(State { config: Arc::new(made.config), seen }),
            expiry,
            taken: reloads("ok"),
            refused: reloads("failed"),
        })
    }

    /// For the next handshake.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.state().config)
    }

    /// What should be said of a certificate that clients will refuse.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let has_expired = u64::try_from(self.expiry.get()).map_or(true, |end| end <= now);
        let path = self.settings.certificate.display();
        has_expired
            .then(|| format!("listener `{}`: the certificate in {path} has expired", self.listener))
    }

    /// Reads the files again, and takes them where they are good: always, or only where they have changed. Open
    /// connections keep what they began with; sessions of before are not resumed. Blocks.
    pub fn reload(&self, always: bool) {
        let read = Files::read(&self.settings);
        let seen = fingerprint(&read);
        if !always && self.state().seen == seen {
            return;
        }
        match read.and_then(|files| files.make(&self.settings)) {
            Ok(made) => self.take(made, seen),
            Err(fault) => {
                self.state().seen = seen;
                self.refused.inc();
                warn!(listener = self.listener, "the old certificate is kept: {fault}");
            }
        }
    }

    fn take(&self, made: Made, seen: u64) {
        *self.state() = State { config: Arc::new(made.config), seen };
        self.expiry.set(made.expires);
        self.taken.inc();
        info!(listener = self.listener, "the certificate was reloaded");
        if let Some(warning) = self.warning() {
            warn!("{warning}");
        }
    }

    /// Held for a moment only: files are read before.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for the files, so that the key need not be kept to see a change.
fn fingerprint(files: &Result<Files, Fault>) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}
