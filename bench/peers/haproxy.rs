//! HAProxy, with upstream connections shared as freely as it can.

use std::fs;
use std::process::Command;

use super::{Doors, Running, Setup};

/// Starts it as a proxy.
pub fn start(setup: &Setup<'_>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let doors = Doors::free();
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, proxy(&doors, setup)).unwrap();
    let mut command = Command::new(crate::support::system::find("haproxy").unwrap());
    let child = command.arg("-db").arg("-f").arg(file).spawn().unwrap();
    Running::new(child, doors, Some(folder))
}

fn proxy(doors: &Doors, setup: &Setup<'_>) -> String {
    let Doors { http1, http2, tls } = doors;
    format!(
        "global
    nbthread {}
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
    http-reuse always
frontend clients
    bind {http1}
    bind {http2} proto h2
    bind {tls} ssl crt {} alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
    default_backend app
backend app
    server app {}
",
        setup.workers,
        setup.certificate.both().display(),
        setup.app
    )
}
