//! Proxies that do nothing, for what no proxy can go below: this program again, as a process of its own so that its CPU
//! can be told apart. One upstream connection for each client connection, one thread.

mod pass;
mod pump;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::str::FromStr;

use crate::peers::{Doors, Running};
use crate::support::program::started;

/// Which one.
#[derive(Clone, Copy, Debug)]
pub enum Floor {
    /// Bytes from socket to socket: the kernel's floor.
    Pump,
    /// Bare hyper on both sides: the floor of its parser.
    Pass,
}

impl Floor {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pump, Self::Pass];

    /// In tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pump => "byte pump",
            Self::Pass => "bare hyper",
        }
    }

    /// Starts it as a process.
    pub fn start(self, upstream: SocketAddr) -> Running {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let command = command.arg("--be").arg(format!("{self:?}")).arg(upstream.to_string());
        let (child, listening) = started(command);
        let address = listening.at("http");
        Running::new(child, Doors { http1: address, http2: address, tls: address }, None)
    }

    /// Is it, until it is ended.
    pub fn be(self, upstream: SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        println!("listening http http://{}\nready", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        match self {
            Self::Pump => pump::run(listener, upstream),
            Self::Pass => pass::run(listener, upstream),
        }
    }
}

impl FromStr for Floor {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|floor| format!("{floor:?}") == word);
        found.ok_or_else(|| format!("no {word}"))
    }
}
