//! slowhttptest (Debian) in its three modes, a thousand connections each: others do not feel it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::limited;
use crate::support::http::Connection;
use crate::support::load::{Times, meanwhile};
use crate::support::{Answer, Upstream, quiet};

const SECONDS: u32 = 6;
const MOST: Duration = Duration::from_millis(50);

#[track_caller]
fn attacked_by(mode: &[&str], path: &str) {
    if Command::new("slowhttptest")
        .arg("-h")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        crate::support::skip("slowhttptest is not installed");
        return;
    }
    let _alone = quiet::alone();
    let large = Answer::ok(vec![b'x'; 256 << 10]);
    let upstream = Upstream::builder().route("/large", large).fallback(Answer::ok("x")).start();
    let cofferdam = limited(&upstream.url(), "");
    let mut command = Command::new("slowhttptest");
    command.args(mode).args(["-c", "1000", "-r", "500", "-i", "2", "-l", &SECONDS.to_string()]);
    command.args(["-u", &format!("{}{path}", cofferdam.url("http"))]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let address = cofferdam.addr();
    let mut client = Connection::open(address).unwrap();
    let (_, times) = meanwhile(
        Duration::from_millis(2),
        move || command.status().unwrap(),
        || {
            let begun = Instant::now();
            assert_eq!(client.request("GET", "/", &[], b"").unwrap().status, 200);
            begun.elapsed()
        },
    );
    let open = cofferdam.metric("cofferdam_connections_total", &[("listener", "http")]);
    assert!(open > 900.0, "only {open} connections came");
    let times = Times::of(times);
    println!("slowhttptest {mode:?}: others' p50 {:?}, p99 {:?}", times.p50(), times.p99());
    assert!(times.p99() < MOST, "p99 {:?}", times.p99());
}

#[test]
fn slow_heads_hold_nobody_else() {
    attacked_by(&["-H", "-x", "24"], "/");
}

#[test]
fn slow_bodies_hold_nobody_else() {
    attacked_by(&["-B", "-s", "8192", "-x", "10"], "/");
}

#[test]
fn slow_readers_hold_nobody_else() {
    attacked_by(&["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "5"], "/large");
}
