//! `rate_limit`: who asks too often is told so, and costs nobody anything.

use super::stage;
use crate::support::Cofferdam;
use crate::support::clib::library;
use crate::support::http::{self, Response};

const ROUTE: &str = r#"
[server]
trusted_proxies = ["127.0.0.1"]
[[routes]]
name = "api"
prefix = "/"
proxy = "{}"
rate_limit = { rate = "1/h", burst = 3 }
"#;

fn from(cofferdam: &Cofferdam, address: &str) -> Response {
    http::request(cofferdam.addr(), "GET", "/", &[("x-forwarded-for", address)], b"")
}

#[test]
fn each_client_has_its_own_burst_and_then_a_429_that_says_when() {
    let (upstream, cofferdam) = stage(ROUTE);
    for _ in 0..3 {
        assert_eq!(from(&cofferdam, "192.0.2.1").status, 200);
    }
    let refused = from(&cofferdam, "192.0.2.1");
    assert_eq!((refused.status, refused.reason().as_str()), (429, "rate_limited"), "{refused:?}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    let proxy_status = refused.header("proxy-status").unwrap();
    assert!(proxy_status.ends_with("details=\"rate_limited\""), "{proxy_status}");
    assert!(refused.header("x-request-id").is_some());
    assert_eq!(from(&cofferdam, "192.0.2.2").status, 200);
    assert_eq!(upstream.requests().len(), 4);
    let labels = [("route", "api"), ("reason", "rate_limited")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &labels), 1.0);
    let labels = [("route", "api"), ("code", "429")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_total", &labels), 1.0);
}

#[test]
fn a_client_is_its_network_and_what_it_says_of_itself_counts_for_nothing() {
    let (_upstream, cofferdam) = stage(ROUTE);
    // One /64, and whatever the client itself wrote left of the address that the proxy saw.
    for address in ["2001:db8::1", "6.6.6.6, 2001:db8::2", "2001:db8::ffff:ffff:0:1"] {
        assert_eq!(from(&cofferdam, address).status, 200, "{address}");
    }
    assert_eq!(from(&cofferdam, "7.7.7.7, 2001:db8::4").status, 429);
    assert_eq!(from(&cofferdam, "2001:db8:0:1::1").status, 200);

    let stranger = ROUTE.replace("127.0.0.1", "10.0.0.1");
    let (_upstream, cofferdam) = stage(&stranger);
    let statuses: Vec<_> =
        (0..4).map(|n| from(&cofferdam, &format!("192.0.2.{n}")).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
}

#[test]
fn a_bucket_fills_again() {
    let cofferdam = Cofferdam::start(
        "[[routes]]\npath = \"/\"\nrespond = {}\nrate_limit = { rate = \"20/s\", burst = 1 }\n",
    );
    eventually!(cofferdam.get("/").status, |status| *status == 429);
    eventually!(cofferdam.get("/").status, |status| *status == 200);
}

#[test]
fn whoever_comes_over_a_unix_socket_is_one_client() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("http.sock");
    let cofferdam = Cofferdam::start(&format!(
        "listen = \"unix:{}\"\n[[routes]]\npath = \"/\"\nrespond = {{}}\nrate_limit = {{ rate = \"1/h\", burst = 2 }}\n",
        socket.display()
    ));
    let statuses: Vec<_> = (0..3).map(|_| http::get(cofferdam.place("http"), "/").status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn a_refused_call_takes_no_slot_and_no_body() {
    let cofferdam = Cofferdam::start(&format!(
        "[functions.echo]\nlibrary = \"{}\"\nhandler = \"echo\"\n\
         [[routes]]\nname = \"echo\"\npath = \"/echo/{{id}}\"\nhandler = \"echo\"\nrate_limit = {{ rate = \"1/h\" }}\n",
        library("handlers").display()
    ));
    assert_eq!(http::post(cofferdam.addr(), "/echo/1", b"x").status, 201);
    let mut connection = http::Connection::open(cofferdam.addr()).unwrap();
    // Its body never comes.
    connection.send(b"POST /echo/1 HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n").unwrap();
    let refused = connection.response("POST").unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (429, "rate_limited"));
    let ok = [("function", "echo"), ("outcome", "ok")];
    eventually!(cofferdam.metric("cofferdam_calls_total", &ok), |count| *count == 1.0);
    assert_eq!(cofferdam.metric("cofferdam_calls_total", &[("function", "echo")]), 1.0);
    assert_eq!(
        cofferdam.metric("cofferdam_queue_wait_seconds_count", &[("function", "echo")]),
        1.0
    );
}

#[test]
fn a_limit_holds_on_all_event_loops_together() {
    let cofferdam = Cofferdam::start(
        "[server]\nworkers = 4\n[[routes]]\npath = \"/\"\nrespond = {}\nrate_limit = { rate = \"5/h\" }\n",
    );
    // Open connections are spread over the loops.
    let mut connections: Vec<_> =
        (0..8).map(|_| http::Connection::open(cofferdam.addr()).unwrap()).collect();
    let mut taken = 0;
    for turn in 0..24 {
        let connection = &mut connections[turn % 8];
        taken += usize::from(connection.request("GET", "/", &[], b"").unwrap().status == 200);
    }
    assert_eq!(taken, 5);
}
