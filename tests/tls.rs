//! TLS on a listener, with real clients: what is agreed on, who is let in, how it ends, and certificates that change.

mod certificates;
mod clients;
mod ends;
mod limits;
mod protocols;

use crate::support::{Authority, Cofferdam, Trust, Upstream, answer::Answer};

/// A proxy to `upstream` with the listener `https`; `tls` is more of its `tls = { … }`, `server` goes under `[server]`.
fn start_with(
    authority: &Authority,
    upstream: &str,
    tls: &str,
    server: &str,
    files: &[(&str, &str)],
) -> Cofferdam {
    let pair = authority.issue();
    let mut builder = Cofferdam::builder()
        .config(&format!(
            "upstream = \"{upstream}\"\n[server]\n{server}\n[[server.listeners]]\nname = \"https\"\n\
             address = \"127.0.0.1:0\"\ntls = {{ certificate = \"cert.pem\", key = \"key.pem\"{tls} }}\n"
        ))
        .file("cert.pem", &pair.certificate)
        .file("key.pem", &pair.key);
    for (name, text) in files {
        builder = builder.file(name, text);
    }
    builder.start()
}

/// As [`start_with`], without more.
fn start(authority: &Authority, upstream: &str, server: &str) -> Cofferdam {
    start_with(authority, upstream, "", server, &[])
}

/// Answers everything.
fn upstream() -> Upstream {
    Upstream::builder().fallback(Answer::ok("made")).start()
}

#[track_caller]
fn errors(cofferdam: &Cofferdam, reason: &str) -> f64 {
    cofferdam.metric("cofferdam_connection_errors_total", &[("reason", reason)])
}

/// `GET /` on a connection of its own.
#[track_caller]
fn get(cofferdam: &Cofferdam, trust: &Trust) -> String {
    let mut client = trust.open(cofferdam.addr()).unwrap();
    client.request("GET", "/", &[], b"").unwrap().text()
}
