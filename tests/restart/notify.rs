//! What systemd is told, over a socket of the test's own.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::Cofferdam;
use crate::support::process::{self, Process};
use crate::support::wait::until;

const PONG: &str = "[[routes]]\nprefix = \"/\"\nrespond = {}\n";
const SOON: Duration = Duration::from_secs(10);

fn listen(folder: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn next(socket: &UnixDatagram) -> String {
    let mut told = [0; 512];
    let length = socket.recv(&mut told).unwrap();
    String::from_utf8(told[..length].to_vec()).unwrap()
}

#[test]
fn ready_and_stopping_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = listen(folder.path());
    let path = folder.path().join("notify");
    let mut cofferdam = Cofferdam::builder()
        .config(PONG)
        .environment("NOTIFY_SOCKET", path.to_str().unwrap())
        .start();
    assert_eq!(next(&socket), "READY=1\n");
    cofferdam.signal(Signal::TERM);
    assert_eq!(next(&socket), "STOPPING=1\n");
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn a_hand_over_names_the_new_main_process_which_keeps_the_watchdog_fed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = listen(folder.path());
    let path = folder.path().join("notify");
    let mut cofferdam = Cofferdam::builder()
        .config(PONG)
        .environment("NOTIFY_SOCKET", path.to_str().unwrap())
        .environment("WATCHDOG_USEC", "600000")
        .start();
    let other = |told: &String| told.as_str() != "WATCHDOG=1\n";
    let rest = || until(SOON, || Some(next(&socket)).filter(other)).unwrap();
    assert_eq!(rest(), "READY=1\n");
    assert_eq!(next(&socket), "WATCHDOG=1\n");
    cofferdam.signal(Signal::USR2);
    assert!(rest().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let told = rest();
    let pid = told.strip_prefix("MAINPID=").and_then(|rest| rest.strip_suffix("\nREADY=1\n"));
    let new = Process::of(pid.unwrap().parse().unwrap()).unwrap();
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert_eq!(next(&socket), "WATCHDOG=1\n");
    assert_eq!(next(&socket), "WATCHDOG=1\n");
    new.signal(Signal::TERM);
    assert_eq!(rest(), "STOPPING=1\n");
    process::no_process_left(&[new], SOON);
}
