//! `redirect` and `scheme`: where a client is sent, whatever it says of itself.

use crate::support::http::{self, Connection};
use crate::support::{Authority, Cofferdam, Trust};

const TO_HTTPS: &str = r#"
[[routes]]
prefix = "/"
scheme = "http"
redirect = { to = "https://{host}{path}" }

[[routes]]
path = "/exact"
host = "exact.example"
respond = { body = "secret\n" }
[server]
trusted_proxies = ["127.0.0.1"]
"#;

#[track_caller]
fn location(cofferdam: &Cofferdam, target: &str, host: &str) -> (u16, String) {
    let answer = http::request(cofferdam.addr(), "GET", target, &[("host", host)], b"");
    assert!(answer.body.is_empty() || answer.status >= 400, "{answer:?}");
    (answer.status, answer.header("location").unwrap_or_default().to_owned())
}

#[test]
fn all_that_comes_by_http_is_sent_to_https() {
    let cofferdam = Cofferdam::start(TO_HTTPS);
    let rows = [
        ("/", "a.example", "https://a.example/"),
        ("/x/../y?q=1&r", "a.example:8080", "https://a.example/y?q=1&r"),
        ("//evil.example/x", "a.example", "https://a.example/evil.example/x"),
        ("/%2F%2Fevil.example", "[::1]:80", "https://[::1]/%2F%2Fevil.example"),
        // More specific, and yet after one that names a scheme.
        ("/exact", "exact.example", "https://exact.example/exact"),
    ];
    for (target, host, expected) in rows {
        assert_eq!(location(&cofferdam, target, host), (308, expected.to_owned()), "{target}");
    }
    let headers = [("host", "exact.example"), ("x-forwarded-proto", "https")];
    let secret = http::request(cofferdam.addr(), "GET", "/exact", &headers, b"");
    assert_eq!((secret.status, secret.text().as_str()), (200, "secret\n"));
}

/// One listener of each kind, and the same routes on both.
#[test]
fn who_speaks_tls_is_there_already() {
    let authority = Authority::new();
    let pair = authority.issue();
    let cofferdam = Cofferdam::builder()
        .config(
            "listen = \"127.0.0.1:0\"\n[[server.listeners]]\nname = \"https\"\naddress = \"127.0.0.1:0\"\n\
             tls = { certificate = \"cert.pem\", key = \"key.pem\" }\n\
             [[routes]]\nprefix = \"/\"\nscheme = \"http\"\nredirect = { to = \"https://{host}{path}\" }\n\
             [[routes]]\npath = \"/\"\nrespond = { body = \"home\" }\n",
        )
        .file("cert.pem", &pair.certificate)
        .file("key.pem", &pair.key)
        .start();
    assert_eq!(cofferdam.get("/").header("location"), Some("https://test/"));
    let mut client = Trust::of(&authority).open(cofferdam.place("https")).unwrap();
    // A stranger cannot say that it came otherwise, either way.
    let headers = [("x-forwarded-proto", "http")];
    assert_eq!(client.request("GET", "/", &headers, b"").unwrap().text(), "home");
}

#[test]
fn a_hostile_host_sends_nobody_anywhere() {
    let cofferdam = Cofferdam::start(TO_HTTPS);
    for host in
        ["evil.example/", "a@evil.example", "a evil.example", "evil.example#", "a:80:80", ""]
    {
        let (status, location) = location(&cofferdam, "/", host);
        assert_eq!((status, location.as_str()), (400, ""), "{host:?}");
    }
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    connection.send(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(connection.response("GET").unwrap().status, 400);
}

#[test]
fn a_stranger_cannot_say_that_it_came_by_https() {
    let cofferdam = Cofferdam::start(&TO_HTTPS.replace("127.0.0.1", "10.0.0.1"));
    let headers = [("host", "exact.example"), ("x-forwarded-proto", "https")];
    assert_eq!(http::request(cofferdam.addr(), "GET", "/exact", &headers, b"").status, 308);
}

#[test]
fn paths_and_names_are_put_together() {
    let cofferdam = Cofferdam::start(
        r#"
[[routes]]
path = "/blog/{year}/{*rest}"
redirect = { to = "https://blog.example/{rest}/of/{year}", status = 301 }

[[routes]]
path = "/move/{*rest}"
redirect = { to = "/{rest}", status = 302 }

[[routes]]
path = "/login"
redirect = { to = "https://id.example:8443/?from=app", status = 303 }
"#,
    );
    let rows = [
        ("/blog/2024/a/b?c", 301, "https://blog.example/a/b/of/2024?c"),
        ("/blog/2024/", 301, "https://blog.example/of/2024"),
        ("/move/x?y", 302, "/x?y"),
        ("/move//evil.example", 302, "/evil.example"),
        ("/move/%2Fevil.example", 302, "/%2Fevil.example"),
        ("/login?next=x", 303, "https://id.example:8443/?from=app"),
    ];
    for (target, status, expected) in rows {
        let told = location(&cofferdam, target, "h");
        assert_eq!(told, (status, expected.to_owned()), "{target}");
    }
}
