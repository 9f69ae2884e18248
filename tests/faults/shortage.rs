//! Starts that the kernel refuses, while the proxy runs: its calls are told so, nothing spins, and all is well when the limit is
//! lifted, by itself.

use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::ground::fault;
use crate::calls::ground::{Calm, of, problem};
use crate::support::cofferdam::Builder;
use crate::support::process;
use crate::support::skip::skip;
use crate::support::wait::pause;
use crate::support::{Cofferdam, http};

const NAME: &str = "ends_another_thread";

fn start(spares: u32, with: impl FnOnce(Builder) -> Builder) -> Cofferdam {
    let spares = if spares == 0 { "\"off\"".to_owned() } else { spares.to_string() };
    let keys = format!("breaker = {{ for = \"200ms\" }}\nspares = {spares}");
    let file = fault("deaths", NAME, &keys)
        + "[[routes]]\npath = \"/pong\"\nrespond = { body = \"pong\\n\" }\n";
    with(Cofferdam::builder().config(&file)).start()
}

fn spares(cofferdam: &Cofferdam) -> f64 {
    of(cofferdam, "workers", NAME, &[("state", "spare")])
}

/// As the user that may change the proxy's limits: itself.
const ANOTHER: u32 = 54_321;

/// `prlimit` of the running proxy, as its own user.
fn prlimit(cofferdam: &Cofferdam, words: &[&str]) -> String {
    let owner = std::fs::metadata(format!("/proc/{}", cofferdam.pid())).unwrap().uid();
    let mut command = match owner {
        ANOTHER => {
            let mut command = Command::new("setpriv");
            let ids = [format!("--reuid={ANOTHER}"), format!("--regid={ANOTHER}")];
            command.args(ids).args(["--clear-groups", "prlimit"]);
            command
        }
        _ => Command::new("prlimit"),
    };
    let pid = cofferdam.pid().to_string();
    let output = command.args(["--pid", &pid]).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// With so much of `resource` no worker can be started, and the log says `told`; then it is lifted.
#[track_caller]
fn starts_fail_and_come_back(cofferdam: &Cofferdam, resource: &str, most: u64, told: &str) {
    let path = format!("/{NAME}");
    let limit = |soft: &str| drop(prlimit(cofferdam, &[&format!("--{resource}={soft}:")]));
    let asked = [&format!("--{resource}"), "--raw", "--noheadings", "--output=SOFT"];
    let before = prlimit(cofferdam, &asked);
    limit(&most.to_string());
    // The spares that are there still serve.
    eventually!(cofferdam.get(&path).status, |status| *status == 503);
    // More of them than the breaker lets through.
    for _ in 0..12 {
        problem(&cofferdam.get(&path), 503, "start_failed");
    }
    let refused = |line: &String| line.contains("start_failed") && line.contains(told);
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(refused));
    let fast = http::get(cofferdam.addr(), "/pong");
    assert!(fast.text() == "pong\n" && fast.elapsed < Duration::from_secs(1), "{fast:?}");
    let (ticks, begun) = (process::ticks(cofferdam.pid()), Instant::now());
    pause(Duration::from_secs(1));
    let used = process::ticks(cofferdam.pid()) - ticks;
    println!("{resource}: {used} ticks of CPU in {:?}", begun.elapsed());
    assert!(used <= 10, "{used} ticks of CPU in a second: it spins");
    let failed = || of(cofferdam, "worker_start_failures_total", NAME, &[("phase", "spawn")]);
    assert!((1.0..60.0).contains(&failed()), "{} starts", failed());
    limit(&before);
    eventually!(within Duration::from_secs(20); cofferdam.get(&path).status, |now| *now == 200);
    assert_eq!(process::zombies(cofferdam.pid()), 0);
}

/// EAGAIN: root is exempt, so the proxy is somebody else, of whom there are no other processes.
#[test]
fn no_more_processes() {
    if !rustix::process::geteuid().is_root() {
        return skip("needs root, to run the proxy as another user");
    }
    let cofferdam = start(2, |builder| builder.user(ANOTHER));
    eventually!(spares(&cofferdam), |count| *count == 2.0);
    starts_fail_and_come_back(&cofferdam, "nproc", 1, "Resource temporarily unavailable");
    eventually!(within Duration::from_secs(20); spares(&cofferdam), |count| *count == 2.0);
    assert!(cofferdam.stop().success());
}

/// ENOMEM: no address space for the stack of one more process.
#[test]
fn no_more_memory() {
    let cofferdam = start(2, |builder| builder);
    eventually!(spares(&cofferdam), |count| *count == 2.0);
    let taken = process::address_space(cofferdam.pid());
    starts_fail_and_come_back(&cofferdam, "as", taken, "Cannot allocate memory");
    eventually!(within Duration::from_secs(20); spares(&cofferdam), |count| *count == 2.0);
    assert!(cofferdam.stop().success());
}

/// EMFILE: enough for a client, not for a worker.
#[test]
fn no_more_descriptors() {
    let cofferdam = start(0, |builder| builder);
    Calm::of(&cofferdam);
    let most = process::descriptors(cofferdam.pid()).len() as u64 + 2;
    let told = "Too many open files";
    starts_fail_and_come_back(&cofferdam, "nofile", most, told);
    assert!(cofferdam.stop().success());
}
