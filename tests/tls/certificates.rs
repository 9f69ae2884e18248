//! Certificates that change while the proxy runs, and files that it does not start with.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{get, start, start_with, upstream};
use crate::support::authority::{Authority, Pair};
use crate::support::https::session;
use crate::support::program::File;
use crate::support::{Cofferdam, Trust};

const LISTENER: (&str, &str) = ("listener", "https");
/// Files are looked at every two seconds.
const SEEN: Duration = Duration::from_secs(10);

fn write(cofferdam: &Cofferdam, pair: &Pair) {
    fs::write(cofferdam.beside("cert.pem"), &pair.certificate).unwrap();
    fs::write(cofferdam.beside("key.pem"), &pair.key).unwrap();
}

/// Whether a new connection is shown this certificate.
fn shows(cofferdam: &Cofferdam, authority: &Authority, pair: &Pair) -> bool {
    let client = Trust::of(authority).open(cofferdam.addr()).unwrap();
    let shown = session(&client).peer_certificates().unwrap()[0].clone();
    shown == CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()
}

#[track_caller]
fn reloads(cofferdam: &Cofferdam, result: &str) -> f64 {
    let labels = [LISTENER, ("result", result)];
    cofferdam.metric("cofferdam_tls_certificate_reloads_total", &labels)
}

#[track_caller]
fn expiry(cofferdam: &Cofferdam) -> f64 {
    cofferdam.metric("cofferdam_tls_certificate_expiry_timestamp_seconds", &[LISTENER])
}

#[test]
fn a_changed_certificate_is_taken_and_open_connections_live() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let mut old = Trust::of(&authority).open(cofferdam.addr()).unwrap();
    assert_eq!(old.request("GET", "/", &[], b"").unwrap().text(), "made");
    assert_eq!((reloads(&cofferdam, "ok"), reloads(&cofferdam, "failed")), (0.0, 0.0));
    let before = expiry(&cofferdam);
    let new = authority.issue_until(2090);
    write(&cofferdam, &new);
    eventually!(within SEEN; shows(&cofferdam, &authority, &new));
    assert_eq!(old.request("GET", "/", &[], b"").unwrap().text(), "made");
    assert_eq!(reloads(&cofferdam, "ok"), 1.0);
    // The first day of 4096, and the last of 2090.
    assert_eq!((before, expiry(&cofferdam)), (67_090_118_400.0, 3_818_361_600.0));
}

#[test]
fn sighup_reads_at_once_and_ends_nothing() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    for count in 1..=3 {
        cofferdam.signal(Signal::HUP);
        eventually!(reloads(&cofferdam, "ok"), |n| *n == f64::from(count));
    }
    assert_eq!(get(&cofferdam, &Trust::of(&authority)), "made");
    let told = |line: &String| line.contains("SIGHUP: reading the certificates of 1 listener");
    eventually!(cofferdam.stderr(), |lines| lines.iter().filter(|l| told(l)).count() == 3);

    let plain = Cofferdam::start(&format!("upstream = \"{}\"\n", upstream.url()));
    plain.signal(Signal::HUP);
    let told = |line: &String| line.contains("SIGHUP: reading the certificates of 0 listeners");
    eventually!(plain.stderr(), |lines| lines.iter().any(told));
    assert_eq!(plain.get("/").text(), "made");
}

#[test]
fn a_broken_pair_keeps_the_old_one() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let (good, other) = (authority.issue(), authority.issue());
    write(&cofferdam, &good);
    cofferdam.signal(Signal::HUP);
    eventually!(reloads(&cofferdam, "ok"), |n| *n >= 1.0);
    // A look between two writes sees a pair that does not fit.
    let before = reloads(&cofferdam, "failed");
    let rows = [
        ("key.pem", other.key.as_str(), "is not that of the certificate"),
        ("key.pem", "", "holds no private key in PEM"),
        ("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n", "ends in the middle of a section"),
    ];
    for (index, (name, text, why)) in rows.iter().enumerate() {
        fs::write(cofferdam.beside(name), text).unwrap();
        eventually!(within SEEN; reloads(&cofferdam, "failed"), |n| *n > before + index as f64);
        let told =
            |line: &String| line.contains("the old certificate is kept") && line.contains(why);
        eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
        assert!(shows(&cofferdam, &authority, &good), "{why}");
    }
    fs::remove_file(cofferdam.beside("cert.pem")).unwrap();
    eventually!(within SEEN; reloads(&cofferdam, "failed"), |n| *n > before + rows.len() as f64);
    write(&cofferdam, &other);
    eventually!(within SEEN; shows(&cofferdam, &authority, &other));
}

#[test]
fn an_authority_that_is_replaced_lets_nobody_of_the_old_one_in() {
    let (authority, before, after) = (Authority::new(), Authority::new(), Authority::new());
    let upstream = upstream();
    let tls = ", client_ca = \"ca.pem\"";
    let cofferdam = start_with(&authority, &upstream.url(), tls, "", &[("ca.pem", before.pem())]);
    let trust = Trust::in_version(&authority, None, Some(&before.issue()));
    assert_eq!(get(&cofferdam, &trust), "made");
    fs::write(cofferdam.beside("ca.pem"), after.pem()).unwrap();
    eventually!(within SEEN; reloads(&cofferdam, "ok"), |n| *n == 1.0);
    // Its session could be resumed, if the keys of tickets were still the same.
    let refused = trust.open(cofferdam.addr()).and_then(|mut c| c.request("GET", "/", &[], b""));
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(get(&cofferdam, &Trust::in_version(&authority, None, Some(&after.issue()))), "made");
}

/// A file with these three files of one listener beside it.
fn file(cert: Option<&str>, key: Option<&str>, ca: Option<&str>) -> File {
    let client = if ca.is_some() { ", client_ca = \"ca.pem\"" } else { "" };
    let mut file = File::of(&format!(
        "[[server.listeners]]\nname = \"https\"\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = \"cert.pem\", key = \"key.pem\"{client} }}\n[admin]\naddress = \"off\"\n"
    ));
    for (name, text) in [("cert.pem", cert), ("key.pem", key), ("ca.pem", ca)] {
        if let Some(text) = text {
            file = file.with(name, text.as_bytes());
        }
    }
    file
}

#[test]
fn files_that_do_not_do_are_named_with_their_mend() {
    let authority = Authority::new();
    let (pair, other) = (authority.issue(), authority.issue());
    let (cert, key) = (pair.certificate.as_str(), pair.key.as_str());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let rows = [
        (None, Some(key), None, "cannot read the certificate", "check the path"),
        (Some(cert), None, None, "cannot read the key", "check the path"),
        (Some(""), Some(key), None, "cert.pem holds no certificate in PEM", "BEGIN CERTIFICATE"),
        (Some(key), Some(key), None, "cert.pem holds no certificate in PEM", "BEGIN CERTIFICATE"),
        (Some(cert), Some(cert), None, "key.pem holds no private key in PEM", "BEGIN PRIVATE KEY"),
        (Some(&cert[..200]), Some(key), None, "cert.pem is no PEM file", "write the file anew"),
        (Some(nonsense), Some(key), None, "no X.509 certificate", "write the file anew"),
        (Some(cert), Some(encrypted), None, "key.pem is encrypted", "openssl pkey"),
        (Some(cert), Some(bad_key), None, "key.pem cannot be used", "take an RSA key"),
        (
            Some(cert),
            Some(&other.key),
            None,
            "key.pem is not that of the certificate",
            "made together",
        ),
        (
            Some(cert),
            Some(key),
            Some(""),
            "ca.pem holds no certificate in PEM",
            "BEGIN CERTIFICATE",
        ),
        (Some(cert), Some(key), Some(nonsense), "no X.509 certificate", "write the file anew"),
    ];
    for (cert, key, ca, what, mend) in rows {
        let file = file(cert, key, ca);
        for command in ["check", "run"] {
            let ended = file.run(command, &[]);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""), "{what}: {ended:?}");
            let told = ended.stderr.lines().skip_while(|line| !line.starts_with("error: "));
            let [title, place, help] = told.collect::<Vec<_>>()[..] else { panic!("{ended:?}") };
            assert!(title.starts_with("error: listener `https`: "), "{what}: {ended:?}");
            assert_eq!(place, format!(" --> {}:4", file.path()));
            assert!(title.contains(what) && help.contains(mend), "{what}: {ended:?}");
            assert!(help.starts_with("  = help: "), "{what}: {ended:?}");
        }
    }
    let ended = file(Some(cert), Some(key), Some(authority.pem())).run("check", &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}

#[test]
fn a_certificate_that_has_expired_is_served_with_a_warning() {
    let (authority, upstream) = (Authority::new(), upstream());
    let cofferdam = start(&authority, &upstream.url(), "");
    let expired = authority.issue_until(2001);
    let ended = file(Some(&expired.certificate), Some(&expired.key), None).run("check", &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.starts_with("warning: listener `https`: the certificate in "),
        "{ended:?}"
    );
    assert!(ended.stderr.ends_with("cert.pem has expired\n"), "{ended:?}");
    write(&cofferdam, &expired);
    cofferdam.signal(Signal::HUP);
    let told = |line: &String| line.contains("WARN") && line.contains("has expired");
    eventually!(within SEEN; cofferdam.stderr(), |lines| lines.iter().any(told));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(expiry(&cofferdam) < now);
    let refused = Trust::of(&authority).open(cofferdam.addr()).unwrap_err();
    assert!(refused.to_string().contains("xpired"), "{refused}");
}
