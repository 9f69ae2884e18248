//! Upstreams as groups: who gets a request, who waits, who is left out, and how the app is spoken to.

mod balance;
mod health;
mod http2;
mod limits;
mod names;
mod tls;

use std::net::{SocketAddr, TcpListener};

use crate::support::http::Response;
use crate::support::{Answer, Cofferdam, Upstream};

/// A proxy to the upstream `app`, with these lines in its table.
fn start(lines: &str) -> Cofferdam {
    Cofferdam::start(&format!("upstream = \"app\"\n[upstreams.app]\n{lines}\n"))
}

/// `urls = [ … ]`.
fn urls(urls: &[&str]) -> String {
    format!("urls = {urls:?}\n")
}

/// An upstream that answers everything with its name.
fn named(name: &str) -> Upstream {
    Upstream::builder().fallback(Answer::ok(name)).start()
}

/// Where nobody listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One number of the upstream `app`.
#[track_caller]
fn of(cofferdam: &Cofferdam, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: Vec<_> = [("upstream", "app")].iter().chain(labels).copied().collect();
    cofferdam.metric(&format!("cofferdam_upstream_{name}"), &labels)
}

#[track_caller]
fn errors(cofferdam: &Cofferdam, reason: &str) -> f64 {
    of(cofferdam, "errors_total", &[("reason", reason)])
}

#[track_caller]
fn refused(response: &Response, status: u16, reason: &str) {
    assert_eq!((response.status, response.reason().as_str()), (status, reason), "{response:?}");
}

/// Whether a line of the log has all of these words.
fn is_logged(cofferdam: &Cofferdam, words: &[&str]) -> bool {
    cofferdam.stderr().iter().any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn every_combination_stands_at_0_from_the_start() {
    let app = named("app");
    let cofferdam = start(&format!("url = \"{}\"\nmax_connections = 7\n", app.url()));
    let scrape = cofferdam.metrics();
    for (name, labels, value) in [
        ("requests_total", &[("outcome", "2xx")][..], 0.0),
        ("requests_total", &[("outcome", "left")], 0.0),
        ("in_flight", &[], 0.0),
        ("head_seconds_count", &[], 0.0),
        ("connect_seconds_count", &[], 0.0),
        ("connections", &[], 0.0),
        ("errors_total", &[("reason", "connect")], 0.0),
        ("retries_total", &[], 0.0),
        ("ejections_total", &[], 0.0),
        ("limit", &[], 7.0),
        ("queue_depth", &[], 0.0),
        ("queue_limit", &[], 100.0),
        ("up", &[("endpoint", app.url().as_str())], 1.0),
    ] {
        let name = format!("cofferdam_upstream_{name}");
        let labels: Vec<_> = [("upstream", "app")].iter().chain(labels).copied().collect();
        let found = scrape.matching(&name, &labels);
        assert_eq!(found.iter().map(|sample| sample.value).collect::<Vec<_>>(), [value], "{name}");
    }
}

#[test]
fn a_request_is_counted_from_its_connect_to_its_end() {
    let app = named("app");
    let cofferdam = start(&format!("url = \"{}\"\n", app.url()));
    for _ in 0..3 {
        assert_eq!(cofferdam.get("/").text(), "app");
    }
    app.change("/gone", Answer::status(404));
    app.change("/half", Answer::ok("0123456789").cut_after(4));
    cofferdam.get("/gone");
    assert!(!cofferdam.get("/half").complete);
    let outcome = |word| of(&cofferdam, "requests_total", &[("outcome", word)]);
    eventually!(["2xx", "4xx", "failed"].map(outcome), |seen| *seen == [3.0, 1.0, 1.0]);
    assert_eq!(of(&cofferdam, "head_seconds_count", &[]), 5.0);
    assert_eq!(of(&cofferdam, "connect_seconds_count", &[]), app.connections() as f64);
    assert_eq!((errors(&cofferdam, "reset"), of(&cofferdam, "in_flight", &[])), (1.0, 0.0));
}
