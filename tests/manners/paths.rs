//! `strip_prefix` and `rewrite`: what the upstream is asked for, however the client spelled it.

use super::stage;
use crate::support::clib::library;
use crate::support::http;
use crate::support::{Cofferdam, Http2};

const ROUTES: &str = r#"
[[routes]]
prefix = "/v1"
proxy = "{}"
strip_prefix = true

[[routes]]
prefix = "/old"
proxy = "{}"
rewrite = "/new/place"

[[routes]]
path = "/u/{id}"
proxy = "{}"
rewrite = "/users/{id}/card"

[[routes]]
path = "/f/{*rest}"
proxy = "{}"
rewrite = "/{rest}/end"
"#;

#[test]
fn the_upstream_gets_the_other_path_and_the_same_query() {
    let (upstream, cofferdam) = stage(ROUTES);
    let rows = [
        ("/v1/x?a=%2F..&b", "/x?a=%2F..&b"),
        ("/v1", "/"),
        ("/v1?q", "/?q"),
        ("/v1/", "/"),
        ("/v1//x", "/x"),
        ("/x/../v1/./y", "/y"),
        ("/%76%31/z", "/z"),
        ("/v1/a%2Fb", "/a%2Fb"),
        ("/v1/v1", "/v1"),
        ("/old/x", "/new/place/x"),
        ("/old", "/new/place"),
        ("/u/7%20x?q=1", "/users/7%20x/card?q=1"),
        ("/u/%7E", "/users/~/card"),
        ("/f/a/b", "/a/b/end"),
        ("/f/", "/end"),
        ("/f", "/end"),
        ("/f//evil.example/x", "/evil.example/x/end"),
        ("/f/%2Fevil.example", "/%2Fevil.example/end"),
    ];
    for (target, _) in rows {
        assert_eq!(cofferdam.get(target).status, 200, "{target}");
    }
    let seen = upstream.wait_for(rows.len());
    for ((target, expected), seen) in rows.iter().zip(seen) {
        assert_eq!(seen.target, *expected, "{target}");
        assert!(!seen.target.starts_with("//"), "{target}");
    }
}

#[test]
fn a_prefix_that_only_an_encoded_slash_makes_is_not_guessed_at() {
    let (upstream, cofferdam) = stage(ROUTES);
    for target in ["/v1%2Fx", "/v1%2fx/y", "/x%2F..%2Fv1"] {
        let answer = cofferdam.get(target);
        assert_eq!((answer.status, answer.reason().as_str()), (400, "bad_request"), "{target}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn http2_keeps_its_authority_beside_another_path() {
    let (upstream, cofferdam) = stage(ROUTES);
    let request = Http2::request("GET", "http://h.example/v1/x?q", b"");
    assert_eq!(Http2::open(cofferdam.addr()).send(request).status, 200);
    let seen = upstream.wait_for(1);
    assert_eq!((seen[0].target.as_str(), seen[0].header("host")), ("/x?q", Some("h.example")));
}

#[test]
fn a_handler_sees_the_other_path_and_the_parameters_of_the_first() {
    let cofferdam = Cofferdam::start(&format!(
        "[functions.echo]\nlibrary = \"{}\"\nhandler = \"echo\"\n\
         [[routes]]\npath = \"/echo/{{id}}\"\nhandler = \"echo\"\nrewrite = \"/e/{{id}}/x\"\n",
        library("handlers").display()
    ));
    let answer = http::post(cofferdam.addr(), "/echo/7%2B?a=b", b"");
    assert!(answer.text().starts_with("POST /e/7%2B/x?a=b id=7+ "), "{}", answer.text());
}
