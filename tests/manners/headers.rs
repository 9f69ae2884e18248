//! `request_headers` and `response_headers`, and what a client or an upstream cannot do about them.

use super::answering;
use crate::support::http::{self, Connection};
use crate::support::{Answer, Cofferdam};

const ROUTE: &str = r#"
[[routes]]
prefix = "/"
proxy = "{}"
request_headers = { set = { X-User = "operator", x-two = "2" }, add = { x-more = "3" }, remove = ["x-debug", "cookie"] }
response_headers = { set = { strict-transport-security = "max-age=1" }, add = { x-more = "b" }, remove = ["server"] }
"#;

#[test]
fn they_are_changed_on_the_way_there_and_back() {
    let answer = Answer::ok("up").header("server", "old/1.0").header("x-more", "a");
    let (upstream, cofferdam) = answering(answer, ROUTE);
    let sent = [
        ("x-user", "forged"),
        ("x-user", "twice"),
        ("x-debug", "1"),
        ("cookie", "a=b"),
        ("x-more", "0"),
        ("x-kept", "k"),
    ];
    let answer = http::request(cofferdam.addr(), "GET", "/", &sent, b"");
    let seen = &upstream.wait_for(1)[0];
    for (name, values) in [
        ("x-user", &["operator"][..]),
        ("x-two", &["2"]),
        ("x-more", &["0", "3"]),
        ("x-kept", &["k"]),
        ("x-debug", &[]),
        ("cookie", &[]),
    ] {
        assert_eq!(seen.header_all(name), values, "{name}");
    }
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=1"));
    assert_eq!(answer.header("server"), None);
    let more: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "x-more").collect();
    assert_eq!(more.len(), 2, "{:?}", answer.headers);
}

/// Known as hop-by-hop abuse: what is set for the upstream is named as belonging to the connection.
#[test]
fn a_client_cannot_list_away_what_is_set() {
    let (upstream, cofferdam) = answering(Answer::ok("up"), ROUTE);
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    let listed = "x-user, x-forwarded-for, x-request-id, traceparent, x-own";
    let headers = [("connection", listed), ("x-own", "1"), ("x-forwarded-for", "6.6.6.6")];
    assert_eq!(connection.request("GET", "/", &headers, b"").unwrap().status, 200);
    let seen = &upstream.wait_for(1)[0];
    assert_eq!(seen.header("x-user"), Some("operator"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert!(seen.header("x-request-id").is_some() && seen.header("traceparent").is_some());
    assert_eq!(seen.header("x-own"), None);
    assert_eq!(connection.request("GET", "/", &[], b"").unwrap().status, 200);
}

#[test]
fn fixed_answers_have_them_and_the_proxy_s_own_words_do_not() {
    let cofferdam = Cofferdam::start(
        r#"
[[routes]]
path = "/fixed"
respond = { status = 404, body = "none\n" }
response_headers = { set = { x-a = "${A:-from the environment}" } }

[[routes]]
path = "/down"
proxy = "http://127.0.0.1:1"
response_headers = { set = { x-a = "b" } }
"#,
    );
    assert_eq!(cofferdam.get("/fixed").header("x-a"), Some("from the environment"));
    let down = cofferdam.get("/down");
    assert_eq!((down.status, down.header("x-a")), (502, None));
}
