//! The real `cofferdam`, on free ports, with a C library compiled for the occasion.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::client::fetch;

/// `cofferdam run`, until it is dropped.
pub struct Cofferdam {
    child: Child,
    /// Where clients reach it.
    pub address: SocketAddr,
    admin: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Cofferdam {
    /// Compiles `source` to `libbench.so` and starts the program with `config` beside it.
    pub fn start(source: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        compile(source, &["-shared", "-fPIC", "-O2"], &folder.path().join("libbench.so"));
        let file = folder.path().join("bench.toml");
        fs::write(&file, format!("{HEAD}{config}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        let (child, listening) = started(command.arg("run").arg(&file));
        let (address, admin) = (listening.at("http"), listening.at("admin"));
        Self { child, address, admin, _folder: folder }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its operator reaches it.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A metric now: the sum over all lines of this name that hold `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let page = fetch(self.admin, "/metrics");
        let lines = page.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(label)
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

/// Compiles the C of `source` to `target`.
pub fn compile(source: &str, options: &[&str], target: &Path) {
    let code = target.with_extension("c");
    fs::write(&code, source).unwrap();
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    let compiler = compiler.args(options).arg("-o").arg(target).arg(&code);
    assert!(compiler.status().unwrap().success(), "{source} does not compile");
}

const HEAD: &str = "\
listen = \"127.0.0.1:0\"
[server]
max_connections = 4096
[admin]
address = \"127.0.0.1:0\"
[log]
level = \"warn\"
";

/// What a program said on standard output until it was ready.
pub struct Listening(Vec<String>);

impl Listening {
    /// Where the listener `name` is.
    pub fn at(&self, name: &str) -> SocketAddr {
        let start = format!("listening {name} ");
        let url = self.0.iter().find_map(|line| line.strip_prefix(&start)?.split_once("://"));
        url.unwrap_or_else(|| panic!("no {start:?} in {:?}", self.0)).1.parse().unwrap()
    }
}

/// Starts a program that says `listening NAME URL` for each listener, and then `ready`.
pub fn started(command: &mut Command) -> (Child, Listening) {
    // Cargo's own: the dynamic loader would look through its folders at every start.
    command.env_remove("LD_LIBRARY_PATH");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines = lines.map_while(Result::ok).take_while(|line| line != "ready").collect();
    (child, Listening(lines))
}

impl Drop for Cofferdam {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
