//! What upstreams may answer: what has two readings is a 502, and nobody gets bytes that were meant for another.

use super::{TIMEOUT, replies};
use crate::support::http::{self, Connection, encode};
use crate::support::{Answer, ByHand, Cofferdam, Upstream};

fn proxy_to(url: &str) -> Cofferdam {
    Cofferdam::start(&format!("upstream = \"{url}\"\n"))
}

/// A proxy to an upstream with one raw answer a path: `/0`, `/1` and so on.
fn stage(answers: &[&str]) -> (Upstream, Cofferdam) {
    let mut upstream = Upstream::builder();
    for (index, raw) in answers.iter().enumerate() {
        let bytes: Vec<u8> = super::bytes(raw);
        upstream = upstream.route(&format!("/{index}"), Answer::raw(bytes));
    }
    let upstream = upstream.fallback(Answer::ok("clean")).start();
    let cofferdam = proxy_to(&upstream.url());
    (upstream, cofferdam)
}

/// All that comes for a GET of each path.
fn got(cofferdam: &Cofferdam, index: usize) -> Vec<replies::Reply> {
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.stream().set_timeout(Some(TIMEOUT)).unwrap();
    let headers = [("connection", "close")];
    client.send(&encode("GET", &format!("/{index}"), &headers, b"")).unwrap();
    replies::read(&client.rest().unwrap()).unwrap()
}

/// The next client's answer is its own. An upstream that closes without a word may cost it that answer, no more.
#[track_caller]
fn is_not_poisoned(cofferdam: &Cofferdam) {
    let next = cofferdam.get("/clean");
    assert!(next.text() == "clean" || next.reason() == "upstream_reset", "{next:?}");
}

const REFUSED: &[&str] = &[
    "",
    "nonsense\r\n\r\n",
    "hello, this is HTTP/0.9\r\n",
    "<html>HTTP/0.9</html>",
    "HTTP/1.1\r\n\r\n",
    "HTTP/1.1 \r\n\r\n",
    "HTTP/1.1 2 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 42 OK\r\n\r\n",
    "HTTP/1.1 042 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 -200 OK\r\n\r\n",
    "HTTP/1.1 +20 OK\r\n\r\n",
    "HTTP/1.1 2x0 OK\r\n\r\n",
    "HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTX/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Hints\r\n\r\nnonsense\r\n\r\n",
    "HTTP/1.1 199 What\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: y\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: y\r\n\tz\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\u{0}b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\u{1}b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\u{7f}b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX\u{e9}: b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 O\u{0}K\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
];

#[test]
fn an_answer_with_two_readings_is_a_502() {
    let (_upstream, cofferdam) = stage(REFUSED);
    for (index, raw) in REFUSED.iter().enumerate() {
        let replies = got(&cofferdam, index);
        let told: Vec<_> = replies.iter().map(|reply| (reply.status, reply.reason())).collect();
        assert_eq!(told, [(502, "upstream_reset".to_owned())], "{raw:?}: {replies:?}");
        is_not_poisoned(&cofferdam);
    }
}

#[test]
fn a_head_without_bounds_is_a_502() {
    let rows = [
        format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(2 << 20)),
        format!("HTTP/1.1 200 {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(2 << 20)),
        format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: y\r\n".repeat(1000)),
        "x".repeat(2 << 20),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000),
        "\r\n".repeat(1 << 20),
    ];
    let (_upstream, cofferdam) = stage(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    for index in 0..rows.len() {
        let replies = got(&cofferdam, index);
        let told: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(told, [502], "{index}");
    }
    is_not_poisoned(&cofferdam);
}

#[test]
fn an_interim_flood_ends_with_the_time_for_an_answer() {
    let upstream = ByHand::listen();
    let cofferdam = Cofferdam::start(&format!(
        "upstream = \"app\"\n[upstreams.app]\nurl = \"{}\"\nresponse_timeout = \"400ms\"\n",
        upstream.url()
    ));
    let address = cofferdam.addr();
    let client = std::thread::spawn(move || http::get(address, "/"));
    let (mut server, _) = upstream.request();
    while server.send(&b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n".repeat(64)).is_ok() {}
    let answer = client.join().unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream_timeout"));
}

/// A raw answer, and the status, the body and whether it is whole at the client.
const PASSED: &[(&str, u16, &str, bool)] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup", 200, "up", true),
    ("HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\nup", 200, "up", true),
    ("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nup", 200, "up", true),
    ("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nup", 200, "up", true),
    ("HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nup", 299, "up", true),
    ("HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nup", 599, "up", true),
    ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", true),
    ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end", true),
    ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nup", 200, "up", true),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup",
        200,
        "up",
        true,
    ),
    (
        "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup",
        200,
        "up",
        true,
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n2\r\nup\r\n0\r\n\r\n", 200, "up", true),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\n\r\n",
        200,
        "up",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nup\r\n0\r\n\r\n",
        200,
        "up",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nup\r\n0\r\nX-Trailer: y\r\n\r\n",
        200,
        "up",
        true,
    ),
    // More than was announced goes no further; less is an aborted answer.
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nupHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        200,
        "up",
        true,
    ),
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nup", 200, "up", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, "", false),
    ("HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 204, "", true),
    (
        "HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        304,
        "",
        true,
    ),
    ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", 204, "", true),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n", 200, "up", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\n", 200, "up", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nup", 200, "up", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\nx\r\n", 200, "up", false),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nupX\r\n0\r\n\r\n",
        200,
        "up",
        false,
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nup\r\n0\r\n\r\n", 200, "", false),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nup\r\n0\r\n\r\n",
        200,
        "",
        false,
    ),
];

#[test]
fn what_passes_is_framed_anew_and_ends_where_it_was_said_to() {
    let raw: Vec<_> = PASSED.iter().map(|(raw, ..)| *raw).collect();
    let (_upstream, cofferdam) = stage(&raw);
    for (index, (raw, status, body, is_whole)) in PASSED.iter().enumerate() {
        let replies = got(&cofferdam, index);
        assert_eq!(replies.len(), 1, "{raw:?}: {replies:?}");
        let reply = &replies[0];
        assert_eq!((reply.status, reply.text().as_str()), (*status, *body), "{raw:?}");
        assert_eq!(reply.is_whole, *is_whole, "{raw:?}: {reply:?}");
        for name in ["x-trailer", "trailer", "keep-alive"] {
            assert_eq!(reply.header(name), None, "{raw:?}");
        }
        is_not_poisoned(&cofferdam);
    }
}

#[test]
fn an_answer_keeps_what_belongs_to_its_connection() {
    let raw = "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Listed\r\nX-Listed: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: x\r\nProxy-Authenticate: x\r\nTE: x\r\nTrailer: x\r\nUpgrade: h2c\r\nX-Kept: 1\r\nX_Kept: 1\r\n\
         Content-Length: 2\r\n\r\nup";
    let (_upstream, cofferdam) = stage(&[raw]);
    let reply = got(&cofferdam, 0).remove(0);
    for name in [
        "x-listed",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "te",
        "trailer",
        "upgrade",
    ] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    assert_eq!((reply.header("x-kept"), reply.text().as_str()), (Some("1"), "up"));
}

/// One client's GET; the connection to the upstream may be one that was used before.
fn client(cofferdam: &Cofferdam, path: &'static str) -> std::thread::JoinHandle<http::Response> {
    let address = cofferdam.addr();
    std::thread::spawn(move || http::get(address, path))
}

const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

#[test]
fn what_comes_after_an_answer_is_never_the_next_clients() {
    for late in [false, true] {
        let upstream = ByHand::listen();
        let cofferdam = Cofferdam::start(&format!(
            "upstream = \"{}\"\n[server]\nworkers = 1\n",
            upstream.url()
        ));
        let first = client(&cofferdam, "/first");
        let (mut server, _) = upstream.request();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst";
        match late {
            false => server.send(&[answer, EVIL].concat()).unwrap(),
            true => server.send(answer).unwrap(),
        }
        assert_eq!(first.join().unwrap().text(), "first");
        if late {
            server.send(EVIL).unwrap();
        }
        // It is not used again: what came on it belongs to nobody.
        assert_eq!(server.rest().unwrap(), b"");
        let second = client(&cofferdam, "/second");
        let (mut server, _) = upstream.request();
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").unwrap();
        assert_eq!(second.join().unwrap().text(), "second");
    }
}

#[test]
fn an_answer_that_was_not_read_to_its_end_leaves_no_bytes_behind() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut first = Connection::open(cofferdam.addr()).unwrap();
    first.send(&encode("GET", "/first", &[], b"")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun").unwrap();
    first.head().unwrap();
    drop(first);
    assert_eq!(server.rest().unwrap(), b"", "the connection outlived its answer");
    let second = client(&cofferdam, "/second");
    let (mut server, head) = upstream.request();
    assert!(head.starts_with("GET /second "), "{head}");
    server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").unwrap();
    assert_eq!(second.join().unwrap().text(), "second");
}

#[test]
fn an_answer_that_comes_before_the_body_was_read_reaches_the_client() {
    let upstream = ByHand::listen();
    let cofferdam = Cofferdam::start(&format!(
        "upstream = \"{}\"\n[server]\nmax_body_size = \"off\"\n",
        upstream.url()
    ));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.stream().set_timeout(Some(TIMEOUT)).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "1000000")], b"begun")).unwrap();
    let (mut server, _) = upstream.request();
    server.send(b"HTTP/1.1 403 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly").unwrap();
    drop(server);
    let answer = client.response("POST").unwrap();
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (403, "early", true));
}

#[test]
fn an_upstream_that_hangs_up_in_the_middle_of_a_body_is_a_502() {
    let upstream = ByHand::listen();
    let cofferdam = proxy_to(&upstream.url());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.stream().set_timeout(Some(TIMEOUT)).unwrap();
    client.send(&encode("POST", "/", &[("content-length", "1000000")], b"begun")).unwrap();
    drop(upstream.request());
    let answer = client.response("POST").unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_reset"));
}

#[test]
fn a_connection_that_the_upstream_closes_between_two_requests_costs_none() {
    let upstream = ByHand::listen();
    let cofferdam =
        Cofferdam::start(&format!("upstream = \"{}\"\n[server]\nworkers = 1\n", upstream.url()));
    for _ in 0..20 {
        let one = client(&cofferdam, "/");
        let (mut server, _) = upstream.request();
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup").unwrap();
        assert_eq!(one.join().unwrap().text(), "up");
        drop(server);
    }
}
