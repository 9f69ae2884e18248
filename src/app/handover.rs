//! SIGUSR2: the program is started anew and given the listening sockets; this process ends when the new one serves, and
//! stays in service where it does not.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

use crate::child::Sweeper;
use crate::listen::Bound;
use crate::listen::passed::{self, tell};
use crate::sys::descriptors::{adopt, identity, inheritable};
use crate::sys::pidfd::PidFd;

/// `NUMBER/INODE` of the pipe by which a new process says that it serves.
const READY: &str = "COFFERDAM_READY";
/// What was meant for this process alone.
const OURS: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// How this process was started.
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    sweeper: Sweeper,
}

/// Why no other process took over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// It has no program, or there are no descriptors.
    #[error("{} cannot be started: {problem}", path.display())]
    Start {
        /// What was to be started.
        path: PathBuf,
        /// Why not.
        problem: io::Error,
    },
    /// It is gone.
    #[error("process {pid} ended before it was ready ({status}): it said why on standard error")]
    Ended {
        /// Its id.
        pid: u32,
        /// How.
        status: ExitStatus,
    },
    /// It took too long.
    #[error(
        "process {pid} was not ready within {limit:?} ([server] handover_timeout) and was ended"
    )]
    TooSlow {
        /// Its id.
        pid: u32,
        /// The limit.
        limit: Duration,
    },
}

impl Program {
    /// Of this process. The path is the one that it was started by, so that a new program there, or behind a symbolic
    /// link on the way, is what is started next.
    #[must_use]
    pub fn of_this_process(sweeper: Sweeper) -> Self {
        let mut arguments = std::env::args_os();
        let written =
            arguments.next().map(PathBuf::from).filter(|path| path.components().count() > 1);
        let path = written.filter(|path| path.exists()).or_else(|| std::env::current_exe().ok());
        let path = path.unwrap_or_else(|| PathBuf::from("cofferdam"));
        Self { path, arguments: arguments.collect(), sweeper }
    }

    /// Starts it with `sockets`, and waits for it to serve: its process id.
    ///
    /// # Errors
    /// See [`HandoverError`]; then it has ended.
    pub async fn take_over(
        &self,
        sockets: &[Arc<Bound>],
        limit: Duration,
    ) -> Result<u32, HandoverError> {
        let started = self.start(sockets);
        let (mut successor, mut told) =
            started.map_err(|problem| HandoverError::Start { path: self.path.clone(), problem })?;
        let pid = successor.child.id();
        match timeout(limit, successor.serves(&mut told)).await {
            Ok(Ok(())) => Ok(pid),
            Ok(Err(status)) => Err(HandoverError::Ended { pid, status }),
            Err(_) => Err(HandoverError::TooSlow { pid, limit }),
        }
    }

    fn start(&self, sockets: &[Arc<Bound>]) -> io::Result<(Successor, Receiver)> {
        let (told, telling) = pipe_with(PipeFlags::CLOEXEC)?;
        let told = Receiver::from_owned_fd(told)?;
        let telling = inheritable(telling)?;
        let mut listed = String::new();
        let mut left = Vec::new();
        for socket in sockets {
            let descriptor = socket.inheritable()?;
            tell(&mut listed, socket.name(), &descriptor, socket.is_kept())?;
            left.push(descriptor);
        }
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env(passed::VARIABLE, listed);
        command.env(READY, format!("{}/{}", telling.as_raw_fd(), identity(&telling)?));
        for variable in OURS {
            command.env_remove(variable);
        }
        let child = self.sweeper.leave_alone(|| command.spawn(), Child::id)?;
        Ok((Successor { child, serves: false }, told))
    }
}

/// The new process. Dropped before it serves, it is ended.
struct Successor {
    child: Child,
    serves: bool,
}

impl Successor {
    /// Returns when it serves.
    ///
    /// # Errors
    /// How it ended before.
    async fn serves(&mut self, told: &mut Receiver) -> Result<(), ExitStatus> {
        // One byte, or the end of the pipe: with the process, or because it closed it and goes on.
        if told.read_u8().await.is_ok() {
            self.serves = true;
            return Ok(());
        }
        match PidFd::open(self.child.id()).and_then(PidFd::watch) {
            Ok(ended) => drop(ended.readable().await),
            Err(_) => drop(self.child.kill()),
        }
        self.child.wait().map_or_else(|_| Ok(()), Err)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.serves {
            let _ended_already = self.child.kill();
            let _reaped_already = self.child.wait();
        }
    }
}

/// The process that this one takes over from, until it is told.
pub struct Predecessor(File);

impl Predecessor {
    /// The one that the environment speaks of; `None`: there is none. To be called before anything else opens
    /// descriptors.
    #[must_use]
    pub fn take() -> Option<Self> {
        let variable = std::env::var(READY).ok()?;
        let (number, identity) = variable.split_once('/')?;
        let telling: OwnedFd = adopt(number.parse().ok()?, Some(identity.parse().ok()?)).ok()?;
        Some(Self(File::from(telling)))
    }

    /// This process serves.
    ///
    /// # Errors
    /// It has ended meanwhile.
    pub fn tell(mut self) -> io::Result<()> {
        self.0.write_all(b"1")
    }
}
