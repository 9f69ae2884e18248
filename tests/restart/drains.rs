//! SIGTERM under load: who was let in is answered, and knows when it was the last answer.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Clients;
use crate::support::http::{Connection, encode};
use crate::support::{Answer, Cofferdam, Http2, Upstream, quiet};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn twenty_drains_under_two_thousand_requests_a_second_lose_none() {
    let _alone = quiet::alone();
    let upstream = Upstream::builder().fallback(Answer::ok("whole")).start();
    let config = format!("upstream = \"{}\"\n", upstream.url());
    let mut failures = Vec::new();
    let mut leaving = Vec::new();
    let (mut answered, mut loaded) = (0, Duration::ZERO);
    for round in 0..20 {
        let mut cofferdam = Cofferdam::start(&config);
        let begun = Instant::now();
        let clients = Clients::start(cofferdam.addr().into());
        eventually!(clients.answered(), |count| *count >= 300);
        loaded += begun.elapsed();
        cofferdam.signal(Signal::TERM);
        assert_eq!(cofferdam.wait(SOON).code(), Some(0), "round {round}");
        answered += clients.answered();
        leaving.push(clients);
    }
    for (round, clients) in leaving.into_iter().enumerate() {
        failures.extend(clients.failures().into_iter().map(|what| format!("{round}: {what}")));
    }
    let rate = 6_000.0 / loaded.as_secs_f64();
    println!("20 drains: {answered} requests answered at {rate:.0}/s, {} failed", failures.len());
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn an_idle_connection_has_a_moment_for_one_more_request() {
    let upstream = Upstream::builder().fallback(Answer::ok("whole")).start();
    let mut cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    let mut idle = Connection::open(cofferdam.addr()).unwrap();
    assert_eq!(idle.request("GET", "/", &[], b"").unwrap().header("connection"), None);
    let mut fresh = Connection::open(cofferdam.addr()).unwrap();
    let mut begun = Connection::open(cofferdam.addr()).unwrap();
    begun.send(b"GET / HTTP/1.1\r\nhost: te").unwrap();
    eventually!(cofferdam.metric("cofferdam_connections_total", &[]) == 3.0);
    cofferdam.signal(Signal::TERM);
    eventually!(TcpStream::connect(cofferdam.addr()).is_err());
    begun.send(b"st\r\n\r\n").unwrap();
    fresh.send(&encode("GET", "/", &[], b"")).unwrap();
    idle.send(&encode("GET", "/", &[], b"")).unwrap();
    for client in [&mut begun, &mut fresh, &mut idle] {
        let answer = client.response("GET").unwrap();
        assert_eq!((answer.text().as_str(), answer.complete), ("whole", true));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.rest().unwrap(), b"");
    }
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn who_waits_in_the_backlog_is_answered() {
    let slow = Answer::ok("whole").delay(Duration::from_millis(400));
    let upstream = Upstream::builder().fallback(slow).start();
    let limit = "[server]\nmax_connections = 1\n";
    let mut cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n{limit}", upstream.url()));
    let open = |_| {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(&encode("GET", "/", &[], b"")).unwrap();
        client
    };
    let clients: Vec<_> = (0..3).map(open).collect();
    upstream.wait_for(1);
    cofferdam.signal(Signal::TERM);
    for mut client in clients {
        let answer = client.response("GET").unwrap();
        assert_eq!((answer.text().as_str(), answer.complete), ("whole", true));
    }
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
}

#[test]
fn an_idle_connection_does_not_hold_a_short_drain() {
    let toml = "[server]\ndrain_timeout = \"200ms\"\n[[routes]]\nprefix = \"/\"\nrespond = {}\n";
    let mut cofferdam = Cofferdam::start(toml);
    let mut idle = Connection::open(cofferdam.addr()).unwrap();
    idle.request("GET", "/", &[], b"").unwrap();
    let begun = Instant::now();
    cofferdam.signal(Signal::TERM);
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!cofferdam.stderr().iter().any(|line| line.contains("are cut")));
}

#[test]
fn an_idle_http_2_connection_is_told_at_once() {
    let mut cofferdam = Cofferdam::start("[[routes]]\nprefix = \"/\"\nrespond = {}\n");
    let mut client = Http2::open(cofferdam.addr());
    assert_eq!(client.send(Http2::request("GET", "http://test/", b"")).status, 200);
    let begun = Instant::now();
    cofferdam.signal(Signal::TERM);
    eventually!(client.is_closed());
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
