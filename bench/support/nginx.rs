//! nginx without an access log, which all that is measured has off.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use super::system::find;

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
    let mut command = Command::new(find("nginx").unwrap());
    command.arg("-p").arg(folder).arg("-c").arg(file).spawn().unwrap()
}
