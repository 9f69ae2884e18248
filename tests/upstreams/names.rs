//! Names of upstreams: looked up off the event loops, and nothing stops for one that cannot be found.

use super::{errors, is_logged, named, of, refused, start};
use crate::support::http;

#[test]
fn a_name_with_several_addresses_is_served_by_those_that_listen() {
    let app = named("app");
    let url = app.url().replace("127.0.0.1", "localhost");
    let cofferdam = start(&format!("url = \"{url}\"\n"));
    for _ in 0..10 {
        assert_eq!(cofferdam.get("/").text(), "app");
        assert_eq!(http::post(cofferdam.addr(), "/", b"x").text(), "app");
    }
    assert_eq!(of(&cofferdam, "up", &[("endpoint", &url)]), 1.0);
    let address = app.url().replace("http://", "");
    eventually!(is_logged(&cofferdam, &["upstream `app`: localhost is at", &address]));
}

#[test]
fn a_name_that_cannot_be_found_stops_nothing() {
    let app = named("app");
    let lines = format!(
        "urls = [\"http://no-such-host.invalid:80\", \"{}\"]\n[upstreams.lost]\n\
         url = \"http://no-such-host.invalid\"\n[[routes]]\npath = \"/lost\"\nproxy = \"lost\"\n",
        app.url()
    );
    let cofferdam = start(&lines);
    for _ in 0..4 {
        assert_eq!(cofferdam.get("/").text(), "app");
    }
    refused(&cofferdam.get("/lost"), 502, "upstream_connect");
    let lost = [("upstream", "lost"), ("reason", "resolve")];
    assert_eq!(cofferdam.metric("cofferdam_upstream_errors_total", &lost), 1.0);
    assert_eq!(errors(&cofferdam, "resolve"), 0.0);
    let endpoint = [("endpoint", "http://no-such-host.invalid:80")];
    assert_eq!(cofferdam.metric("cofferdam_upstream_up", &endpoint), 0.0);
    let words = ["upstream `lost`", "no-such-host.invalid cannot be looked up"];
    eventually!(is_logged(&cofferdam, &words));
}
