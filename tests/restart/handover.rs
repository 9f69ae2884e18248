//! SIGUSR2: a new process takes over the sockets, the old one finishes what it has begun; or stays, where none can.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Clients;
use crate::support::http::{self, Connection, encode};
use crate::support::process::{self, Process};
use crate::support::wait::until;
use crate::support::{Answer, ByHand, Cofferdam, Place, Upstream, quiet};

const SOON: Duration = Duration::from_secs(10);

/// The process that serves now. It is no child of this test: it is ended when this is dropped.
struct Serving(Process);

impl Serving {
    /// The one that takes over from process `old`, which `cofferdam` was or began.
    #[track_caller]
    fn after(cofferdam: &Cofferdam, old: u32) -> Self {
        let seen = takeovers(cofferdam).len();
        process::signal_pid(old, Signal::USR2);
        let pid = until(SOON, || takeovers(cofferdam).get(seen).copied());
        let pid = pid.unwrap_or_else(|| panic!("nobody took over: {:#?}", cofferdam.stderr()));
        Self(Process::of(pid).unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.pid
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.signal(Signal::TERM);
        if until(SOON, || (!self.0.is_alive()).then_some(())).is_none() {
            self.0.signal(Signal::KILL);
        }
    }
}

/// Who has taken over so far.
fn takeovers(cofferdam: &Cofferdam) -> Vec<u32> {
    let lines = cofferdam.stderr();
    let number = |line: &String| {
        let (head, _) = line.split_once(" has taken over")?;
        head.rsplit(' ').next()?.parse().ok()
    };
    lines.iter().filter_map(number).collect()
}

#[test]
fn twenty_hand_overs_under_two_thousand_requests_a_second_lose_none() {
    let _alone = quiet::alone();
    let upstream = Upstream::builder().fallback(Answer::ok("whole")).start();
    let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    let begun = Instant::now();
    let clients = Clients::start(cofferdam.addr().into());
    let mut line: Vec<Serving> = Vec::new();
    for round in 0..20 {
        let before = clients.answered();
        eventually!(clients.answered(), |count| *count >= before + 200);
        let old = line.last().map_or(cofferdam.pid(), Serving::pid);
        line.push(Serving::after(&cofferdam, old));
        assert_eq!(line.len(), round + 1);
    }
    let before = clients.answered();
    eventually!(clients.answered(), |count| *count >= before + 200);
    clients.stop();
    let rate = clients.answered() as f64 / begun.elapsed().as_secs_f64();
    println!("20 hand-overs: {} requests answered at {rate:.0}/s", clients.answered());
    let failures = clients.failures();
    assert!(failures.is_empty(), "{failures:#?}");
    let gone: Vec<_> = line[..19].iter().map(|one| one.0.clone()).collect();
    process::no_process_left(&gone, SOON);
}

#[test]
fn what_has_begun_ends_in_the_old_process_and_all_else_is_the_new_ones() {
    let upstream = ByHand::listen();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("in.sock");
    let mut cofferdam = Cofferdam::start(&format!(
        "listen = \"127.0.0.1:0\"\n[[server.listeners]]\nname = \"inner\"\naddress = \"unix:{}\"\n\
         [[routes]]\nprefix = \"/\"\nproxy = \"{}\"\n[[routes]]\npath = \"/pong\"\nrespond = {{}}\n",
        socket.display(),
        upstream.url()
    ));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    let pong = || http::get(cofferdam.addr(), "/pong").status;
    assert_eq!(pong(), 200);

    let new = Serving::after(&cofferdam, cofferdam.pid());
    let lines = cofferdam.stdout();
    assert_eq!(lines[..lines.len() / 2], lines[lines.len() / 2..], "the lines of the new one");
    assert_eq!(pong(), 200);
    assert_eq!(http::get(Place::Unix(socket.clone()), "/pong").status, 200);
    // The operator's listener is the new one's: it has counted two requests, not three.
    let counted = [("route", "pong"), ("code", "200")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_total", &counted), 2.0);
    assert_eq!(http::get(cofferdam.admin(), "/readyz").status, 200);

    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole").unwrap();
    let answer = client.response("GET").unwrap();
    assert_eq!((answer.text().as_str(), answer.complete), ("whole", true));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert!(socket.exists(), "the old one has taken the socket's name away");
    assert_eq!(http::get(Place::Unix(socket.clone()), "/pong").status, 200);
    assert!(new.0.is_alive());
    drop(new);
    assert!(!socket.exists(), "the last one has left the socket behind");
}

/// Fails to take over, and why is said; the old one serves on and counts it.
#[track_caller]
fn stays(cofferdam: &Cofferdam, why: &str) {
    let failed = || cofferdam.metric("cofferdam_handovers_total", &[("result", "failed")]);
    let before = failed();
    cofferdam.signal(Signal::USR2);
    eventually!(within SOON; failed() == before + 1.0);
    let told = |line: &String| line.contains("stays in service") && line.contains(why);
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
    assert_eq!(cofferdam.get("/").status, 200);
    assert_eq!(http::get(cofferdam.admin(), "/readyz").status, 200);
    eventually!(process::children(cofferdam.pid()).is_empty());
}

const PONG: &str = "[[routes]]\nprefix = \"/\"\nrespond = {}\n";

#[test]
fn a_wrong_configuration_keeps_the_old_process() {
    let cofferdam = Cofferdam::start(PONG);
    let file = cofferdam.beside("cofferdam.toml");
    let good = fs::read(&file).unwrap();
    fs::write(&file, "listen = 1\n").unwrap();
    stays(&cofferdam, "exit status: 78");
    fs::write(&file, good).unwrap();
    drop(Serving::after(&cofferdam, cofferdam.pid()));
}

/// Both programs, in a folder of their own.
fn installed(folder: &Path) -> std::path::PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    for name in ["cofferdam", "cofferdam-worker"] {
        fs::copy(built.with_file_name(name), folder.join(name)).unwrap();
    }
    folder.join("cofferdam")
}

/// Puts a script where the program was, as an upgrade does: by a rename.
fn replace(program: &Path, script: &str) {
    let fresh = program.with_extension("new");
    fs::write(&fresh, script).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(fresh, program).unwrap();
}

#[test]
fn a_new_program_on_disk_is_taken_and_one_that_fails_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let program = installed(folder.path());
    let second = folder.path().join("second");
    fs::copy(&program, &second).unwrap();
    let limit = format!("[server]\nhandover_timeout = \"500ms\"\n{PONG}");
    let mut cofferdam = Cofferdam::builder().config(&limit).program(&program).start();

    replace(&program, "#!/bin/sh\nexit 9\n");
    stays(&cofferdam, "exit status: 9");
    replace(&program, "#!/bin/sh\nkill -ABRT $$\n");
    stays(&cofferdam, "signal: 6");
    replace(&program, "#!/bin/sh\nexec sleep 60\n");
    stays(&cofferdam, "not ready within 500ms");
    fs::remove_file(&program).unwrap();
    stays(&cofferdam, "cannot be started: No such file");

    fs::rename(&second, &program).unwrap();
    let new = Serving::after(&cofferdam, cofferdam.pid());
    let runs = fs::read_link(format!("/proc/{}/exe", new.pid())).unwrap();
    assert_eq!(runs, program.canonicalize().unwrap());
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert_eq!(cofferdam.get("/").status, 200);
}

#[test]
fn a_listener_that_is_new_is_opened_and_one_that_is_gone_is_closed() {
    let two = format!(
        "listen = \"127.0.0.1:0\"\n[[server.listeners]]\nname = \"other\"\naddress = \"127.0.0.1:0\"\n{PONG}"
    );
    let mut cofferdam = Cofferdam::start(&two);
    let gone = cofferdam.place("other");
    let file = cofferdam.beside("cofferdam.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("name = \"other\"", "name = \"third\"")).unwrap();
    let _new = Serving::after(&cofferdam, cofferdam.pid());
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert!(gone.connect(SOON).is_err());
    let third = |line: &String| line.strip_prefix("listening third ").and_then(Place::parse);
    let third = cofferdam.stdout().iter().find_map(third).unwrap();
    assert_eq!(http::get(third, "/").status, 200);
    let told = |line: &String| line.contains("(`other`) any more");
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
}

#[test]
fn sigterm_while_a_new_process_starts_ends_both() {
    let folder = tempfile::tempdir().unwrap();
    let program = installed(folder.path());
    let mut cofferdam = Cofferdam::builder().config(PONG).program(&program).start();
    replace(&program, "#!/bin/sh\nexec sleep 60\n");
    cofferdam.signal(Signal::USR2);
    eventually!(process::children(cofferdam.pid()).len() == 1);
    let below = process::children(cofferdam.pid());
    cofferdam.signal(Signal::TERM);
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    process::no_process_left(&below, SOON);
}
