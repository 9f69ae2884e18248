//! The program under test: the real one, on free ports, with its output watched.
//! When a test has passed and drops it, nothing that it started may live on.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;

use super::metrics::Scrape;
use super::place::Place;
use super::process::{self, Process};
use super::quiet::{self, Shared};
use super::running::Running;

/// To print `ready`.
const START: Duration = Duration::from_secs(20);
/// To end after SIGTERM, unless told.
const STOP: Duration = Duration::from_secs(15);
/// For workers to follow a proxy that was killed.
const FOLLOW: Duration = Duration::from_secs(1);

/// What [`Cofferdam`] will be started with.
#[derive(Default)]
pub struct Builder {
    toml: String,
    files: Vec<(String, String)>,
    unread: bool,
    program: Option<PathBuf>,
    descriptors: Option<u32>,
    user: Option<u32>,
    environment: Vec<(String, String)>,
    given: Vec<OwnedFd>,
}

impl Builder {
    /// The configuration. `listen = "127.0.0.1:0"` and an `[admin]` on port 0 are added where it has neither.
    pub fn config(mut self, toml: &str) -> Self {
        self.toml = toml.to_owned();
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Nobody reads its standard error: a full pipe before long.
    pub fn unread_log(mut self) -> Self {
        self.unread = true;
        self
    }

    /// Another file than the one that was built.
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// It may hold so many descriptors.
    pub fn descriptors(mut self, most: u32) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// As this user, by number. Needs root.
    pub fn user(mut self, id: u32) -> Self {
        self.user = Some(id);
        self
    }

    /// With this variable as well.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this descriptor as well: 3 for the first, then 4, as systemd gives them.
    pub fn giving(mut self, descriptor: impl Into<OwnedFd>) -> Self {
        self.given.push(descriptor.into());
        self
    }

    /// What is started: by a shell, where limits and descriptors must be right before the program begins.
    fn command(&self, config: &Path) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
        let program = self.program.as_deref().unwrap_or(built);
        let mut script = String::new();
        if let Some(most) = self.descriptors {
            let _ = write!(script, "ulimit -n {most}; ");
        }
        if !self.given.is_empty() {
            let _ = write!(script, "export LISTEN_FDS={} LISTEN_PID=$$; ", self.given.len());
        }
        let become_user = self.user.map_or(String::new(), |id| {
            format!("setpriv --reuid={id} --regid={id} --clear-groups --inh-caps=-all ")
        });
        let mut command = match script.is_empty() && become_user.is_empty() {
            true => Command::new(program),
            false => {
                let mut shell = Command::new("bash");
                shell
                    .arg("-c")
                    .arg(format!("{script}exec {become_user}\"$0\" \"$@\""))
                    .arg(program);
                shell
            }
        };
        command.arg("run").arg(config).envs(self.environment.iter().cloned());
        // Duplicated in the child only: what another test starts in this moment must not have them too.
        let from_three = (3..)
            .zip(&self.given)
            .map(|(child_fd, given)| FdMapping { parent_fd: given.try_clone().unwrap(), child_fd });
        command.fd_mappings(from_three.collect()).unwrap();
        command
    }

    /// Starts it and waits for `ready`.
    ///
    /// # Panics
    /// Where it ends or says nothing, with what it wrote to standard error.
    #[track_caller]
    pub fn start(self) -> Cofferdam {
        let folder = tempfile::tempdir().unwrap();
        if self.user.is_some() {
            let anybody = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.path(), anybody).unwrap();
        }
        let config = folder.path().join("cofferdam.toml");
        std::fs::write(&config, complete(&self.toml)).unwrap();
        for (name, text) in &self.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let command = self.command(&config);
        let spawn = if self.unread { Running::spawn_unread } else { Running::spawn };
        Cofferdam::launch(spawn, command, folder)
    }
}

/// Free ports where the file names none: tests run side by side.
fn complete(toml: &str) -> String {
    let has = |start: &str| toml.lines().any(|line| line.trim_start().starts_with(start));
    let mut text = String::new();
    if !has("listen ") && !has("listen=") && !has("[[server.listeners]]") {
        text.push_str("listen = \"127.0.0.1:0\"\n");
    }
    text.push_str(toml);
    if !has("[admin]") && !has("admin ") {
        let _ = write!(text, "\n[admin]\naddress = \"127.0.0.1:0\"\n");
    }
    text
}

/// A running `cofferdam run FILE`.
pub struct Cofferdam {
    running: Running,
    listeners: Vec<(String, Place)>,
    folder: tempfile::TempDir,
    _shared: Shared,
}

impl Cofferdam {
    /// A builder: an empty configuration.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// With this configuration, as [`Builder::config`] completes it.
    ///
    /// # Panics
    /// As [`Builder::start`].
    #[track_caller]
    pub fn start(toml: &str) -> Self {
        Self::builder().config(toml).start()
    }

    #[track_caller]
    fn launch(spawn: fn(Command) -> Running, command: Command, folder: tempfile::TempDir) -> Self {
        let shared = quiet::share();
        let running = spawn(command);
        if !running.wait_for_line(START, |line| line == "ready") {
            panic!(
                "it did not get ready\nstdout: {:#?}\nstderr: {:#?}",
                running.stdout(),
                running.stderr()
            );
        }
        let listeners = running.stdout().iter().filter_map(|line| listening(line)).collect();
        Self { running, listeners, folder, _shared: shared }
    }

    /// Where the listener of this name accepts.
    ///
    /// # Panics
    /// Where it has none of this name.
    #[track_caller]
    pub fn place(&self, name: &str) -> Place {
        let found = self.listeners.iter().find(|(n, _)| n == name).map(|(_, place)| place.clone());
        found.unwrap_or_else(|| panic!("no listener {name:?} in {:?}", self.listeners))
    }

    /// The path of a file beside its configuration.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `http://ADDRESS` of the listener of this name.
    ///
    /// # Panics
    /// As [`Cofferdam::place`].
    #[track_caller]
    pub fn url(&self, name: &str) -> String {
        self.place(name).url()
    }

    /// The first listener that is not the operator's.
    ///
    /// # Panics
    /// Where it is not TCP.
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        match self.listeners.iter().find(|(name, _)| name != "admin") {
            Some((_, Place::Tcp(addr))) => *addr,
            other => panic!("no TCP listener first: {other:?}"),
        }
    }

    /// The operator's listener.
    ///
    /// # Panics
    /// As [`Cofferdam::place`].
    #[track_caller]
    pub fn admin(&self) -> Place {
        self.place("admin")
    }

    /// `GET path` at [`Cofferdam::addr`].
    #[track_caller]
    pub fn get(&self, path: &str) -> super::http::Response {
        super::http::get(self.addr(), path)
    }

    /// A scrape of `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> Scrape {
        let response = super::http::get(self.admin(), "/metrics");
        assert_eq!(response.status, 200, "{}", response.text());
        Scrape::parse(&response.text())
    }

    /// One number of a fresh scrape: the sum over the labels left out.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().metric(name, labels)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Lines of its standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.running.stdout()
    }

    /// Lines of its standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.running.stderr()
    }

    /// Its children now, spares among them.
    pub fn workers(&self) -> Vec<Process> {
        process::children(self.pid())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal_pid(self.pid(), signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not end within `bound`.
    #[track_caller]
    pub fn wait(&mut self, bound: Duration) -> ExitStatus {
        self.running.wait(bound).unwrap_or_else(|| {
            panic!("still running after {bound:?}\nstderr: {:#?}", self.running.stderr())
        })
    }

    /// SIGTERM, then its exit status.
    ///
    /// # Panics
    /// As [`Cofferdam::wait`], and where a process that it started lives on.
    #[track_caller]
    pub fn stop(mut self) -> ExitStatus {
        let below = process::descendants(self.pid());
        self.signal(Signal::TERM);
        let status = self.wait(STOP);
        process::no_process_left(&below, FOLLOW);
        status
    }
}

impl Drop for Cofferdam {
    fn drop(&mut self) {
        // Once it is reaped its id may be another's.
        let runs = self.running.wait(Duration::ZERO).is_none();
        let below = if runs { process::descendants(self.pid()) } else { Vec::new() };
        self.running.kill();
        if std::thread::panicking() {
            eprintln!("standard error of cofferdam: {:#?}", self.running.stderr());
        } else {
            process::no_process_left(&below, FOLLOW);
        }
    }
}

fn listening(line: &str) -> Option<(String, Place)> {
    let (name, url) = line.strip_prefix("listening ")?.split_once(' ')?;
    Some((name.to_owned(), Place::parse(url)?))
}

/// A stand-in that prints what the program would.
#[cfg(test)]
fn stand_in(script: &str) -> Cofferdam {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    Cofferdam::launch(Running::spawn, command, folder)
}

#[test]
fn the_lines_until_ready_name_the_listeners() {
    let started = stand_in(
        "echo listening main http://127.0.0.1:81; echo listening admin http://127.0.0.1:82; \
         echo ready; sleep 60 & trap 'kill $!; exit 3' TERM; wait",
    );
    assert_eq!(started.url("main"), "http://127.0.0.1:81");
    assert_eq!(started.addr().port(), 81);
    assert_eq!(started.url("admin"), "http://127.0.0.1:82");
    eventually!(started.workers(), |w| w.len() == 1);
    assert_eq!(started.stop().code(), Some(3));
}

#[test]
#[should_panic(expected = "what went wrong")]
fn a_start_that_fails_shows_standard_error() {
    stand_in("echo what went wrong >&2; exit 1");
}

#[test]
#[should_panic(expected = "alive after")]
fn a_process_left_over_fails_the_test() {
    stand_in("sleep 3 & echo ready; wait");
}

#[test]
fn a_configuration_is_completed_with_free_ports() {
    for (toml, listen, admin) in [
        ("", true, true),
        ("listen = \"127.0.0.1:1\"\n", false, true),
        ("[[server.listeners]]\n[admin]\naddress = \"unix:/x\"\n", false, false),
        ("admin = \"off\"\n", true, false),
    ] {
        let whole = complete(toml);
        assert_eq!(whole.starts_with("listen = \"127.0.0.1:0\""), listen, "{whole}");
        assert_eq!(whole.ends_with("address = \"127.0.0.1:0\"\n"), admin, "{whole}");
    }
}
