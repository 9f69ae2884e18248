//! nginx, tuned as its manual advises for a proxy: a pool of upstream connections, no access log, no temporary files.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use super::{Doors, Running, Setup};

/// Starts it as a proxy.
pub fn start(setup: &Setup<'_>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let doors = Doors::free();
    let child = run(folder.path(), setup.workers, &proxy(&doors, setup));
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

/// Runs it with `server` inside `http { … }`; its own files stay in `folder`.
pub fn run(folder: &Path, workers: u32, server: &str) -> Child {
    let place = folder.display();
    // As root it would give up the right to read a folder that is root's.
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
        .concat();
    let text = format!(
        "{user}\ndaemon off;\nworker_processes {workers};\nworker_rlimit_nofile 16384;\n\
         pid {place}/pid;\nerror_log stderr error;\nevents {{ worker_connections 8192; }}\n\
         http {{\naccess_log off;\nkeepalive_requests 1000000000;\n{temporary}{server}}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(crate::find("nginx").unwrap());
    command.arg("-p").arg(folder).arg("-c").arg(file).spawn().unwrap()
}
