//! Upstreams that are down, slow, or break off; and the connections to those that are well.

use std::net::TcpListener;
use std::time::Duration;

use super::{proxy_to, refused};
use crate::support::http::{self, Connection, encode};
use crate::support::load::at_once;
use crate::support::{Answer, ByHand, Cofferdam, Upstream};

/// A proxy to one upstream, with these lines beside its `url`.
fn with_upstream(url: &str, lines: &str) -> Cofferdam {
    Cofferdam::start(&format!("upstream = \"app\"\n[upstreams.app]\nurl = \"{url}\"\n{lines}\n"))
}

#[test]
fn an_upstream_that_is_down_is_a_502() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let down = [
        format!("http://{closed}"),
        "unix:/nowhere/at/all.sock".to_owned(),
        "http://no-such-host.invalid:80".to_owned(),
    ];
    for url in down {
        let cofferdam = proxy_to(&url);
        refused(&cofferdam.get("/"), 502, "upstream_connect");
        let labels = [("route", "upstream"), ("reason", "upstream_connect")];
        assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &labels), 1.0);
    }
}

#[test]
fn a_connect_that_takes_too_long_is_a_502() {
    let (full, _held) = full_backlog();
    let cofferdam = with_upstream(&format!("http://{full}"), "connect_timeout = \"100ms\"");
    let answer = cofferdam.get("/");
    refused(&answer, 502, "upstream_connect");
    assert!(answer.elapsed < Duration::from_secs(5), "{:?}", answer.elapsed);
}

/// An address whose listener accepts nobody: further connects get no answer of the kernel.
fn full_backlog() -> (std::net::SocketAddr, impl Sized) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let address: std::net::SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
    let one = |_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let held: Vec<_> = (0..8).map(one).collect();
    assert!(held.iter().any(Result::is_err), "the backlog has no end");
    (address, (listener, held))
}

#[test]
fn an_upstream_that_hangs_up_is_a_502() {
    let upstream = Upstream::builder()
        .route("/close", Answer::close())
        .route("/half", Answer::raw("HTTP/1.1 200 OK\r\ncontent-le"))
        .route("/nonsense", Answer::raw("nonsense\r\n\r\n"))
        .start();
    let cofferdam = proxy_to(&upstream.url());
    for path in ["/close", "/half", "/nonsense"] {
        refused(&cofferdam.get(path), 502, "upstream_reset");
    }
    let refusals = [("reason", "upstream_reset")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &refusals), 3.0);
}

#[test]
fn a_head_that_comes_too_late_is_a_504() {
    let upstream =
        Upstream::builder().route("/hang", Answer::hang()).fallback(Answer::ok("x")).start();
    let cofferdam = with_upstream(&upstream.url(), "response_timeout = \"150ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let answer = client.request("GET", "/hang", &[], b"").unwrap();
    refused(&answer, 504, "upstream_timeout");
    assert!(answer.elapsed >= Duration::from_millis(150), "{:?}", answer.elapsed);
    assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "x");
}

#[test]
fn a_routes_own_limit_is_a_504_too() {
    let upstream = Upstream::builder().fallback(Answer::hang()).start();
    let cofferdam = Cofferdam::start(&format!(
        "[[routes]]\nprefix = \"/\"\nproxy = \"{}\"\ntimeout = \"150ms\"\n",
        upstream.url()
    ));
    refused(&cofferdam.get("/"), 504, "timeout");
}

#[test]
fn an_answer_that_breaks_off_is_cut_for_the_client_too() {
    let chunks = Answer::status(200).chunks(&["0123456789", "never"], Duration::ZERO);
    let upstream = Upstream::builder()
        .route("/length", Answer::ok("0123456789").cut_after(4))
        .route("/chunked", chunks.cut_after(17))
        .start();
    let cofferdam = proxy_to(&upstream.url());
    let length = cofferdam.get("/length");
    assert_eq!((length.status, length.text().as_str(), length.complete), (200, "0123", false));
    let chunked = cofferdam.get("/chunked");
    assert_eq!((chunked.status, chunked.complete), (200, false), "{chunked:?}");
    assert_eq!(chunked.text(), "0123456789");
    let aborted = [("route", "upstream"), ("stage", "response")];
    eventually!(cofferdam.metric("cofferdam_http_requests_aborted_total", &aborted), |n| *n == 2.0);
}

#[test]
fn an_answer_that_stops_in_its_body_is_cut() {
    let stops = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123";
    let upstream = ByHand::listen();
    let cofferdam = with_upstream(&upstream.url(), "response_timeout = \"150ms\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(stops.as_bytes()).unwrap();
    let answer = client.response("GET").unwrap();
    assert_eq!((answer.text().as_str(), answer.complete), ("0123", false));
    assert_eq!(server.rest().unwrap(), b"", "the upstream is left alone");
}

#[test]
fn connections_to_an_upstream_are_used_again() {
    let upstream = Upstream::builder().fallback(Answer::ok("x")).start();
    let cofferdam = super::limited(&upstream.url(), "workers = 2");
    let address = cofferdam.addr();
    let (answers, _) = at_once(4, move |_| {
        let mut client = Connection::open(address).unwrap();
        (0..25).all(|_| client.request("GET", "/", &[], b"").unwrap().status == 200)
    });
    assert_eq!(answers, [true; 4]);
    assert_eq!(upstream.requests().len(), 100);
    assert!(upstream.connections() <= 8, "{} connections", upstream.connections());
}

#[test]
fn a_pooled_connection_that_the_upstream_closed_costs_no_request() {
    let upstream = ByHand::listen();
    let cofferdam = super::limited(&upstream.url(), "workers = 1");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    for _ in 0..5 {
        client.send(&encode("GET", "/", &[], b"")).unwrap();
        let (mut server, _) = upstream.request();
        server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").unwrap();
        let answer = client.response("GET").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "x"));
    }
}

#[test]
fn an_idle_pooled_connection_is_dropped_in_time() {
    let upstream = ByHand::listen();
    let cofferdam = with_upstream(&upstream.url(), "idle_timeout = \"100ms\"");
    let address = cofferdam.addr();
    let client = std::thread::spawn(move || http::get(address, "/"));
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").unwrap();
    assert_eq!(client.join().unwrap().text(), "x");
    server.stream().set_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(server.rest().unwrap(), b"");
}

#[test]
fn interim_answers_do_not_disturb() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").unwrap();
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").unwrap();
    assert_eq!(client.response("GET").unwrap().text(), "x");
}
