//! Who a client says it is: believed only of trusted proxies.

use super::Stage;

const SPOOFED: &str = "X-Forwarded-For: 6.6.6.6\r\nX-FORWARDED-FOR: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n\
     X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /x\r\nX-Forwarded-Server: s\r\n\
     Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n\
     Proxy: http://evil\r\n";

#[test]
fn a_stranger_is_not_believed() {
    let stage = Stage::new();
    for version in ["1.1", "1.0"] {
        let seen = stage.passes(&format!("GET / HTTP/{version}\r\nHost: h\r\n{SPOOFED}"), "");
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
        assert_eq!(seen.all("x-forwarded-host"), ["h"]);
        for name in [
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-forwarded-server",
            "forwarded",
            "x-real-ip",
            "x-original-url",
            "x-rewrite-url",
            "proxy",
        ] {
            assert_eq!(seen.all(name), [""; 0], "{name}");
        }
    }
}

#[test]
fn connection_cannot_take_away_what_the_proxy_says() {
    let stage = Stage::new();
    let listed = "Connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host";
    let seen = stage.passes(&format!("GET / HTTP/1.1\r\nHost: h\r\n{listed}\r\n"), "");
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["h"]);
}

#[test]
fn the_host_that_is_told_is_the_one_that_was_asked_for() {
    let stage = Stage::new();
    let seen = stage.passes("GET http://real.test/ HTTP/1.1\r\nHost: other\r\n", "");
    assert_eq!(seen.all("x-forwarded-host"), ["real.test"]);
    assert_eq!(seen.all("host"), ["real.test"]);
}

#[test]
fn a_trusted_proxy_is_believed_and_added_to_the_list() {
    let stage = Stage::with("trusted_proxies = [\"127.0.0.0/8\"]");
    let told =
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\n";
    let seen = stage.passes(&format!("GET / HTTP/1.1\r\nHost: h\r\n{told}"), "");
    assert_eq!(seen.all("x-forwarded-for").join(", "), "6.6.6.6, 127.0.0.1");
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["outer"]);
}
