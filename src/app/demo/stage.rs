//! The programs on stage: the app and the sidecar in front of it, each a process of its own, and where they listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::child::Program;
use super::folder::Folder;
use super::{DemoError, Options};

const SIDECAR_PORT: u16 = 8080;

/// Both programs, ready; dropped, both have ended.
#[derive(Debug)]
pub struct Stage {
    // First, so that it is ended first: it drains while its upstream still answers.
    _sidecar: Program,
    _app: Program,
    app: SocketAddr,
    sidecar: SocketAddr,
    admin: SocketAddr,
}

impl Stage {
    /// Starts the app, then the sidecar; on the port that `options` ask for.
    ///
    /// # Errors
    /// As [`Program::start`].
    pub async fn set(folder: &Folder, options: &Options) -> Result<Self, DemoError> {
        let library = folder.library();
        let app_program = Program::start("app", folder, |command| {
            command.arg("demo-app").arg(&library);
        })
        .await?;
        let app = app_program.address("app")?;
        let listen = options.port.map_or_else(|| preferred(SIDECAR_PORT), local);
        let sidecar_program = Program::start("sidecar", folder, |command| {
            command.arg("run").arg(folder.config());
            if let Some(worker) = &options.worker {
                command.arg("--worker").arg(worker);
            }
            command.env("COFFERDAM_DEMO_LISTEN", listen.to_string());
            command.env("COFFERDAM_DEMO_APP", format!("http://{app}"));
            command.env("COFFERDAM_EXAMPLES", folder.path());
        })
        .await?;
        let (sidecar, admin) =
            (sidecar_program.address("http")?, sidecar_program.address("admin")?);
        Ok(Self { _sidecar: sidecar_program, _app: app_program, app, sidecar, admin })
    }

    /// Where the app listens.
    #[must_use]
    pub fn app(&self) -> SocketAddr {
        self.app
    }

    /// Where clients reach the sidecar.
    #[must_use]
    pub fn sidecar(&self) -> SocketAddr {
        self.sidecar
    }

    /// What there is to look at, with the commands for it.
    #[must_use]
    pub fn sights(&self, folder: &Folder) -> String {
        let Self { app, sidecar, admin, .. } = self;
        let config = folder.config();
        format!(
            "\nBoth are still up. Look around; Ctrl-C ends them.\n\n  \
             time curl http://{sidecar}/sleep     a process of its own for each call\n  \
             time curl http://{sidecar}/fast      proxied to the app\n  \
             time curl http://{app}/sleep     the app itself: it stands still\n  \
             curl -s http://{admin}/metrics | grep cofferdam_call_time_seconds_total\n  \
             curl -s http://{admin}/metrics | grep cofferdam_workers\n  \
             cat {}\n",
            config.display()
        )
    }
}

/// On the loopback.
fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// This port, or port 0 (any free one) where it is taken.
fn preferred(port: u16) -> SocketAddr {
    if TcpListener::bind(local(port)).is_ok() { local(port) } else { local(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_left_alone() {
        let taken = TcpListener::bind(local(0)).unwrap().local_addr().unwrap().port();
        let held = TcpListener::bind(local(taken)).unwrap();
        assert_eq!(preferred(taken), local(0));
        drop(held);
        assert_eq!(preferred(taken), local(taken));
    }
}
