//! nginx, tuned as its manual advises for a proxy: a pool of upstream connections, no temporary files.

use super::{Doors, Running, Setup};
use crate::support::nginx;

/// Starts it as a proxy.
pub fn start(setup: &Setup<'_>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let doors = Doors::free();
    let child = nginx::run(folder.path(), setup.workers, &proxy(&doors, setup));
    Running::new(child, doors, Some(folder))
}

fn proxy(doors: &Doors, setup: &Setup<'_>) -> String {
    let Doors { http1, http2, tls } = doors;
    let (chain, key) = (setup.certificate.chain(), setup.certificate.key());
    format!(
        "upstream app {{
    server {};
    keepalive 1024;
    keepalive_requests 1000000000;
}}
server {{
    listen {http1};
    listen {http2} http2;
    listen {tls} ssl http2;
    ssl_certificate {};
    ssl_certificate_key {};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_max_temp_file_size 0;
        proxy_set_header Connection \"\";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
    }}
}}
",
        setup.app,
        chain.display(),
        key.display()
    )
}
