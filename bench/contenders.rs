//! Who takes part: the three that are common today, and Cofferdam in a mode. All serve the same empty C function.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::client::wait_until;
use crate::support::kernel;
use crate::support::nginx;
use crate::support::program::{Cofferdam, compile};
use crate::support::system::find;

/// For a program to accept connections.
const PATIENCE: Duration = Duration::from_secs(10);

/// A class, who is known in it, and who runs against that.
pub const CLASSES: [(&str, Contender, &[Contender]); 3] = [
    ("a process for each call", Contender::Fcgiwrap, &[PROCESS, FORK]),
    ("kept processes", Contender::Uwsgi, &[POOL]),
    ("kept processes beside an app", Contender::Gunicorn, &[POOL]),
];

const PROCESS: Contender = Contender::Cofferdam("process", "spares = 16");
const FORK: Contender = Contender::Cofferdam("fork", "spawn = \"fork\"\nspares = 16");
const POOL: Contender = Contender::Cofferdam("pool", "mode = \"pool\"\nspares = 4");

/// One of them.
#[derive(Clone, Copy)]
pub enum Contender {
    /// nginx, and a CGI program for each call.
    Fcgiwrap,
    /// nginx, and a C function in two processes of uWSGI.
    Uwsgi,
    /// A WSGI app that has a library called in two dirty workers.
    Gunicorn,
    /// Its name, and the keys of its function.
    Cofferdam(&'static str, &'static str),
}

/// It runs, until it is dropped.
pub struct Running {
    /// Where it answers.
    pub address: SocketAddr,
    programs: Vec<Child>,
    cofferdam: Option<Cofferdam>,
    _folder: Option<TempDir>,
}

impl Contender {
    /// In tables.
    pub fn name(self) -> String {
        match self {
            Self::Fcgiwrap => "nginx, fcgiwrap".to_owned(),
            Self::Uwsgi => "nginx, uWSGI symcall".to_owned(),
            Self::Gunicorn => "gunicorn, dirty arbiters".to_owned(),
            Self::Cofferdam(mode, _) => format!("Cofferdam, {mode}"),
        }
    }

    /// What it needs and the system does not have.
    pub fn missing(self) -> Option<String> {
        let needs: &[(&str, &str)] = match self {
            Self::Fcgiwrap => &[("nginx", "nginx-light"), ("fcgiwrap", "fcgiwrap")],
            Self::Uwsgi => &[("nginx", "nginx-light"), ("uwsgi", "uwsgi-core")],
            Self::Gunicorn if !gunicorn().is_file() => {
                return Some(format!("{} is missing: run .ci/run once", gunicorn().display()));
            }
            Self::Gunicorn | Self::Cofferdam(..) => &[],
        };
        let (program, package) = needs.iter().find(|(program, _)| find(program).is_none())?;
        Some(format!("{program} is missing (Debian: {package})"))
    }

    /// Starts it and waits until it answers.
    pub fn start(self) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let programs = match self {
            Self::Fcgiwrap => fcgiwrap(folder.path(), address),
            Self::Uwsgi => uwsgi(folder.path(), address),
            Self::Gunicorn => dirty(folder.path(), address),
            Self::Cofferdam(_, keys) => return ours(keys),
        };
        wait_for(address);
        Running { address, programs, cofferdam: None, _folder: Some(folder) }
    }
}

fn ours(keys: &str) -> Running {
    let config = format!(
        "[functions.nothing]\nlibrary = \"./libbench.so\"\nprototype = \"int nothing(void)\"\n{keys}\n\
         traits = [\"reusable\"]\nqueue = {{ length = 10000 }}\n[[routes]]\npath = \"/call\"\ncall = \"nothing\"\n"
    );
    let cofferdam = Cofferdam::start("int nothing(void) { return 0; }", &config);
    let address = cofferdam.address;
    Running { address, programs: Vec::new(), cofferdam: Some(cofferdam), _folder: None }
}

const CGI: &str = r#"
#include <stdio.h>
int nothing(void) { return 0; }
int main(void) {
    printf("Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n%d", nothing());
    return 0;
}
"#;

fn fcgiwrap(folder: &Path, address: SocketAddr) -> Vec<Child> {
    let (program, socket) = (folder.join("nothing"), folder.join("app.sock"));
    compile(CGI, &["-O2"], &program);
    let server = format!(
        "server {{ listen {address}; location / {{ include /etc/nginx/fastcgi_params;\n\
         fastcgi_param SCRIPT_FILENAME {}; fastcgi_pass unix:{}; }} }}\n",
        program.display(),
        socket.display()
    );
    let mut wrap = Command::new(find("fcgiwrap").unwrap());
    wrap.args(["-c", "8", "-s"]).arg(format!("unix:{}", socket.display()));
    vec![quiet(&mut wrap), nginx::run(folder, 2, &server)]
}

/// The three functions are uWSGI's own, of its `uwsgi.h`.
const SYMCALL: &str = r#"
#include <stdint.h>
extern int uwsgi_response_prepare_headers(void *, char *, uint16_t);
extern int uwsgi_response_add_content_length(void *, uint64_t);
extern int uwsgi_response_write_body_do(void *, char *, uint64_t);
int nothing(void) { return 0; }
int answer(void *request) {
    char body[] = { (char)('0' + nothing()) };
    uwsgi_response_prepare_headers(request, "200 OK", 6);
    uwsgi_response_add_content_length(request, sizeof body);
    uwsgi_response_write_body_do(request, body, sizeof body);
    return 0;
}
"#;

fn uwsgi(folder: &Path, address: SocketAddr) -> Vec<Child> {
    let (library, socket) = (folder.join("symcall.so"), folder.join("app.sock"));
    compile(SYMCALL, &["-O2", "-shared", "-fPIC"], &library);
    let server = format!(
        "server {{ listen {address}; location / {{ include /etc/nginx/uwsgi_params;\nuwsgi_pass unix:{}; }} }}\n",
        socket.display()
    );
    let mut uwsgi = Command::new(find("uwsgi").unwrap());
    uwsgi.args(["--plugin", "symcall", "--processes", "2", "--master", "--die-on-term"]);
    uwsgi.args(["--disable-logging", "--symcall", "answer", "--dlopen"]).arg(library);
    uwsgi.arg("--socket").arg(socket);
    vec![quiet(&mut uwsgi), nginx::run(folder, 2, &server)]
}

const APP: &str = r#"
import ctypes
from gunicorn.dirty import get_dirty_client
from gunicorn.dirty.app import DirtyApp

class Library(DirtyApp):
    def init(self):
        self.library = ctypes.CDLL("./libnothing.so")

    def nothing(self):
        return self.library.nothing()

def application(environ, start_response):
    body = str(get_dirty_client().execute("app:Library", "nothing")).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"#;

fn dirty(folder: &Path, address: SocketAddr) -> Vec<Child> {
    let library = folder.join("libnothing.so");
    compile("int nothing(void) { return 0; }", &["-O2", "-shared", "-fPIC"], &library);
    fs::write(folder.join("app.py"), APP).unwrap();
    let mut gunicorn = Command::new(gunicorn());
    gunicorn.current_dir(folder).args(["-w", "2", "-k", "gthread", "--threads", "4"]);
    gunicorn.args(["--dirty-workers", "2", "--dirty-app", "app:Library", "--no-control-socket"]);
    gunicorn.args(["--log-level", "error", "--bind", &address.to_string(), "app:application"]);
    vec![quiet(&mut gunicorn)]
}

/// That of the origin's own app.
fn gunicorn() -> PathBuf {
    let python = std::env::var_os("COFFERDAM_ORIGIN_PYTHON");
    let python = python.map_or_else(|| PathBuf::from("target/origin-venv/bin/python"), Into::into);
    std::path::absolute(python.with_file_name("gunicorn")).unwrap()
}

fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_for(address: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while !is_answered(address) {
        assert!(Instant::now() < deadline, "nobody answers at {address}");
        wait_until(Instant::now() + Duration::from_millis(20));
    }
}

/// Whether a first call is answered with 200: what is behind nginx may still start.
fn is_answered(address: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = "GET /call HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_end(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

impl Running {
    /// CPU so far of all its processes, those that have ended among them, in steps of a clock tick.
    pub fn cpu(&self) -> Duration {
        let own = self.cofferdam.iter().map(Cofferdam::pid);
        let roots = own.chain(self.programs.iter().map(Child::id));
        roots.map(with_descendants).sum()
    }
}

fn with_descendants(pid: u32) -> Duration {
    let used = kernel::cpu_if_alive(pid).unwrap_or_default();
    used + kernel::children(pid).into_iter().map(with_descendants).sum::<Duration>()
}

impl Drop for Running {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = kill_process(Pid::from_child(program), Signal::TERM);
            let _ = program.wait();
        }
    }
}
