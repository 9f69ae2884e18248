//! Several requests on one connection: order, what ends it, and that nobody is answered twice or for somebody else.

use super::{Stage, TIMEOUT, bytes};
use crate::support::http::{Connection, encode};
use crate::support::{Answer, Cofferdam, Upstream};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn last(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

#[test]
fn answers_come_in_the_order_of_their_requests() {
    let stage = Stage::new();
    let sized = "POST /sized HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET /inner HTTP/1.1\r\nA: b\r\n";
    let chunked = "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\nX: y\r\n\r\n";
    let text =
        [&get("/1"), sized, &get("/2"), chunked, "\r\n", &get("/admin"), &last("/3")].concat();
    let replies = stage.send(&text);
    let told: Vec<_> = replies.iter().map(|reply| reply.text()).collect();
    assert_eq!(told, ["GET /1", "POST /sized", "GET /2", "POST /chunked", "no\n", "GET /3"]);
    let seen: Vec<_> = stage.tap.requests(5).into_iter().map(|request| request.target).collect();
    assert_eq!(seen, ["/1", "/sized", "/2", "/chunked", "/3"]);
}

#[test]
fn many_requests_in_one_write_are_all_answered() {
    let stage = Stage::new();
    let text: String = (0..200).map(|n| get(&format!("/{n}"))).collect();
    let replies = stage.send(&(text + &last("/last")));
    assert_eq!(replies.len(), 201);
    for (n, reply) in replies[..200].iter().enumerate() {
        assert_eq!(reply.text(), format!("GET /{n}"));
    }
}

#[test]
fn a_bad_request_behind_a_good_one_is_refused_after_its_answer() {
    let stage = Stage::new();
    let bad = [
        (400, "GET /bad HTTP/1.1\r\n\r\n"),
        (400, "GET /bad HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
        (400, "nonsense\r\n\r\n"),
        (
            400,
            "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (501, "POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (405, "TRACE /bad HTTP/1.1\r\nHost: a\r\n\r\n"),
        (417, "GET /bad HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"),
        (400, "\r\n\r\nGET /bad HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
    ];
    for good in
        [get("/good"), "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab".into()]
    {
        for (status, bad) in bad {
            stage.tap.forget();
            let replies = stage.send(&[&good, bad, &get("/after")].concat());
            let told: Vec<_> = replies.iter().map(|reply| reply.status).collect();
            assert_eq!(told, [200, status], "{bad:?}: {replies:?}");
            assert!(replies[0].text().ends_with("/good"), "{replies:?}");
            let seen = stage.tap.seen();
            assert!(seen.requests.len() == 1 && seen.faults.is_empty(), "{bad:?}: {seen:?}");
        }
    }
}

#[test]
fn a_body_is_no_request_though_it_looks_like_one() {
    let stage = Stage::new();
    let inner = get("/smuggled");
    let text =
        format!("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
    let replies = stage.send(&(text + &last("/after")));
    assert_eq!(replies.iter().map(|r| r.text()).collect::<Vec<_>>(), ["POST /p", "GET /after"]);
    assert_eq!(stage.tap.requests(2)[0].body, inner.as_bytes());
}

#[test]
fn a_connection_stays_open_as_its_version_says() {
    let stage = Stage::new();
    let rows = [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: x, close\r\n", false),
        ("1.1", "Connection: close, keep-alive\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: close\r\n", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive\r\n", true),
    ];
    for (version, field, is_kept) in rows {
        let first = format!("GET /first HTTP/{version}\r\nHost: a\r\n{field}\r\n");
        let replies = stage.send(&(first + &last("/second")));
        assert_eq!(replies.len(), 1 + usize::from(is_kept), "{version} {field:?}: {replies:?}");
        assert_eq!(replies[0].text(), "GET /first");
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let with_body = |status: u16| Answer::status(status).header("x-a", "1");
    let upstream = Upstream::builder()
        .route("/204", Answer::raw("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello"))
        .route(
            "/304",
            Answer::raw("HTTP/1.1 304 Not\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello"),
        )
        .route("/205", with_body(205))
        .fallback(Answer::ok("hello"))
        .start();
    let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.stream().set_timeout(Some(TIMEOUT)).unwrap();
    for (method, path, status, length) in [
        ("HEAD", "/", 200, Some("5")),
        ("GET", "/204", 204, None),
        ("GET", "/", 200, Some("5")),
        ("GET", "/304", 304, Some("5")),
        ("HEAD", "/204", 204, None),
        ("GET", "/205", 205, Some("0")),
        ("HEAD", "/", 200, Some("5")),
        ("GET", "/", 200, Some("5")),
    ] {
        client.send(&encode(method, path, &[], b"")).unwrap();
        let answer = client.response(method).unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
        // 304 may leave the length out.
        if status != 304 {
            assert_eq!(answer.header("content-length"), length, "{method} {path}");
        }
        assert_eq!(answer.text(), if method == "GET" && status == 200 { "hello" } else { "" });
    }
}

#[test]
fn an_old_client_gets_an_answer_that_it_can_read() {
    let gap = std::time::Duration::from_millis(1);
    let chunked = Answer::status(200).chunks(&["ab", "cd"], gap);
    let upstream = Upstream::builder().fallback(chunked).start();
    let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    for field in ["", "Connection: keep-alive\r\n"] {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(format!("GET / HTTP/1.0\r\n{field}\r\n").as_bytes()).unwrap();
        let rest = String::from_utf8(client.rest().unwrap()).unwrap();
        assert!(rest.ends_with("\r\n\r\nabcd"), "{rest:?}");
        assert!(!rest.to_lowercase().contains("transfer-encoding"), "{rest:?}");
    }
}

/// What was sent while the answer was on its way must not reset the connection under it (RFC 9112 section 9.6).
#[test]
fn a_client_that_still_sends_reads_its_refusal() {
    let stage = Stage::with("max_body_size = \"64KiB\"");
    let mut body = vec![b'x'; 4 << 20];
    let rows = [
        (413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a b\r\nContent-Length: 4194304\r\n\r\n"),
        (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (403, "POST /admin HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n"),
        (413, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n"),
    ];
    body.fill(b'x');
    for (status, head) in rows {
        let mut connection = stage.open();
        connection.send(head.as_bytes()).unwrap();
        connection.send(&body).unwrap_or_else(|problem| panic!("{head:?}: {problem}"));
        let replies = super::replies::read(&connection.rest().unwrap()).unwrap();
        let told: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(told, [status], "{head:?}");
    }
    assert!(stage.tap.seen().requests.is_empty());
}

#[test]
fn what_was_expected_but_not_asked_for_is_no_request() {
    let stage = Stage::new();
    // The answer comes without a 100: whether the body follows is open, so the connection ends.
    let head =
        "POST /admin HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n";
    let replies = stage.send(head);
    assert_eq!(replies.iter().map(|r| r.status).collect::<Vec<_>>(), [403]);
    let replies = stage.send(&format!("{head}{}", get("/smuggled")));
    assert_eq!(replies.iter().map(|r| r.status).collect::<Vec<_>>(), [403]);
    assert!(stage.tap.seen().bytes.is_empty());
}

#[test]
fn a_refusal_is_told_though_the_answers_before_it_fill_all_buffers() {
    let large = 16 << 20;
    let upstream = Upstream::builder().fallback(Answer::ok(vec![b'a'; large])).start();
    let cofferdam = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&bytes(&(get("/") + "nonsense\r\n\r\n"))).unwrap();
    upstream.wait_for(1);
    let first = client.response("GET").unwrap();
    assert_eq!((first.status, first.body.len()), (200, large));
    let second = client.response("GET").unwrap();
    assert_eq!((second.status, second.reason().as_str()), (400, "bad_request"));
}
