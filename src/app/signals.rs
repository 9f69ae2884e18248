//! The signals of the operator: the first that ends the program drains, the second ends it at once; SIGHUP renews, SIGUSR1
//! has the access log opened anew.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::telemetry::log::LineWriter;

/// SIGHUP, which from now on ends nothing.
///
/// # Errors
/// As `sigaction(2)`.
pub fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// SIGUSR2, which from now on ends nothing by itself.
///
/// # Errors
/// As `sigaction(2)`.
pub fn upgrade() -> io::Result<Signal> {
    signal(SignalKind::user_defined2())
}

/// SIGTERM and SIGINT.
pub struct Ending {
    term: Signal,
    int: Signal,
}

impl Ending {
    /// Takes both signals over.
    ///
    /// # Errors
    /// As `sigaction(2)`.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// The next of them; its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

/// Has `file` opened anew at each SIGUSR1, as nginx does: whoever moves a log away sends it. Without a file it does nothing.
///
/// # Errors
/// As `sigaction(2)`.
pub fn reopen_on_usr1(file: Option<LineWriter>) -> io::Result<()> {
    let mut usr1 = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        while usr1.recv().await.is_some() {
            if let Some(file) = &file {
                info!("SIGUSR1: opening the access log anew");
                file.reopen();
            }
        }
    });
    Ok(())
}
