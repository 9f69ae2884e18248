//! HTTP/2 to upstreams: by prior knowledge in clear text, by ALPN over TLS, and never by guess.

use super::{errors, is_logged, named, of, refused, start};
use crate::support::http::{self, Connection};
use crate::support::load::at_once;
use crate::support::program::File;
use crate::support::{Authority, TlsFront, Upstream2};

#[test]
fn prior_knowledge_in_clear_text() {
    let app = Upstream2::start();
    let cofferdam = start(&format!("url = \"{}\"\nprotocol = \"http2\"\n", app.url()));
    let answer = http::request(cofferdam.addr(), "POST", "/a?b=c", &[("x", "y")], b"body");
    assert_eq!((answer.status, answer.text().as_str()), (200, "/a?b=c"));
    let seen = app.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("POST", &b"body"[..]));
    assert_eq!((seen.scheme.as_str(), seen.authority.as_str()), ("http", "test"));
    assert_eq!((seen.path.as_str(), seen.host), ("/a?b=c", None));
}

#[test]
fn requests_share_a_connection() {
    let app = Upstream2::start();
    let cofferdam = start(&format!("url = \"{}\"\nprotocol = \"http2\"\n", app.url()));
    let address = cofferdam.addr();
    assert_eq!(cofferdam.get("/").status, 200);
    let (answers, _) = at_once(8, move |_| {
        let mut client = Connection::open(address).unwrap();
        (0..10).all(|_| client.request("GET", "/", &[], b"").unwrap().status == 200)
    });
    assert_eq!(answers, [true; 8]);
    assert_eq!(app.seen().len(), 81);
    assert!(app.connections() < 20, "{} connections", app.connections());
}

#[test]
fn a_large_body_passes_and_a_websocket_is_a_request_like_any_other() {
    let app = Upstream2::start();
    let cofferdam = start(&format!("url = \"{}\"\nprotocol = \"http2\"\n", app.url()));
    let body = vec![7; 3 << 20];
    assert_eq!(http::post(cofferdam.addr(), "/large", &body).status, 200);
    assert!(app.seen()[0].body == body);
    let wish = [("connection", "upgrade"), ("upgrade", "websocket")];
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    assert_eq!(client.request("GET", "/chat", &wish, b"").unwrap().text(), "/chat");
}

#[test]
fn a_shared_connection_that_rests_is_dropped_in_time() {
    let app = Upstream2::start();
    let lines = format!("url = \"{}\"\nprotocol = \"http2\"\n", app.url());
    let cofferdam = start(&(lines + "idle_timeout = \"100ms\"\n"));
    for _ in 0..2 {
        assert_eq!(cofferdam.get("/").status, 200);
        eventually!(of(&cofferdam, "connections", &[]), |count| *count == 0.0);
    }
    assert_eq!(app.connections(), 2);
}

#[test]
fn alpn_over_tls_and_checks_too() {
    let (app, authority) = (Upstream2::start(), Authority::new());
    let pair = authority.issue_for(&["127.0.0.1"]);
    let front = TlsFront::start(app.place(), &pair, &["h2", "http/1.1"], None);
    let ca = File::of("").with("ca.pem", authority.pem().as_bytes());
    let cofferdam = start(&format!(
        "url = \"{}\"\nprotocol = \"http2\"\ntls = {{ ca = \"{}\" }}\n\
         health = {{ path = \"/healthz\", interval = \"50ms\", host = \"app.internal\" }}\n",
        front.url(),
        ca.beside("ca.pem")
    ));
    assert_eq!(cofferdam.get("/").text(), "/");
    eventually!(app.seen().iter().any(|seen| seen.path == "/healthz"));
    let checked = app.seen().into_iter().find(|seen| seen.path == "/healthz").unwrap();
    assert_eq!((checked.scheme.as_str(), checked.authority.as_str()), ("https", "app.internal"));
    assert!(front.shown().iter().all(|shown| shown.protocol.as_deref() == Some("h2")));
    assert_eq!(of(&cofferdam, "up", &[("endpoint", &front.url())]), 1.0);
}

#[test]
fn an_app_that_does_not_offer_it_is_refused() {
    let (app, authority) = (named("app"), Authority::new());
    let pair = authority.issue_for(&["127.0.0.1"]);
    let ca = File::of("").with("ca.pem", authority.pem().as_bytes());
    for (alpn, told) in [(&["http/1.1"][..], "NoApplicationProtocol"), (&[], "it does not offer")] {
        let front = TlsFront::start(app.place(), &pair, alpn, None);
        let cofferdam = start(&format!(
            "url = \"{}\"\nprotocol = \"http2\"\ntls = {{ ca = \"{}\" }}\n",
            front.url(),
            ca.beside("ca.pem")
        ));
        refused(&cofferdam.get("/"), 502, "upstream_connect");
        assert_eq!(errors(&cofferdam, "tls"), 1.0);
        eventually!(is_logged(&cofferdam, &["upstream `app`", &front.url(), told]));
    }
    assert!(app.requests().is_empty());
}
