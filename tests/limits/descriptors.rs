//! No descriptor left: accepting backs off, does not spin, and goes on when there is one.

use std::time::{Duration, Instant};

use crate::support::http::Connection;
use crate::support::wait::pause;
use crate::support::{Cofferdam, process, quiet};

#[test]
fn without_descriptors_it_waits_and_recovers() {
    let _alone = quiet::alone();
    let cofferdam = Cofferdam::builder()
        .config("[[routes]]\nprefix = \"/\"\nrespond = {}\n[server]\nheader_timeout = \"off\"\n")
        .descriptors(128)
        .start();
    let mut clients = Vec::new();
    for _ in 0..120 {
        clients.push(Connection::open(cofferdam.addr()).unwrap());
    }
    let told = |line: &&String| line.contains("could not be accepted");
    eventually!(cofferdam.stderr().iter().filter(told).count() == 1);
    let (before, begun) = (process::ticks(cofferdam.pid()), Instant::now());
    pause(Duration::from_secs(1));
    let used = process::ticks(cofferdam.pid()) - before;
    println!("out of descriptors: {used} ticks of CPU in {:?}", begun.elapsed());
    assert!(used <= 10, "{used} ticks of CPU in a second: it spins");
    assert_eq!(cofferdam.stderr().iter().filter(told).count(), 1, "told again and again");
    assert_eq!(clients[0].request("GET", "/", &[], b"").unwrap().status, 200);
    clients.drain(..60);
    let last = clients.last_mut().unwrap();
    assert_eq!(last.request("GET", "/", &[], b"").unwrap().status, 200);
    assert!(cofferdam.metric("cofferdam_connection_errors_total", &[("reason", "accept")]) >= 1.0);
}
