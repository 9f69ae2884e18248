//! The proxies that are measured and the app behind them: real programs on free loopback ports, until they are dropped.

mod app;
mod certificate;
mod cofferdam;
mod haproxy;
mod nginx;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use app::start as start_app;
pub use certificate::Certificate;

use crate::floor::Floor;
use crate::matrix::{Body, Case, FIRST, Mode};
use crate::support::client::{Connection, wait_until};
use crate::support::kernel;

/// For a program to accept connections.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of those that are compared.
pub struct Peer {
    /// In tables.
    pub name: String,
    /// Which program.
    pub program: Program,
}

/// What it runs.
pub enum Program {
    /// `nginx` of the system.
    Nginx,
    /// `haproxy` of the system.
    Haproxy,
    /// A build of Cofferdam, and whether it knows TLS.
    Cofferdam(PathBuf, bool),
    /// A proxy that does nothing.
    Floor(Floor),
}

/// What a proxy is started for.
pub struct Setup<'a> {
    /// Threads, or processes where it has one for each.
    pub workers: u32,
    /// The upstream.
    pub app: SocketAddr,
    /// For TLS.
    pub certificate: &'a Certificate,
}

impl Peer {
    /// Whether it takes part.
    pub fn takes(&self, case: &Case) -> bool {
        match &self.program {
            Program::Nginx | Program::Haproxy => true,
            Program::Cofferdam(_, tls) => *tls || !case.mode.is_tls(),
            Program::Floor(_) => case.mode == FIRST.mode && case.workers == FIRST.workers,
        }
    }

    /// Starts it, and asks it for each body once.
    pub fn start(&self, setup: &Setup<'_>) -> Running {
        let running = match &self.program {
            Program::Nginx => nginx::start(setup),
            Program::Haproxy => haproxy::start(setup),
            Program::Cofferdam(path, tls) => cofferdam::start(path, *tls, setup),
            Program::Floor(floor) => floor.start(setup.app),
        };
        running.wait_and_check();
        running
    }
}

/// Whether this build takes a configuration with TLS, or what it says instead.
pub fn knows_tls(program: &Path, certificate: &Certificate) -> Result<(), String> {
    cofferdam::check(program, certificate)
}

/// Where a program accepts.
pub struct Doors {
    /// HTTP/1 in cleartext.
    pub http1: SocketAddr,
    /// HTTP/2 in cleartext.
    pub http2: SocketAddr,
    /// Both over TLS.
    pub tls: SocketAddr,
}

impl Doors {
    /// Three ports that are free now.
    pub fn free() -> Self {
        let [http1, http2, tls] = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http1, http2, tls] = [&http1, &http2, &tls].map(|door| door.local_addr().unwrap());
        Self { http1, http2, tls }
    }
}

/// A program that runs.
pub struct Running {
    child: Child,
    doors: Doors,
    _folder: Option<TempDir>,
}

impl Running {
    /// A child that was just started, and the files that it needs.
    pub fn new(child: Child, doors: Doors, folder: Option<TempDir>) -> Self {
        Self { child, doors, _folder: folder }
    }

    /// Where it takes such requests.
    pub fn door(&self, mode: Mode) -> SocketAddr {
        match mode {
            Mode::Http1 | Mode::Http1New => self.doors.http1,
            Mode::Http2 => self.doors.http2,
            Mode::Tls1 | Mode::Tls1New | Mode::Tls2 => self.doors.tls,
        }
    }

    /// CPU so far, of all its processes.
    pub fn cpu(&self) -> Duration {
        self.processes().map(kernel::scheduled).sum()
    }

    /// MiB, of all its processes.
    pub fn memory(&self) -> f64 {
        self.processes().map(kernel::share).sum()
    }

    fn processes(&self) -> impl Iterator<Item = u32> {
        let pid = self.child.id();
        std::iter::once(pid).chain(kernel::children(pid))
    }

    /// Waits until it accepts, and sees that it answers with what was asked for.
    pub fn wait_and_check(&self) {
        let deadline = Instant::now() + PATIENCE;
        let address = self.doors.http1;
        while let Err(error) = TcpStream::connect(address) {
            assert!(Instant::now() < deadline, "nobody accepts at {address}: {error}");
            wait_until(Instant::now() + Duration::from_millis(5));
        }
        for body in Body::ALL {
            let (status, answer) = Connection::open(address).get(&format!("/{}", body.word()));
            assert_eq!((status, answer.len()), (200, body.size()), "{address} {}", body.word());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
