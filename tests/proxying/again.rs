//! A pooled connection that the upstream closes in the same moment: asked once more, where that does no harm.

use super::{proxy_to, refused};
use crate::support::ByHand;
use crate::support::http::{Connection, encode};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A client whose first request left a connection in the pool: the upstream's side of it.
fn pooled(upstream: &ByHand, client: &mut Connection) -> Connection {
    client.send(&encode("GET", "/first", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(OK).unwrap();
    assert_eq!(client.response("GET").unwrap().status, 200);
    server
}

#[test]
fn a_request_that_does_no_harm_is_sent_again_on_a_fresh_connection() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let upstream = ByHand::listen();
        let cofferdam = proxy_to(&upstream.url());
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        let mut server = pooled(&upstream, &mut client);
        let headers = [("content-length", "0"), ("x-mark", "1")];
        client.send(&encode(method, "/second", &headers, b"")).unwrap();
        let lost = String::from_utf8(server.head().unwrap()).unwrap();
        drop(server);
        let (mut server, head) = upstream.request();
        assert_eq!(head, lost, "{method}");
        server.send(OK).unwrap();
        assert_eq!(client.response(method).unwrap().status, 200, "{method}");
    }
}

#[test]
fn it_is_sent_again_once_and_never_on_a_fresh_connection() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let mut server = pooled(&upstream, &mut client);
    client.send(&encode("GET", "/second", &[], b"")).unwrap();
    server.head().unwrap();
    drop(server);
    drop(upstream.request());
    refused(&client.response("GET").unwrap(), 502, "upstream_reset");
    client.send(&encode("GET", "/third", &[], b"")).unwrap();
    drop(upstream.request());
    refused(&client.response("GET").unwrap(), 502, "upstream_reset");
}

#[test]
fn what_may_have_had_an_effect_is_not_sent_again() {
    for (method, body) in [("POST", &b""[..]), ("PATCH", b""), ("PUT", b"x"), ("POST", b"x")] {
        let upstream = ByHand::listen();
        let cofferdam = proxy_to(&upstream.url());
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        let mut server = pooled(&upstream, &mut client);
        client.send(&encode(method, "/second", &[], body)).unwrap();
        server.head().unwrap();
        drop(server);
        refused(&client.response(method).unwrap(), 502, "upstream_reset");
    }
}

#[test]
fn an_answer_that_is_no_http_is_not_asked_for_again() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let mut server = pooled(&upstream, &mut client);
    client.send(&encode("GET", "/second", &[], b"")).unwrap();
    server.head().unwrap();
    server.send(b"nonsense\r\n\r\n").unwrap();
    refused(&client.response("GET").unwrap(), 502, "upstream_reset");
}

#[test]
fn a_connection_that_was_closed_while_it_rested_is_not_used() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    drop(pooled(&upstream, &mut client));
    client.send(&encode("POST", "/second", &[], b"x")).unwrap();
    let (mut server, head) = upstream.request();
    assert!(head.starts_with("POST /second "), "{head}");
    server.send(OK).unwrap();
    assert_eq!(client.response("POST").unwrap().status, 200);
}
