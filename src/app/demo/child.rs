//! A program of the demo: this one started again, ready when it says so, ended when it is dropped.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

use super::DemoError;
use super::folder::Folder;
use crate::sys::pidfd::PidFd;

const READY: Duration = Duration::from_secs(20);
/// From SIGTERM to SIGKILL.
const END: Duration = Duration::from_secs(5);

/// A child that is ready.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Kept open: a program whose output nobody reads any more would fail to write.
    output: Option<Lines<BufReader<Receiver>>>,
    listening: Vec<(String, SocketAddr)>,
}

impl Program {
    /// Starts this program again and waits for its line `ready`.
    ///
    /// # Errors
    /// [`DemoError::Start`], [`DemoError::Ended`], [`DemoError::Late`], [`DemoError::Folder`].
    pub async fn start(
        name: &'static str,
        folder: &Folder,
        set_up: impl FnOnce(&mut Command),
    ) -> Result<Self, DemoError> {
        let log = folder.log(name);
        let failed = |source| DemoError::Start { name, source };
        let mut command = Command::new("/proc/self/exe");
        set_up(&mut command);
        let errors = File::create(&log).map_err(failed)?;
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let child = command.spawn().map_err(failed)?;
        let mut program = Self { name, child, log, output: None, listening: Vec::new() };
        let output = program
            .child
            .stdout
            .take()
            .ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
        let output = Receiver::from_owned_fd(OwnedFd::from(output)).map_err(failed)?;
        let lines = program.output.insert(BufReader::new(output).lines());
        match timeout(READY, until_ready(lines, &mut program.listening)).await {
            Ok(true) => Ok(program),
            Ok(false) => Err(DemoError::Ended { name, said: program.said() }),
            Err(_) => Err(DemoError::Late { name, seconds: READY.as_secs(), said: program.said() }),
        }
    }

    /// Where the listener of this name accepts.
    ///
    /// # Errors
    /// [`DemoError::Ended`]: it never said so.
    pub fn address(&self, listener: &str) -> Result<SocketAddr, DemoError> {
        let found = self.listening.iter().find(|(name, _)| name == listener);
        let missing = || DemoError::Ended {
            name: self.name,
            said: format!("no line `listening {listener} …`"),
        };
        found.map(|(_, address)| *address).ok_or_else(missing)
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default().trim_end().to_owned()
    }
}

/// Whether `ready` came before the end.
async fn until_ready(
    lines: &mut Lines<BufReader<Receiver>>,
    listening: &mut Vec<(String, SocketAddr)>,
) -> bool {
    while let Ok(Some(line)) = lines.next_line().await {
        if line == "ready" {
            return true;
        }
        listening.extend(parse_listening(&line));
    }
    false
}

/// `listening NAME http://ADDRESS`.
fn parse_listening(line: &str) -> Option<(String, SocketAddr)> {
    let (name, url) = line.strip_prefix("listening ")?.split_once(' ')?;
    Some((name.to_owned(), url.strip_prefix("http://")?.parse().ok()?))
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone_is_fine = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if !PidFd::open(self.child.id()).is_ok_and(|process| process.ends_within(END)) {
            let _gone_is_fine = self.child.kill();
        }
        let _reaped = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_from_what_is_printed() {
        let address = "127.0.0.1:8080".parse().unwrap();
        for (line, expected) in [
            ("listening main http://127.0.0.1:8080", Some(("main".to_owned(), address))),
            ("listening main unix:/run/x.sock", None),
            ("ready", None),
        ] {
            assert_eq!(parse_listening(line), expected, "{line}");
        }
    }
}
