//! What Cofferdam was made for, as it happens: Flask, gunicorn and gevent from PyPI, a C library that sleeps, siege as the clients.
//! Skipped with a reason where siege or Python's packages are missing; in CI they must be there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::load::{Times, meanwhile};
use crate::support::python::python;
use crate::support::running::Running;
use crate::support::{Cofferdam, Place, http, process, quiet};

const CLIENTS: u32 = 10;

#[test]
fn on_the_apps_own_loop_blocking_calls_wait_for_each_other_and_hold_everybody() {
    let Some(python) = tools() else { return };
    let app = App::start(&python);
    let place = app.place.clone();
    let (siege, fast) = siege_and_fast(&place, &place, Duration::from_millis(100));
    assert_eq!((siege.answered, siege.failed), (CLIENTS, 0));
    assert!(siege.elapsed >= Duration::from_secs(18), "the cause is gone: {siege:?}");
    println!("in the app: {siege:?}, the fast endpoint at most {:?}", fast.max());
    assert!(fast.max() > Duration::from_secs(1), "nobody was held: {fast:?}");
}

#[test]
fn behind_cofferdam_they_run_at_once_and_hold_nobody() {
    let Some(python) = tools() else { return };
    let _alone = quiet::alone();
    let app = App::start(&python);
    let cofferdam = Cofferdam::start(&format!(
        "upstream = \"{}\"\n\n[[routes]]\npath = \"/sleep\"\ncall = \"{}:main\"\n",
        app.place.url(),
        app.library.display(),
    ));
    let place = Place::Tcp(cofferdam.addr());
    assert_eq!(http::get(&place, "/fast").text(), "fast\n");
    let (siege, fast) = siege_and_fast(&place, &place, Duration::from_millis(10));
    assert_eq!((siege.answered, siege.failed), (CLIENTS, 0));
    assert!(siege.elapsed <= Duration::from_millis(2300), "{siege:?}");
    println!("behind Cofferdam: {siege:?}, the fast endpoint at most {:?}", fast.max());
    assert!(fast.max() < Duration::from_millis(50), "somebody was held: {fast:?}");
}

/// The origin's other cure, `Process.start()` without a join: nobody waits for a call.
#[test]
fn detached_all_are_answered_at_once_and_all_are_done() {
    if !siege_is_installed() {
        return crate::support::skip("siege is not installed");
    }
    let _alone = quiet::alone();
    let cofferdam = Cofferdam::start(&format!(
        "[functions.sleep]\nlibrary = \"{}\"\nprototype = \"int main(void)\"\nmode = \"detached\"\n\
         [[routes]]\npath = \"/sleep\"\ncall = \"sleep\"\n",
        sleep_library().display(),
    ));
    let siege = siege(5, &format!("{}/sleep", Place::Tcp(cofferdam.addr()).url()));
    assert_eq!((siege.answered, siege.failed), (5, 0));
    assert!(siege.longest < Duration::from_millis(20), "{siege:?}");
    let blocked = || cofferdam.metric("cofferdam_workers", &[("state", "busy")]);
    assert_eq!(blocked(), 5.0);
    let done = || cofferdam.metric("cofferdam_calls_total", &[("outcome", "ok")]);
    eventually!(done(), |count| *count == 5.0);
}

/// Python with the app's packages, where siege is installed as well.
fn tools() -> Option<PathBuf> {
    if siege_is_installed() {
        return python("flask, gunicorn, gevent");
    }
    crate::support::skip("siege is not installed");
    None
}

/// Looked for, not run: each run writes to its home.
fn siege_is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("siege").is_file())
}

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The origin's app with its one worker.
struct App {
    gunicorn: Running,
    place: Place,
    library: PathBuf,
    _folder: tempfile::TempDir,
}

impl App {
    fn start(python: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = sleep_library();
        let mut command = Command::new(python);
        command
            .args(["-B", "-m", "gunicorn", "-k", "gevent", "-w", "1", "-b", "127.0.0.1:0"])
            .args(["--no-control-socket", "--chdir"])
            .arg(package("tests/origin"))
            .arg("app:app")
            .env("ORIGIN_SLEEP", &library)
            .env("HOME", folder.path());
        let gunicorn = Running::spawn(command);
        let listens = |line: &str| line.contains("Listening at: ");
        let bound = Duration::from_secs(30);
        assert!(gunicorn.wait_for_error_line(bound, listens), "{:#?}", gunicorn.stderr());
        let place = gunicorn
            .stderr()
            .iter()
            .find_map(|line| Place::parse(line.split_once("Listening at: ")?.1.split(' ').next()?));
        let app = Self { gunicorn, place: place.unwrap(), library, _folder: folder };
        assert_eq!(http::get(&app.place, "/fast").status, 200);
        app
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let below = process::descendants(self.gunicorn.pid());
        process::signal_pid(self.gunicorn.pid(), Signal::TERM);
        self.gunicorn.wait(Duration::from_secs(5));
        below.iter().for_each(|process| process.signal(Signal::KILL));
    }
}

/// The package's own example.
fn sleep_library() -> PathBuf {
    Path::new(env!("COFFERDAM_EXAMPLES")).join("libsleep.so")
}

/// What siege saw.
#[derive(Debug)]
struct Siege {
    answered: u32,
    failed: u32,
    elapsed: Duration,
    /// The slowest answer.
    longest: Duration,
}

/// [`CLIENTS`] ask for `/sleep` once and at once; meanwhile one asks for `/fast` again and again.
fn siege_and_fast(slow: &Place, fast: &Place, gap: Duration) -> (Siege, Times) {
    let url = format!("{}/sleep", slow.url());
    let probe = || {
        let response = http::get(fast, "/fast");
        assert_eq!(response.status, 200);
        response.elapsed
    };
    let (siege, fast) = meanwhile(gap, move || siege(CLIENTS, &url), probe);
    (siege, Times::of(fast))
}

/// siege 4: its settings in a file of ours, its home in a folder of ours, its report as JSON.
fn siege(clients: u32, url: &str) -> Siege {
    let home = tempfile::tempdir().unwrap();
    let settings = home.path().join("siegerc");
    let text = "verbose = false\njson_output = true\nshow-logfile = false\nlogging = false\n\
                parser = false\nconnection = close\ndelay = 0.0\ntimeout = 60\n";
    std::fs::write(&settings, text).unwrap();
    let output = Command::new("siege")
        .env("HOME", home.path())
        .arg("-R")
        .arg(&settings)
        .args(["-c", &clients.to_string(), "-r", "1", url])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = text.find('{').and_then(|at| serde_json::from_str(&text[at..]).ok());
    let report: serde_json::Value = report.unwrap_or_else(|| panic!("{output:?}"));
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("no {key}: {report}"));
    Siege {
        answered: number("successful_transactions") as u32,
        failed: number("failed_transactions") as u32,
        elapsed: Duration::from_secs_f64(number("elapsed_time")),
        longest: Duration::from_secs_f64(number("longest_transaction")),
    }
}
