//! WebSocket through the proxy, byte for byte and by a real client and server.

use std::time::Duration;

use super::{proxy_to, refused};
use crate::support::http::Connection;
use crate::support::{ByHand, Cofferdam};

const ASK: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
                   sec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n";
const GRANT: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-accept: y\r\n\r\n";

/// A client and an upstream with a tunnel between them.
fn tunnel(cofferdam: &Cofferdam, upstream: &ByHand) -> (Connection, Connection) {
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(ASK.as_bytes()).unwrap();
    let (mut server, _head) = upstream.request();
    server.send(GRANT).unwrap();
    assert_eq!(client.response("GET").unwrap().status, 101);
    (client, server)
}

#[test]
fn bytes_pass_both_ways_once_the_upstream_has_switched_and_not_before() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(ASK.as_bytes()).unwrap();
    client.send(b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let (mut server, head) = upstream.request();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n") && !head.contains("keep-alive"), "{head}");
    assert!(head.contains("\r\nsec-websocket-key: x\r\n"), "{head}");
    assert!(!head.contains("smuggled"));

    server.send(&[GRANT, b"first"].concat()).unwrap();
    let answer = client.response("GET").unwrap();
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("websocket")));
    assert_eq!(answer.header("sec-websocket-accept"), Some("y"));
    assert_eq!(client.exactly(5).unwrap(), b"first");
    let held = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(server.exactly(held.len()).unwrap(), held.as_bytes());
    client.send(b"\x81\x05\0\r\n\r\n").unwrap();
    assert_eq!(server.exactly(7).unwrap(), b"\x81\x05\0\r\n\r\n");
    drop(server);
    assert_eq!(client.rest().unwrap(), b"");
    let switched = [("route", "upstream"), ("method", "GET"), ("code", "101")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_total", &switched), 1.0);
    let tunnel = [("route", "upstream"), ("code_class", "1xx")];
    let ended = "cofferdam_http_request_duration_seconds_count";
    eventually!(cofferdam.metric(ended, &tunnel) == 1.0);
}

#[test]
fn an_upstream_that_does_not_switch_answers_like_any_other() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(ASK.as_bytes()).unwrap();
    client.send(b"GET /second HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno").unwrap();
    assert_eq!(client.response("GET").unwrap().status, 426);
    let second = String::from_utf8(server.head().unwrap()).unwrap();
    assert!(second.starts_with("GET /second "), "{second}");
    server.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    assert_eq!(client.response("GET").unwrap().text(), "ok");
}

#[test]
fn only_a_get_without_a_body_for_websocket_alone_is_passed_on_as_an_upgrade() {
    let asks = [
        ("POST", "upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 0\r\n"),
        ("GET", "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAA\r\n"),
        ("GET", "upgrade: websocket, h2c\r\nconnection: upgrade\r\n"),
        ("GET", "upgrade: websocket\r\nupgrade: h2c\r\nconnection: upgrade\r\n"),
        ("GET", "upgrade: websocket\r\n"),
        ("GET", "upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 2\r\n"),
        ("GET", "upgrade: websocket\r\nconnection: upgrade\r\ntransfer-encoding: chunked\r\n"),
    ];
    for (method, headers) in asks {
        let upstream = ByHand::listen();
        let cofferdam = proxy_to(&upstream.url());
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        let body = match headers {
            _ if headers.contains("content-length: 2") => "hi",
            _ if headers.contains("chunked") => "2\r\nhi\r\n0\r\n\r\n",
            _ => "",
        };
        client
            .send(format!("{method} / HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}").as_bytes())
            .unwrap();
        let (mut server, head) = upstream.request();
        let head = head.to_ascii_lowercase();
        assert!(
            !head.contains("\r\nupgrade:") && !head.contains("\r\nconnection:"),
            "{headers}: {head}"
        );
        assert!(!head.contains("http2-settings"), "{headers}: {head}");
        server.send(GRANT).unwrap();
        refused(&client.response(method).unwrap(), 502, "upstream_reset");
    }
}

#[test]
fn a_switch_to_another_protocol_is_a_502() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(ASK.as_bytes()).unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n").unwrap();
    refused(&client.response("GET").unwrap(), 502, "upstream_reset");
}

#[test]
fn a_silent_tunnel_ends_and_one_that_speaks_does_not() {
    let upstream = ByHand::listen();
    let cofferdam = Cofferdam::start(&format!(
        "upstream = \"app\"\n[upstreams.app]\nurl = \"{}\"\ntunnel_timeout = \"300ms\"\n\
         [server]\nheader_timeout = \"200ms\"\nidle_timeout = \"200ms\"\n",
        upstream.url()
    ));
    let (mut client, mut server) = tunnel(&cofferdam, &upstream);
    for _ in 0..10 {
        crate::support::wait::pause(Duration::from_millis(100));
        server.send(b".").unwrap();
        assert_eq!(client.exactly(1).unwrap(), b".");
    }
    assert_eq!(client.rest().unwrap(), b"");
    assert_eq!(server.rest().unwrap(), b"");
}

#[test]
fn a_real_client_and_a_real_server_talk() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let cofferdam = proxy_to(&format!("http://{}", listener.local_addr().unwrap()));
    let url = format!("ws://{}/echo", cofferdam.addr());
    runtime.block_on(async {
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let server = tokio_tungstenite::accept_async(stream).await.unwrap();
            let (sink, stream) = server.split();
            let _ended = stream.forward(sink).await;
        });
        let (mut client, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        for size in [0, 1, 125, 126, 70_000, 1 << 20] {
            let message = Message::binary(vec![7; size]);
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message, "{size}");
        }
        client.close(None).await.unwrap();
        assert!(client.next().await.unwrap().unwrap().is_close());
    });
}
