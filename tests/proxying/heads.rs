//! Heads through the proxy: what passes as it is, what belongs to one connection, and who is said to have asked.

use super::{proxy_to, same_set};
use crate::support::http::{self, Connection};
use crate::support::{Answer, Cofferdam, Upstream};

#[test]
fn method_target_headers_and_body_pass_as_they_are() {
    for upstream in [Upstream::builder(), Upstream::builder().unix()] {
        let upstream = upstream.fallback(Answer::ok("made")).start();
        let cofferdam = proxy_to(&upstream.url());
        let headers =
            [("X-One", "a, b"), ("x-one", "c"), ("cookie", "k=v"), ("host", "app.test:81")];
        let target = "/a%2Fb/c;d=e?q=1&q=%20&empty=";
        let answer = http::request(cofferdam.addr(), "PATCH", target, &headers, b"body");
        assert_eq!((answer.status, answer.text().as_str()), (200, "made"));

        let seen = upstream.wait_for(1).remove(0);
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PATCH", target));
        assert_eq!((seen.body.as_slice(), seen.complete), (&b"body"[..], true));
        assert_eq!(seen.header_all("host"), ["app.test:81"]);
        assert_eq!(seen.header_all("x-one"), ["a, b", "c"]);
        assert_eq!(seen.header_all("cookie"), ["k=v"]);
        assert_eq!(seen.header_all("content-length"), ["4"]);
    }
}

#[test]
fn any_method_and_any_status_pass() {
    let mut upstream = Upstream::builder();
    let statuses = [200, 201, 204, 206, 301, 304, 400, 404, 418, 500, 503, 599];
    for status in statuses {
        upstream =
            upstream.route(&format!("/{status}"), Answer::status(status).header("x-up", "1"));
    }
    let upstream = upstream.start();
    let cofferdam = proxy_to(&upstream.url());
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    for status in statuses {
        let answer = connection.request("GET", &format!("/{status}"), &[], b"").unwrap();
        assert_eq!((answer.status, answer.header("x-up")), (status, Some("1")));
    }
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "X-OWN"];
    for method in methods {
        assert_eq!(connection.request(method, "/200", &[], b"").unwrap().status, 200);
    }
    let seen: Vec<_> = upstream.wait_for(statuses.len() + methods.len());
    let seen = seen[statuses.len()..].iter().map(|r| r.method.as_str()).collect();
    same_set(seen, methods.to_vec());
}

#[test]
fn what_belongs_to_one_connection_stays_there() {
    let answer = Answer::ok("x")
        .header("connection", "x-private, keep-alive")
        .header("x-private", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-authenticate", "Basic")
        .header("upgrade", "h2c")
        .header("x-public", "2");
    let upstream = Upstream::builder().fallback(answer).start();
    let cofferdam = proxy_to(&upstream.url());
    let sent = [
        ("connection", "close, X-Secret"),
        ("x-secret", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eDp5"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("x-kept", "yes"),
    ];
    let answer = http::request(cofferdam.addr(), "GET", "/", &sent, b"");
    for name in ["x-private", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-public"), Some("2"));

    let seen = upstream.wait_for(1).remove(0);
    for (name, _) in &sent[..sent.len() - 1] {
        assert_eq!(seen.header_all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(seen.header("x-kept"), Some("yes"));
}

const CLAIMS: [(&str, &str); 5] = [
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "bank.test"),
    ("forwarded", "for=6.6.6.6"),
    ("x-real-ip", "6.6.6.6"),
];

#[test]
fn a_stranger_cannot_say_who_it_is() {
    let upstream = Upstream::builder().fallback(Answer::ok("")).start();
    let cofferdam = proxy_to(&upstream.url());
    http::request(cofferdam.addr(), "GET", "/", &CLAIMS, b"");
    let seen = upstream.wait_for(1).remove(0);
    assert_eq!(seen.header_all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.header_all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.header_all("x-forwarded-host"), ["test"]);
    assert_eq!((seen.header("forwarded"), seen.header("x-real-ip")), (None, None));
}

#[test]
fn a_trusted_proxy_is_believed_and_added_to_the_list() {
    let upstream = Upstream::builder().fallback(Answer::ok("")).start();
    for (trusted, believed) in [("127.0.0.0/8", true), ("127.0.0.1", true), ("10.0.0.0/8", false)] {
        let cofferdam =
            super::limited(&upstream.url(), &format!("trusted_proxies = [\"{trusted}\"]"));
        http::request(cofferdam.addr(), "GET", "/", &CLAIMS, b"");
        let seen = upstream.requests().pop().unwrap();
        let list = seen.header_all("x-forwarded-for").join(", ");
        let expected = if believed { "6.6.6.6, 127.0.0.1" } else { "127.0.0.1" };
        assert_eq!(list, expected, "{trusted}");
        let proto = if believed { "https" } else { "http" };
        assert_eq!(seen.header_all("x-forwarded-proto"), [proto], "{trusted}");
    }
}

#[test]
fn a_client_at_a_unix_socket_has_no_address() {
    let upstream = Upstream::builder().fallback(Answer::ok("")).start();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("in.sock");
    let cofferdam = Cofferdam::start(&format!(
        "listen = \"unix:{}\"\nupstream = \"{}\"\n",
        socket.display(),
        upstream.url()
    ));
    http::request(cofferdam.place("http"), "GET", "/", &CLAIMS, b"");
    let seen = upstream.wait_for(1).remove(0);
    assert_eq!(seen.header("x-forwarded-for"), None);
    assert_eq!(seen.header("x-forwarded-host"), Some("test"));
}
