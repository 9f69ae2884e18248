//! Cofferdam itself, this build or another.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Certificate, Doors, Running, Setup};
use crate::support::program::started;

/// Starts it as a proxy.
pub fn start(program: &Path, tls: bool, setup: &Setup<'_>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cofferdam.toml");
    fs::write(&file, proxy(tls, setup)).unwrap();
    let (child, listening) = started(Command::new(program).arg("run").arg(&file));
    let http = listening.at("http");
    let tls = if tls { listening.at("tls") } else { http };
    Running::new(child, Doors { http1: http, http2: http, tls }, Some(folder))
}

/// Whether it takes a configuration with TLS.
pub fn check(program: &Path, certificate: &Certificate) -> Result<(), String> {
    let setup = Setup { workers: 1, app: ([127, 0, 0, 1], 1).into(), certificate };
    let file = certificate.folder().join("check.toml");
    fs::write(&file, proxy(true, &setup)).unwrap();
    let output = Command::new(program).arg("check").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().next().unwrap_or("it does not say why").to_owned();
    if output.status.success() { Ok(()) } else { Err(reason) }
}

fn proxy(tls: bool, setup: &Setup<'_>) -> String {
    let Setup { workers, app, certificate } = setup;
    let listener = format!(
        "[[server.listeners]]\nname = \"tls\"\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = {:?}, key = {:?} }}\n",
        certificate.chain(),
        certificate.key()
    );
    format!(
        "listen = \"127.0.0.1:0\"\nupstream = \"http://{app}\"\n\
         [server]\nworkers = {workers}\n{}\
         [admin]\naddress = \"127.0.0.1:0\"\n\
         [log]\nlevel = \"error\"\n[log.access]\nformat = \"off\"\n",
        if tls { &listener } else { "" }
    )
}
