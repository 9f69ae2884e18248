//! Sockets that systemd opened: by name, by address, and those that fit nowhere.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;

use crate::support::http::{self, Connection, encode};
use crate::support::program::{Ended, File};
use crate::support::{Cofferdam, Place};

const SOON: Duration = Duration::from_secs(5);
const PONG: &str = "[[routes]]\nprefix = \"/\"\nrespond = {}\n";

fn listen() -> (TcpListener, Place) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::Tcp(socket.local_addr().unwrap());
    (socket, place)
}

#[test]
fn sockets_find_their_listeners_by_name_and_by_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.sock");
    let (named, named_at) = listen();
    let (admin, admin_at) = listen();
    let unix = UnixListener::bind(&path).unwrap();
    let kept = named.try_clone().unwrap();
    let mut cofferdam = Cofferdam::builder()
        .config(&format!(
            "listen = \"127.0.0.1:1\"\n[[server.listeners]]\nname = \"inner\"\naddress = \"unix:{}\"\n\
             [admin]\naddress = \"127.0.0.1:2\"\n{PONG}",
            path.display()
        ))
        .giving(unix)
        .giving(named)
        .giving(admin)
        .environment("LISTEN_FDNAMES", "cofferdam.socket:http:admin")
        .start();
    assert_eq!(cofferdam.place("http"), named_at);
    assert_eq!(cofferdam.place("inner"), Place::Unix(path.clone()));
    assert_eq!(cofferdam.admin(), admin_at);
    for name in ["http", "inner"] {
        assert_eq!(http::get(cofferdam.place(name), "/").status, 200, "{name}");
    }
    cofferdam.signal(Signal::TERM);
    assert_eq!(cofferdam.wait(SOON).code(), Some(0));
    assert!(path.exists(), "the socket is systemd's, and so is its name");

    // Who comes now waits for the next process.
    let mut early = Connection::open(named_at).unwrap();
    early.send(&encode("GET", "/", &[], b"")).unwrap();
    let config = format!("listen = \"127.0.0.1:1\"\n{PONG}");
    let next = Cofferdam::builder().config(&config).giving(kept);
    let _next = next.environment("LISTEN_FDNAMES", "http").start();
    assert_eq!(early.response("GET").unwrap().status, 200);
}

#[test]
fn a_socket_that_fits_no_listener_is_told_of_and_closed() {
    let (stray, place) = listen();
    let cofferdam = Cofferdam::builder()
        .config(PONG)
        .giving(stray)
        .environment("LISTEN_FDNAMES", "web")
        .start();
    let address = place.url().replace("http://", "");
    let told = |line: &String| line.contains("the socket `web`") && line.contains(&address);
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
    assert!(place.connect(SOON).is_err());
    assert_eq!(cofferdam.get("/").status, 200);
}

#[test]
fn descriptors_for_another_process_are_left_alone() {
    let cofferdam = Cofferdam::builder()
        .config(PONG)
        .environment("LISTEN_PID", "1")
        .environment("LISTEN_FDS", "3")
        .environment("COFFERDAM_LISTENERS", "http=3/1/own,nonsense")
        .environment("COFFERDAM_READY", "4/1")
        .start();
    assert_eq!(cofferdam.get("/").status, 200);
}

#[test]
fn what_is_no_listening_socket_is_an_error() {
    let datagrams = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    fcntl_setfd(&datagrams, FdFlags::empty()).unwrap();
    let file = File::of(&format!("listen = \"127.0.0.1:0\"\n{PONG}"));
    let script = format!(
        "exec 3<&{}; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" run \"$1\"",
        datagrams.as_raw_fd()
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_cofferdam"), &file.path()]);
    let ended = Ended::from(command.output().unwrap());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in ["descriptor 3", "it does not listen for connections", "Accept=no"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}
