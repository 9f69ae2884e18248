//! A child program of a test: its output read line by line as it comes, its end waited for with a bound.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A started program.
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    /// Starts it, with nothing to read and its output captured.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[track_caller]
    pub fn spawn(command: Command) -> Self {
        let mut child = piped(command);
        let stdout = Lines::read(child.stdout.take().unwrap());
        let stderr = Lines::read(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// As [`Running::spawn`], but nobody reads its standard error.
    ///
    /// # Panics
    /// As [`Running::spawn`].
    #[track_caller]
    pub fn spawn_unread(command: Command) -> Self {
        let mut child = piped(command);
        let stdout = Lines::read(child.stdout.take().unwrap());
        Self { child, stdout, stderr: Lines::read(std::io::empty()) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lines of its standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.so_far()
    }

    /// Lines of its standard error so far; all of them once it has ended.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// Waits for such a line on standard output; `false` where it has ended or `bound` has passed before.
    pub fn wait_for_line(&self, bound: Duration, test: impl Fn(&str) -> bool) -> bool {
        let found = self.stdout.wait(bound, test);
        if !found {
            // What it said is told to whoever reads the failure; where it hangs there is nothing to wait for.
            self.stderr.wait(Duration::from_millis(200), |_| false);
        }
        found
    }

    /// As [`Running::wait_for_line`], on standard error.
    pub fn wait_for_error_line(&self, bound: Duration, test: impl Fn(&str) -> bool) -> bool {
        self.stderr.wait(bound, test)
    }

    /// Its exit status; `None` where it still runs after `bound`.
    pub fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        if let Some(status) = self.child.try_wait().unwrap() {
            return Some(status);
        }
        let pid = Pid::from_child(&self.child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let timeout = Timespec {
            tv_sec: i64::try_from(bound.as_secs()).unwrap(),
            tv_nsec: i64::from(bound.subsec_nanos()),
        };
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)).unwrap();
        self.child.try_wait().unwrap()
    }

    /// SIGKILL, and reaps it; one that has ended is only reaped.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn piped(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Default)]
struct Captured {
    lines: Vec<String>,
    ended: bool,
}

/// The lines of one stream, as a thread reads them.
struct Lines {
    shared: Arc<(Mutex<Captured>, Condvar)>,
    _thread: JoinHandle<()>,
}

impl Lines {
    fn read(source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::<Captured>::default(), Condvar::new()));
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut source = BufReader::new(source);
                let mut line = Vec::new();
                while source.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                    shared.0.lock().unwrap().lines.push(text);
                    shared.1.notify_all();
                    line.clear();
                }
                shared.0.lock().unwrap().ended = true;
                shared.1.notify_all();
            }
        });
        Self { shared, _thread: thread }
    }

    fn so_far(&self) -> Vec<String> {
        self.shared.0.lock().unwrap().lines.clone()
    }

    fn wait(&self, bound: Duration, test: impl Fn(&str) -> bool) -> bool {
        let (state, changed) = &*self.shared;
        let found = |read: &Captured| read.lines.iter().any(|line| test(line));
        let read = state.lock().unwrap();
        let (read, _) = changed.wait_timeout_while(read, bound, |r| !r.ended && !found(r)).unwrap();
        found(&read)
    }
}
