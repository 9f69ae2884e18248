//! `cofferdam demo`: the experiment that this program was made for, played for real and measured.
//! A blocking handler stands an event loop still; then its route goes through Cofferdam. Nothing printed is typed in.

pub mod child;
pub mod client;
pub mod experiment;
pub mod folder;
pub mod screen;
pub mod spread;
pub mod stage;
pub mod stub;
pub mod table;

use std::io;
use std::path::{Path, PathBuf};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ffi::library::{Library, LibraryError};
use experiment::Measured;
use folder::Folder;
use screen::Screen;
use stage::Stage;

/// More clients than this would meet the demo's own `max_concurrency`.
const MAX_CLIENTS: usize = 1000;

/// `cofferdam demo [--clients N] [--port PORT] [--exit]`
#[derive(Clone, Debug)]
pub struct Options {
    /// Clients on the blocking endpoint at once: 1 to 1000.
    pub clients: usize,
    /// Ends after the table instead of staying up.
    pub exit: bool,
    /// Of the sidecar; `None`: 8080, or a free one where that is taken.
    pub port: Option<u16>,
    /// The worker program for the sidecar; `None`: it looks for it itself.
    pub worker: Option<PathBuf>,
}

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DemoError {
    #[error("--clients {0} is out of range: give 1 to {MAX_CLIENTS}")]
    Clients(usize),
    #[error("cannot write to {path}: {source}; set TMPDIR to a folder that can be written to")]
    Folder { path: String, source: io::Error },
    #[error("cannot start {name}: {source}")]
    Start { name: &'static str, source: io::Error },
    #[error("{name} ended before it was ready; it said:\n{said}")]
    Ended { name: &'static str, said: String },
    #[error("{name} was not ready within {seconds} s; it said:\n{said}")]
    Late { name: &'static str, seconds: u64, said: String },
    #[error(transparent)]
    Client(#[from] client::ClientError),
    #[error("a task of the measuring client failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("stopped before the measurement ended")]
    Interrupted,
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error("cannot start an event loop: {0}; `ulimit -n` must allow a few descriptors")]
    Runtime(io::Error),
    #[error("the app cannot accept connections on 127.0.0.1: {0}")]
    Listen(io::Error),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// Plays the experiment, prints its table, and stays up until SIGINT or SIGTERM unless told to exit.
/// Whatever it started has ended when this returns, and its folder is removed.
///
/// # Errors
/// [`DemoError`]: it could not start, an answer was not 200, or it was stopped before the table.
pub fn run(options: &Options) -> Result<(), DemoError> {
    if !(1..=MAX_CLIENTS).contains(&options.clients) {
        return Err(DemoError::Clients(options.clients));
    }
    event_loop()?.block_on(play(options))
}

/// The stub app of the demo, `cofferdam demo-app LIBRARY`: one event loop whose `/sleep` calls
/// `int main(void)` of `library` on the loop itself. Prints `listening app URL` and `ready`, and serves until it is ended.
///
/// # Errors
/// [`DemoError::Library`], [`DemoError::Listen`], [`DemoError::Output`], [`DemoError::Runtime`].
pub fn serve_app(library: &Path) -> Result<(), DemoError> {
    let library = Library::open(library.as_os_str().as_encoded_bytes())?;
    event_loop()?.block_on(stub::serve(library))
}

fn event_loop() -> Result<Runtime, DemoError> {
    Builder::new_current_thread().enable_all().build().map_err(DemoError::Runtime)
}

async fn play(options: &Options) -> Result<(), DemoError> {
    let mut stop = Stop::listen().map_err(DemoError::Runtime)?;
    let screen = Screen::of_stdout();
    let folder = Folder::create()?;
    let played = tokio::select! {
        played = rehearse_and_measure(options, &folder, &screen) => played,
        () = stop.requested() => Err(DemoError::Interrupted),
    };
    screen.clear_progress();
    let (stage, direct, through) = played?;
    screen.print(&table::render(options.clients, &direct, &through, screen.paint()))?;
    if !options.exit {
        screen.print(&stage.sights(&folder))?;
        stop.requested().await;
    }
    Ok(())
}

async fn rehearse_and_measure(
    options: &Options,
    folder: &Folder,
    screen: &Screen,
) -> Result<(Stage, Measured, Measured), DemoError> {
    let stage = Stage::set(folder, options).await?;
    screen.print(&introduction(options.clients))?;
    let clients = options.clients;
    let direct = experiment::play("in the app", stage.app(), clients, screen).await?;
    let through = experiment::play("through Cofferdam", stage.sidecar(), clients, screen).await?;
    Ok((stage, direct, through))
}

fn introduction(clients: usize) -> String {
    format!(
        "An app on one event loop has a handler that calls a C function which blocks for 2 s.\n\
         {clients} clients call it at once, while another client asks a fast endpoint of the same app.\n\n"
    )
}

/// The signals that end the demo; the default of each would leave its children behind.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_clients_out_of_range_is_refused() {
        for clients in [0, MAX_CLIENTS + 1] {
            let error = run(&Options { clients, exit: true, port: None, worker: None })
                .unwrap_err()
                .to_string();
            assert_eq!(error, format!("--clients {clients} is out of range: give 1 to 1000"));
        }
    }
}
