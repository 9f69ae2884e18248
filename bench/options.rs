//! What the command line asks for.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::floor::Floor;
use crate::rounds::Plan;

/// nginx, HAProxy and Cofferdam side by side.
#[derive(Parser)]
pub struct Options {
    /// One worker and 32 connections only, one round of a second each
    #[arg(long)]
    pub quick: bool,
    /// Only cases whose name has all these words, as "h1 1w 32c 5B"; may be given several times
    #[arg(long, value_name = "WORDS")]
    pub case: Vec<String>,
    /// Only these proxies, as nginx,cofferdam
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub peers: Vec<String>,
    /// Another build instead of this one; several are compared with each other, and limits are the first one's
    #[arg(long, value_name = "[NAME=]PATH")]
    pub program: Vec<String>,
    /// Rounds of each case and proxy; the median counts [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Seconds of a round [default: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: Option<u32>,
    /// Proxies that do nothing as well: a byte pump and bare hyper
    #[arg(long)]
    pub floor: bool,
    /// Write the tables into docs/benchmarks.md
    #[arg(long)]
    pub write: bool,
    /// A missed limit is a failure
    #[arg(long)]
    pub strict: bool,
    /// Cargo's own
    #[arg(long, hide = true)]
    bench: bool,
    /// The process of a floor
    #[arg(long, hide = true, num_args = 2)]
    be: Vec<String>,
}

impl Options {
    /// What this process is to be, if it is no measurement.
    pub fn floor_to_be(&self) -> Option<(Floor, SocketAddr)> {
        let [floor, upstream] = &self.be[..] else { return None };
        Some((floor.parse().unwrap(), upstream.parse().unwrap()))
    }

    /// How long it may take.
    pub fn plan(&self) -> Plan {
        let (rounds, seconds) = if self.quick { (1, 1) } else { (5, 2) };
        let rounds = self.rounds.unwrap_or(rounds) as usize;
        Plan { rounds, seconds: self.seconds.unwrap_or(seconds) }
    }

    /// Whether this proxy is to take part.
    pub fn wants(&self, name: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|peer| peer == name)
    }

    /// The builds of Cofferdam and their names.
    pub fn builds(&self) -> Vec<(String, PathBuf)> {
        if self.program.is_empty() {
            return vec![named(env!("CARGO_BIN_EXE_cofferdam"))];
        }
        self.program.iter().map(|build| named(build)).collect()
    }
}

fn named(build: &str) -> (String, PathBuf) {
    let (name, path) = build.split_once('=').unwrap_or(("cofferdam", build));
    (name.to_owned(), PathBuf::from(path))
}
