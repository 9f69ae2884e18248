//! `cofferdam demo` plays the experiment for real, leaves nothing behind, and stays up until it is told to end.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::process::Process;
use crate::support::running::Running;
use crate::support::{Place, http, process, quiet};

const START: Duration = Duration::from_secs(20);
const PLAY: Duration = Duration::from_secs(60);
/// For what it started to be gone once it has ended.
const FOLLOW: Duration = Duration::from_secs(1);

#[test]
fn blocking_calls_are_serial_in_the_app_and_at_once_through_cofferdam() {
    let _alone = quiet::alone();
    let mut demo = Demo::start(&["--clients", "3", "--exit"]);
    let below = demo.programs();
    demo.ends_with(Some(0));
    process::no_process_left(&below, FOLLOW);
    let [direct, through] = demo.row("all 3 answered after");
    assert!(direct >= 5.5, "the cause is gone: {direct} s");
    assert!(through < 3.0, "the cure does not work: {through} s");
    let [held, free] = demo.row("fast endpoint meanwhile: p99");
    assert!(held > 1.0 && free < 0.5, "{held} s, {free} s");
}

#[test]
fn it_stays_up_to_be_looked_at_until_it_is_interrupted() {
    let mut demo = Demo::start(&["--clients", "1"]);
    assert!(demo.running.wait_for_line(PLAY, |line| line.contains("Ctrl-C")), "{:?}", demo.said());
    assert!(demo.running.wait_for_line(START, |line| line.ends_with("demo.toml")));
    let below = process::descendants(demo.running.pid());
    for (path, expected) in [("/fast", "fast\n"), ("/sleep", "0"), ("/metrics", "_workers{")] {
        let url = demo.url_of(path);
        let text = http::get(Place::parse(&url).unwrap(), path).text();
        assert!(text.contains(expected), "{url}: {text}");
    }
    process::signal_pid(demo.running.pid(), Signal::INT);
    demo.ends_with(Some(0));
    process::no_process_left(&below, FOLLOW);
}

#[test]
fn one_that_is_stopped_early_says_so_and_leaves_nothing() {
    let mut demo = Demo::start(&["--clients", "2", "--exit"]);
    let below = demo.programs();
    process::signal_pid(demo.running.pid(), Signal::TERM);
    demo.ends_with(Some(1));
    process::no_process_left(&below, FOLLOW);
    assert_eq!(demo.running.stderr(), ["stopped before the measurement ended"]);
}

#[test]
fn what_it_is_asked_for_must_make_sense() {
    let mut demo = Demo::start(&["--clients", "0"]);
    demo.ends_with(Some(1));
    assert_eq!(demo.running.stderr(), ["--clients 0 is out of range: give 1 to 1000"]);
}

/// A demo on a free port with a folder for temporary files of its own.
struct Demo {
    running: Running,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        command.args(["demo", "--port", "0"]).args(arguments).env("TMPDIR", folder.path());
        Self { running: Running::spawn(command), folder }
    }

    fn said(&self) -> Vec<String> {
        [self.running.stdout(), self.running.stderr()].concat()
    }

    /// All that it has started once the experiment begins.
    fn programs(&self) -> Vec<Process> {
        let begun = self.running.wait_for_line(START, |line| line.contains("call it at once"));
        assert!(begun, "{:#?}", self.said());
        let below = process::descendants(self.running.pid());
        assert!(below.len() >= 2, "{below:?}");
        below
    }

    /// Waits for its end, and looks whether its folder is gone.
    fn ends_with(&mut self, code: Option<i32>) {
        let status = self.running.wait(PLAY).expect("it ends");
        self.running.wait_for_line(START, |_| false);
        self.running.wait_for_error_line(START, |_| false);
        assert_eq!(status.code(), code, "{:#?}", self.said());
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0, "files are left");
    }

    /// Both figures of this row of the table, in seconds.
    fn row(&self, name: &str) -> [f64; 2] {
        let lines = self.running.stdout();
        let row = lines.iter().find_map(|line| line.trim_start().strip_prefix(name));
        let words: Vec<&str> = row.expect(name).split_whitespace().collect();
        [0, 2].map(|at| {
            let unit = if words[at + 1] == "ms" { 1e-3 } else { 1.0 };
            words[at].parse::<f64>().unwrap() * unit
        })
    }

    /// The first address it shows that has this path.
    fn url_of(&self, path: &str) -> String {
        let lines = self.running.stdout();
        let mut words = lines.iter().flat_map(|line| line.split_whitespace());
        words.find(|w| w.starts_with("http://") && w.ends_with(path)).unwrap().to_owned()
    }
}
