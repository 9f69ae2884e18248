//! Certificates of clients: asked for, required or not, and never believed without their authority.

use super::{errors, start_with, upstream};
use crate::support::authority::{Authority, Pair};
use crate::support::https::VERSIONS;
use crate::support::{Cofferdam, Trust};

/// Whether a request passes with this certificate. TLS 1.3 tells a client only when it reads.
fn passes(
    cofferdam: &Cofferdam,
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
    own: Option<&Pair>,
) -> bool {
    let trust = Trust::in_version(authority, Some(version), own);
    let answer =
        trust.open(cofferdam.addr()).and_then(|mut client| client.request("GET", "/", &[], b""));
    answer.is_ok_and(|answer| answer.status == 200)
}

#[test]
fn who_is_let_in() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let upstream = upstream();
    let (friend, stranger) = (clients.issue(), strangers.issue());
    let expired = clients.issue_until(2001);
    let rows: [(&str, bool); 3] = [
        (", client_ca = \"ca.pem\"", false),
        (", client_ca = \"ca.pem\", client_auth = \"require\"", false),
        (", client_ca = \"ca.pem\", client_auth = \"optional\"", true),
    ];
    for (tls, without) in rows {
        let cofferdam =
            start_with(&authority, &upstream.url(), tls, "", &[("ca.pem", clients.pem())]);
        let mut refused = 0.0;
        for version in VERSIONS {
            let certificates = [
                (Some(&friend), true),
                (None, without),
                (Some(&stranger), false),
                (Some(&expired), false),
            ];
            for (which, (own, expected)) in certificates.into_iter().enumerate() {
                let passes = passes(&cofferdam, &authority, version, own);
                assert_eq!(passes, expected, "{tls}, {version:?}, certificate {which}");
                refused += if passes { 0.0 } else { 1.0 };
            }
        }
        eventually!(errors(&cofferdam, "tls"), |n| *n == refused);
    }
    // What a client says of its certificate is not believed, and what the proxy knows is not passed on.
    let seen = upstream.requests().remove(0);
    assert!(!String::from_utf8_lossy(&seen.head).to_lowercase().contains("cert"), "{seen:?}");
}

#[test]
fn nobody_is_asked_without_an_authority() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start_with(&authority, &upstream.url(), "", "", &[]);
    let own = Authority::new().issue();
    for version in VERSIONS {
        assert!(passes(&cofferdam, &authority, version, Some(&own)), "{version:?}");
    }
}
