//! TLS to upstreams: whom the proxy believes, what it shows of itself, and what it says of files that are of no use.

use super::{errors, is_logged, named, of, refused, start};
use crate::support::http::Connection;
use crate::support::program::File;
use crate::support::{Authority, Cofferdam, TlsFront, Upstream};

/// An app behind TLS, and the files that its clients need.
struct Secure {
    app: Upstream,
    authority: Authority,
    front: TlsFront,
    files: File,
}

impl Secure {
    /// With a certificate for `name`; demands one of its clients by the same authority where it is told to.
    fn start(name: &str, demands_certificate: bool) -> Self {
        let (app, authority) = (named("app"), Authority::new());
        let clients = demands_certificate.then_some(&authority);
        let pair = authority.issue_for(&[name]);
        let front = TlsFront::start(app.place(), &pair, &["h2", "http/1.1"], clients);
        let client = authority.issue_for(&["client.internal"]);
        let files = File::of("")
            .with("ca.pem", authority.pem().as_bytes())
            .with("client.pem", client.certificate.as_bytes())
            .with("client.key", client.key.as_bytes());
        Self { app, authority, front, files }
    }

    /// A proxy to it, with these keys in `tls`; `FILES` is where the files are.
    fn proxy(&self, tls: &str) -> Cofferdam {
        let tls = tls.replace("FILES/", &self.files.beside(""));
        start(&format!("url = \"{}\"\ntls = {{ {tls} }}\n", self.front.url()))
    }
}

#[test]
fn a_private_authority_is_believed_and_connections_are_used_again() {
    let secure = Secure::start("127.0.0.1", false);
    let cofferdam = secure.proxy("ca = \"FILES/ca.pem\"");
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    for _ in 0..5 {
        let answer = client.request("POST", "/", &[], b"body").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "app"));
    }
    assert_eq!(secure.app.requests().len(), 5);
    assert_eq!(secure.app.requests()[0].header_all("host"), ["test"]);
    let shown = secure.front.shown();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0].protocol.as_deref(), Some("http/1.1"));
    assert_eq!(of(&cofferdam, "connections", &[]), 1.0);
    assert_eq!(of(&cofferdam, "connect_seconds_count", &[]), 1.0);
}

#[test]
fn a_server_name_is_asked_for_and_verified() {
    let secure = Secure::start("app.internal", false);
    let cofferdam = secure.proxy("ca = \"FILES/ca.pem\", server_name = \"app.internal\"");
    assert_eq!(cofferdam.get("/").text(), "app");
    assert_eq!(secure.front.shown()[0].name.as_deref(), Some("app.internal"));
}

#[test]
fn a_wrong_name_is_refused_and_the_log_says_why() {
    let secure = Secure::start("other.internal", false);
    let cofferdam = secure.proxy("ca = \"FILES/ca.pem\", server_name = \"app.internal\"");
    refused(&cofferdam.get("/"), 502, "upstream_connect");
    assert_eq!(errors(&cofferdam, "tls"), 1.0);
    let words = ["upstream `app`", &secure.front.url(), "app.internal", "other.internal"];
    eventually!(is_logged(&cofferdam, &words));
    assert!(secure.app.requests().is_empty());
}

#[test]
fn an_unknown_authority_is_refused() {
    let secure = Secure::start("127.0.0.1", false);
    let stranger = File::of("").with("ca.pem", Authority::new().pem().as_bytes());
    let cofferdam = secure.proxy(&format!("ca = \"{}\"", stranger.beside("ca.pem")));
    refused(&cofferdam.get("/"), 502, "upstream_connect");
    eventually!(is_logged(&cofferdam, &["upstream `app`", "invalid peer certificate"]));
    assert!(secure.app.requests().is_empty());
}

#[test]
fn verify_false_believes_anybody_and_says_so() {
    let secure = Secure::start("other.internal", false);
    let cofferdam = secure.proxy("verify = false");
    assert_eq!(cofferdam.get("/").text(), "app");
    eventually!(is_logged(&cofferdam, &["upstream `app` is not verified", "tls.verify = false"]));
}

#[test]
fn a_client_certificate_is_shown() {
    let secure = Secure::start("127.0.0.1", true);
    let tls =
        "ca = \"FILES/ca.pem\", certificate = \"FILES/client.pem\", key = \"FILES/client.key\"";
    let cofferdam = secure.proxy(tls);
    assert_eq!(cofferdam.get("/").text(), "app");
    assert_eq!(secure.front.shown()[0].certificates, 1);
}

#[test]
fn without_the_certificate_that_is_demanded_there_is_no_answer() {
    let secure = Secure::start("127.0.0.1", true);
    let cofferdam = secure.proxy("ca = \"FILES/ca.pem\"");
    let answer = cofferdam.get("/");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(secure.app.requests().is_empty());
    eventually!(is_logged(&cofferdam, &["upstream `app`", "CertificateRequired"]));
}

#[test]
fn files_of_no_use_are_told_by_check_and_at_the_start() {
    let secure = Secure::start("127.0.0.1", false);
    let other = secure.authority.issue_for(&["x"]).key;
    let tls = [
        ("{ ca = \"no.pem\" }", "`tls.ca`: cannot read ", "check the path"),
        ("{ ca = \"bad.pem\" }", "bad.pem holds no certificate in PEM", "-----BEGIN CERTIFICATE"),
        (
            "{ certificate = \"client.pem\", key = \"ca.pem\" }",
            "ca.pem holds no private key in PEM",
            "-----BEGIN PRIVATE KEY",
        ),
        (
            "{ certificate = \"client.pem\", key = \"other.key\" }",
            "other.key: keys may not be consistent",
            "the private key that belongs to it",
        ),
    ];
    for (tls, problem, mend) in tls {
        let text = format!("listen = \":0\"\n[upstreams.app]\nurl = \"https://a\"\ntls = {tls}\n");
        let read = |name| std::fs::read(secure.files.beside(name)).unwrap();
        let file = File::of(&text)
            .with("bad.pem", b"no PEM")
            .with("ca.pem", &read("ca.pem"))
            .with("client.pem", &read("client.pem"))
            .with("other.key", other.as_bytes());
        for command in ["check", "run"] {
            let ended = file.run(command, &[]);
            assert_eq!(ended.code, Some(78), "{command}: {ended:?}");
            for words in ["error: upstream `app`: ", problem, mend, "cofferdam.toml:4"] {
                assert!(ended.stderr.contains(words), "{command}: {words}: {}", ended.stderr);
            }
        }
    }
}
