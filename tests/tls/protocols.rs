//! HTTP/1.1 and HTTP/2 over TLS: what was agreed on is spoken, and the app learns of it.

use std::process::Command;

use rustls::HandshakeKind;

use super::{errors, get, start, upstream};
use crate::support::authority::Authority;
use crate::support::http::{self, Connection, encode};
use crate::support::https::{HOST, VERSIONS, session};
use crate::support::{Answer, Http2, Trust, Upstream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn http_1_over_both_versions() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    assert!(cofferdam.stdout()[0].starts_with("listening https https://127.0.0.1:"));
    for version in VERSIONS {
        let trust = Trust::in_version(&authority, Some(version), None);
        let mut client = trust.open(cofferdam.addr()).unwrap();
        assert_eq!(session(&client).protocol_version(), Some(version.version));
        for _ in 0..2 {
            assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "made");
        }
    }
    for seen in upstream.wait_for(4) {
        assert_eq!(seen.header_all("x-forwarded-proto"), ["https"]);
        assert_eq!(seen.header_all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen.header_all("x-forwarded-host"), ["test"]);
    }
    assert_eq!(errors(&cofferdam, "tls"), 0.0);
    assert_eq!(cofferdam.metric("cofferdam_connections_total", &[("listener", "https")]), 2.0);
}

#[test]
fn http_2_where_it_was_agreed_on() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let trust = Trust::of(&authority);
    for asked in [&["h2", "http/1.1"][..], &["http/1.1", "h2"], &["h2"], &[]] {
        let client = Http2::open_tls(cofferdam.addr(), &trust.asking(asked));
        let url = format!("https://{HOST}/");
        assert_eq!(client.send(Http2::request("GET", &url, b"")).text(), "made", "{asked:?}");
    }
    for seen in upstream.wait_for(4) {
        assert_eq!(seen.header_all("x-forwarded-proto"), ["https"]);
    }
}

#[test]
fn what_was_agreed_on_is_told() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let rows: [(&[&str], Option<&str>); 5] = [
        (&["h2", "http/1.1"], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["http/1.0", "http/1.1"], Some("http/1.1")),
        (&[], None),
    ];
    for (asked, agreed) in rows {
        let client = Trust::of(&authority).asking(asked).open(cofferdam.addr()).unwrap();
        assert_eq!(session(&client).alpn_protocol(), agreed.map(str::as_bytes), "{asked:?}");
    }
    assert_eq!(errors(&cofferdam, "tls"), 0.0);
    let refused = Trust::of(&authority).asking(&["spdy/3"]).open(cofferdam.addr()).unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    eventually!(errors(&cofferdam, "tls") == 1.0);
}

#[test]
fn nothing_else_is_spoken_than_what_was_agreed_on() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let mut client = Trust::of(&authority).asking(&["http/1.1"]).open(cofferdam.addr()).unwrap();
    client.send(PREFACE).unwrap();
    let answer = client.response("GET").unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (400, "bad_request"), "{answer:?}");
    assert_eq!(client.rest().unwrap(), b"");

    let mut client = Trust::of(&authority).asking(&["h2"]).open(cofferdam.addr()).unwrap();
    client.send(&encode("GET", "/", &[], b"")).unwrap();
    let answer = client.rest().unwrap_or_default();
    assert!(!answer.windows(6).any(|word| word == b"HTTP/1"), "{answer:?}");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn without_an_agreement_the_first_bytes_tell() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let trust = Trust::of(&authority);
    assert_eq!(get(&cofferdam, &trust), "made");
    let client = Http2::open_tls(cofferdam.addr(), &trust);
    assert_eq!(client.send(Http2::request("GET", "https://localhost/", b"")).text(), "made");
}

#[test]
fn sessions_are_resumed() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    for version in VERSIONS {
        let trust = Trust::in_version(&authority, Some(version), None);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = trust.open(cofferdam.addr()).unwrap();
            assert_eq!(client.request("GET", "/", &[], b"").unwrap().text(), "made");
            assert_eq!(session(&client).handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[test]
fn large_bodies_pass_both_ways() {
    let body = vec![b'z'; 5 << 20];
    let authority = Authority::new();
    let upstream = Upstream::builder().fallback(Answer::ok(body.clone())).start();
    let cofferdam = start(&authority, &upstream.url(), "");
    let trust = Trust::of(&authority);
    let mut client = trust.open(cofferdam.addr()).unwrap();
    let answer = client.request("POST", "/", &[], &body).unwrap();
    assert!(answer.complete && answer.body == body, "{} bytes", answer.body.len());
    let client = Http2::open_tls(cofferdam.addr(), &trust.asking(&["h2"]));
    let answer = client.send(Http2::request("POST", "https://localhost/", &body));
    assert!(answer.complete && answer.body == body, "{} bytes", answer.body.len());
    assert!(upstream.wait_for(2).iter().all(|seen| seen.body == body));
}

#[test]
fn the_connection_says_what_the_scheme_is_not_the_target() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let trust = Trust::of(&authority);
    let mut client = trust.open(cofferdam.addr()).unwrap();
    let forged = [("x-forwarded-proto", "http")];
    assert_eq!(client.request("GET", "http://a/", &forged, b"").unwrap().status, 200);
    let client = Http2::open_tls(cofferdam.addr(), &trust.asking(&["h2"]));
    assert_eq!(client.send(Http2::request("GET", "http://a/", b"")).status, 200);
    assert!(upstream.wait_for(2).iter().all(|s| s.header_all("x-forwarded-proto") == ["https"]));

    let cleartext =
        crate::support::Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    let mut client = Connection::open(cleartext.addr()).unwrap();
    assert_eq!(client.request("GET", "https://a/", &[], b"").unwrap().status, 200);
    let client = Http2::open(cleartext.addr());
    assert_eq!(client.send(Http2::request("GET", "https://a/", b"")).status, 200);
    assert!(
        upstream.wait_for(4)[2..].iter().all(|s| s.header_all("x-forwarded-proto") == ["http"])
    );
}

#[test]
fn plain_http_is_told_that_this_is_https() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    for (method, body) in [("GET", vec![]), ("POST", vec![b'x'; 256 << 10])] {
        let answer = http::request(cofferdam.addr(), method, "/", &[], &body);
        assert_eq!((answer.status, answer.reason().as_str()), (400, "bad_request"), "{answer:?}");
        assert!(answer.complete && answer.text().contains("plain HTTP was sent to an HTTPS port"));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert_eq!(errors(&cofferdam, "tls"), 2.0);
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn what_is_no_tls_is_refused_and_counted() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let rows: [&[u8]; 4] = [
        b"\0\0\0\0\0\0\0\0",
        b"\x16\x03\x01\0\x05nonsense",
        b"\x16\x03\x01\xff\xff",
        b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10",
    ];
    for (index, bytes) in rows.iter().enumerate() {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(bytes).unwrap();
        let answer = client.rest().unwrap();
        assert!(answer.is_empty() || answer[0] == 0x15, "no alert: {answer:?}");
        eventually!(errors(&cofferdam, "tls"), |n| *n == index as f64 + 1.0);
    }
    // A health check that only connects is no failure.
    drop(Connection::open(cofferdam.addr()).unwrap());
    eventually!(cofferdam.metric("cofferdam_connections_open", &[]) == 0.0);
    assert_eq!(errors(&cofferdam, "tls"), rows.len() as f64);
}

#[test]
fn curl_and_openssl_agree() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let url = format!("https://{}/", cofferdam.addr());
    for (option, version) in
        [("--http1.1", "1.1"), ("--http2", "2"), ("--http2-prior-knowledge", "2")]
    {
        let mut curl = Command::new("curl");
        curl.args(["-sS", option, "-w", " %{http_version}", "--cacert"]).arg(&ca).arg(&url);
        let Ok(ended) = curl.output() else { return crate::support::skip("no curl") };
        let (told, why) =
            (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert_eq!(told, format!("made {version}"), "{option}: {why}");
    }
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-brief", "-alpn", "h2", "-verify_return_error", "-CAfile"]).arg(&ca);
    openssl.args(["-connect", &cofferdam.addr().to_string()]).stdin(std::process::Stdio::null());
    let Ok(ended) = openssl.output() else { return crate::support::skip("no openssl") };
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(
        told.contains("Protocol version: TLSv1.3") && told.contains("Verification: OK"),
        "{told}"
    );
}
