//! The accounting held against libraries that know what they do: each tells its own times, waits in one known way, and the
//! split and the system call must be those.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::accounting::Timing;
use super::ground::{calls, function, json, of, start};
use crate::support::http::Connection;
use crate::support::wait::pause;
use crate::support::{Cofferdam, http, process, quiet};

const MODES: [&str; 3] = ["process", "pool", "thread"];
/// How long the calls wait, milliseconds.
const LONG: u64 = 1500;

/// The function `symbol` of the fixture in three modes: `/process`, `/pool`, `/thread`.
fn in_modes(modes: &[&str], prototype: &str, arguments: &str, keys: &str) -> Cofferdam {
    let functions = modes.iter().map(|mode| {
        let keys = format!(
            "prototype = \"{prototype}\"\narguments = {{ {arguments} }}\nmode = \"{mode}\"\n\
             response = {{ content_type = \"application/json\" }}\nslow_log = \"off\"\n\
             traits = [\"reusable\", \"threadsafe\"]\n{keys}"
        );
        function(mode, "waits", &keys, "")
    });
    start(&functions.collect::<Vec<_>>())
}

/// Asks in each mode, one after the other, holds what is told against what the function knows, and gives back the share of
/// each mode's blocked time that is `syscall`'s.
#[track_caller]
fn shares(
    cofferdam: &Cofferdam,
    modes: &[&str],
    syscall: &str,
    mut meanwhile: impl FnMut(),
) -> Vec<f64> {
    modes
        .iter()
        .map(|mode| {
            let (addr, path) = (cofferdam.addr(), format!("/{mode}"));
            let call = std::thread::spawn(move || {
                let headers = [("server-timing", "1")];
                Connection::open(addr).unwrap().request("GET", &path, &headers, b"").unwrap()
            });
            meanwhile();
            let answer = call.join().unwrap();
            assert_eq!(answer.status, 200, "{mode}: {}", answer.text());
            let (timing, own) = (Timing::of(&answer), json(&answer));
            agrees(mode, &timing, own["wall"].as_f64().unwrap(), own["cpu"].as_f64().unwrap());
            eventually!(calls(cofferdam, mode, "ok"), |count| *count == 1.0);
            let named = of(cofferdam, "call_blocked_seconds_total", mode, &[("syscall", syscall)]);
            let blocked = of(cofferdam, "call_time_seconds_total", mode, &[("state", "blocked")]);
            named / blocked
        })
        .collect()
}

/// The split, and what the function says of itself, in milliseconds.
#[track_caller]
fn agrees(mode: &str, timing: &Timing, wall: f64, cpu: f64) {
    /// What surrounds the function is the call's too: reading the arguments, making the answer.
    const AROUND: f64 = 3.0;
    let within = |told: f64, own: f64| (told - own).abs() <= own * 0.01 + AROUND;
    let sum = timing.queue + timing.start + timing.own();
    assert!((sum - timing.total).abs() <= timing.total * 0.01, "{mode}: {timing:?}");
    assert!(within(timing.own(), wall), "{mode}: {timing:?}, it says {wall} ms");
    assert!(within(timing.cpu, cpu), "{mode}: {timing:?}, it says {cpu} ms of CPU");
    assert!(within(timing.blocked + timing.runqueue, wall - cpu), "{mode}: {timing:?} of {wall}");
}

#[track_caller]
fn names(cofferdam: &Cofferdam, modes: &[&str], syscall: &str, meanwhile: impl FnMut()) {
    let shares = shares(cofferdam, modes, syscall, meanwhile);
    assert!(shares.iter().all(|share| *share >= 0.95), "{syscall}: {shares:?} of {modes:?}");
}

#[test]
fn a_sleep_is_clock_nanosleep() {
    let _alone = quiet::alone();
    let arguments = format!("ms = {LONG}");
    let cofferdam = in_modes(&MODES, "const char *nap(int ms)", &arguments, "");
    names(&cofferdam, &MODES, "clock_nanosleep", || {});
}

#[test]
fn a_peer_that_is_silent_is_recvfrom() {
    let _alone = quiet::alone();
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let arguments = format!("port = {}", peer.local_addr().unwrap().port());
    let cofferdam = in_modes(&MODES, "const char *take(int port)", &arguments, "");
    names(&cofferdam, &MODES, "recvfrom", || {
        let (mut client, _) = peer.accept().unwrap();
        pause(Duration::from_millis(LONG));
        client.write_all(b"at last").unwrap();
    });
}

#[test]
fn a_lock_that_another_holds_is_futex() {
    let _alone = quiet::alone();
    let arguments = format!("ms = {LONG}");
    let cofferdam = in_modes(&MODES, "const char *lock(int ms)", &arguments, "");
    names(&cofferdam, &MODES, "futex", || {});
}

#[test]
fn a_locked_file_is_flock() {
    let _alone = quiet::alone();
    let file = tempfile::NamedTempFile::new().unwrap();
    let arguments = format!("path = {{ const = \"{}\" }}", file.path().display());
    let cofferdam = in_modes(&MODES, "const char *locked_file(const char *path)", &arguments, "");
    names(&cofferdam, &MODES, "flock", || {
        flock(&file, FlockOperation::LockExclusive).unwrap();
        pause(Duration::from_millis(LONG));
        flock(&file, FlockOperation::Unlock).unwrap();
    });
}

#[test]
fn a_page_that_comes_late_is_a_page_fault() {
    let _alone = quiet::alone();
    let (modes, arguments) = (["process", "pool"], format!("ms = {LONG}"));
    // `basic` refuses userfaultfd(2), by which the page is held back.
    let keys = "sandbox = \"off\"";
    let cofferdam = in_modes(&modes, "const char *fault(int ms)", &arguments, keys);
    if json(&cofferdam.get("/process"))["wall"].as_f64() == Some(0.0) {
        return crate::support::skip::skip("this kernel has no userfaultfd(2)");
    }
    let cofferdam = in_modes(&modes, "const char *fault(int ms)", &arguments, keys);
    names(&cofferdam, &modes, "page_fault", || {});
}

#[test]
fn work_is_cpu_and_hardly_blocked() {
    let _alone = quiet::alone();
    let arguments = format!("ms = {LONG}");
    let cofferdam = in_modes(&MODES, "const char *burn(int ms)", &arguments, "");
    shares(&cofferdam, &MODES, "other", || {});
    for mode in MODES {
        let time = |state| of(&cofferdam, "call_time_seconds_total", mode, &[("state", state)]);
        let (cpu, blocked) = (time("cpu_user") + time("cpu_system"), time("blocked"));
        assert!(cpu >= LONG as f64 / 1000.0 && blocked < cpu * 0.01, "{mode}: {cpu} {blocked}");
    }
}

#[test]
fn each_of_two_waits_has_its_share() {
    let _alone = quiet::alone();
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let (modes, port) = (["process", "pool"], peer.local_addr().unwrap().port());
    let arguments = format!("port = {port}, ms = {}", 2 * LONG);
    let cofferdam = in_modes(&modes, "const char *mixed(int port, int ms)", &arguments, "");
    let recv = shares(&cofferdam, &modes, "recvfrom", || {
        let (mut client, _) = peer.accept().unwrap();
        pause(Duration::from_millis(LONG));
        client.write_all(b"at last").unwrap();
    });
    for (mode, recv) in modes.into_iter().zip(recv) {
        let of = |name, labels: &[(&str, &str)]| of(&cofferdam, name, mode, labels);
        let nap = of("call_blocked_seconds_total", &[("syscall", "clock_nanosleep")])
            / of("call_time_seconds_total", &[("state", "blocked")]);
        assert!(
            (0.63..0.70).contains(&nap) && (0.30..0.37).contains(&recv),
            "{mode}: {nap} {recv}"
        );
    }
}

#[test]
fn who_waits_for_its_threads_waits_in_futex() {
    let _alone = quiet::alone();
    let arguments = format!("ms = {LONG}");
    let cofferdam = in_modes(&MODES, "const char *crew(int ms)", &arguments, "");
    names(&cofferdam, &MODES, "futex", || {});
}

/// Nanoseconds that the thread of this name has been on a CPU.
fn cpu_of(pid: u32, thread: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let read =
        |path: &Path, file: &str| std::fs::read_to_string(path.join(file)).unwrap_or_default();
    let of_thread = tasks.map(|task| task.path()).find(|task| read(task, "comm").trim() == thread);
    let text = read(&of_thread.expect("such a thread"), "schedstat");
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn looking_at_a_thousand_calls_costs_three_hundredths_of_a_core() {
    const CALLS: usize = 1000;
    const START: Duration = Duration::from_secs(60);
    const SPAN: Duration = Duration::from_secs(8);
    let _alone = quiet::alone();
    let keys = format!(
        "prototype = \"const char *nap(int ms)\"\narguments = {{ ms = 600000 }}\ntimeout = \"off\"\n\
         slow_log = \"off\"\nmax_concurrency = {CALLS}\nqueue = {{ timeout = \"60s\", length = {CALLS} }}"
    );
    let one = "prototype = \"const char *nap(int ms)\"\narguments = { ms = 600000 }";
    let functions =
        [function("f", "waits", &keys, "timeout = \"off\""), function("one", "waits", one, "")];
    let cofferdam = start(&functions);
    let ask = |path: &str| {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(&http::encode("GET", path, &[], b"")).unwrap();
        client
    };
    let clients: Vec<Connection> = (0..CALLS).map(|_| ask("/f")).collect();
    let looked_at = || cofferdam.metric("cofferdam_sampled_calls", &[]);
    eventually!(within START; looked_at(), |calls| *calls == CALLS as f64);
    let (begun, before) = (Instant::now(), cpu_of(cofferdam.pid(), "sampler"));
    pause(SPAN);
    let used = Duration::from_nanos(cpu_of(cofferdam.pid(), "sampler") - before);
    let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
    let interval = cofferdam.metric("cofferdam_sample_interval_seconds", &[]);
    println!("{CALLS} calls: {:.2} % of a core, a look each {interval:.3} s", share * 100.0);
    assert!(share < 0.03, "{share}");
    assert!((0.02..2.0).contains(&interval), "{interval}");
    // One more that is stuck is seen beside them.
    let (begun, _stuck) = (Instant::now(), ask("/one"));
    let seen =
        || of(&cofferdam, "call_blocked_seconds_total", "one", &[("syscall", "clock_nanosleep")]);
    eventually!(seen(), |seconds| *seconds > 0.0);
    let after = begun.elapsed();
    println!("one more was seen after {after:?}");
    assert!(after < Duration::from_secs(1), "{after:?}");
    drop(clients);
    eventually!(within START; process::children(cofferdam.pid()).len(), |children| *children <= 2);
}
