//! The app behind all proxies: nginx with one worker, which answers five bytes from its configuration, and files.

use std::fs;

use super::{Body, Doors, Running};
use crate::support::nginx;

/// Starts it.
pub fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    for body in [Body::Small, Body::Large] {
        fs::write(folder.path().join(body.word()), "x".repeat(body.size())).unwrap();
    }
    let doors = Doors::free();
    let server = format!(
        "sendfile on;\ntcp_nopush on;\nopen_file_cache max=16 inactive=1h;\nopen_file_cache_valid 1h;\n\
         server {{\n    listen {};\n    root {};\n    location = /{} {{ return 200 hello; }}\n}}\n",
        doors.http1,
        folder.path().display(),
        Body::Tiny.word()
    );
    let child = nginx::run(folder.path(), 1, &server);
    let app = Running::new(child, doors, Some(folder));
    app.wait_and_check();
    app
}
