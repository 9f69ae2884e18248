//! The load on one proxy for one round: `wrk` speaks HTTP/1, `h2load` HTTP/2. An answer that is no success, and a
//! connection that fails, is an error of the round.

mod h2load;
mod wrk;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::matrix::{Body, Case, Mode};

/// What a round is to do.
pub struct Order<'a> {
    /// How, and for what.
    pub case: &'a Case,
    /// The proxy.
    pub address: SocketAddr,
    /// How long.
    pub seconds: u32,
    /// Where the client may leave files.
    pub folder: &'a Path,
}

impl Order<'_> {
    /// What so many answers and bytes are worth in answers. The last large bodies are still on their way at the end, and
    /// have had their CPU: what has come of them counts.
    fn worth(&self, count: f64, bytes: f64) -> f64 {
        if self.case.body == Body::Large { bytes / Body::Large.size() as f64 } else { count }
    }
}

/// What came of it.
pub struct Answers {
    /// How many, in all.
    pub count: f64,
    /// In a second.
    pub rate: f64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
}

/// The program that speaks this.
pub fn program(mode: Mode) -> &'static str {
    if mode.is_http2() { "h2load" } else { "wrk" }
}

/// A client at work.
pub struct Load<'a> {
    order: Order<'a>,
    child: Child,
}

impl<'a> Load<'a> {
    /// Starts the client.
    pub fn start(order: Order<'a>) -> Self {
        let mut command = Command::new(program(order.case.mode));
        if order.case.mode.is_http2() {
            h2load::arguments(&mut command, &order);
        } else {
            wrk::arguments(&mut command, &order);
        }
        let scheme = if order.case.mode.is_tls() { "https" } else { "http" };
        command.arg(format!("{scheme}://{}/{}", order.address, order.case.body.word()));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { order, child }
    }

    /// Waits for its end.
    pub fn finish(self) -> Result<Answers, String> {
        let output = self.child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let read = if self.order.case.mode.is_http2() { h2load::read } else { wrk::read };
        let answers = if output.status.success() { read(&said, &self.order) } else { None };
        answers.ok_or_else(|| format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    }
}
