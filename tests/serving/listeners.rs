//! Where the program listens, what it says of it, and what it says where it cannot.

use std::net::TcpListener;

use super::PONG;
use crate::support::program::File;
use crate::support::{Cofferdam, Place, http};

#[test]
fn each_listener_has_its_line_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("in.sock");
    let mut cofferdam = Cofferdam::start(&format!(
        "listen = \"127.0.0.1:0\"\n[[server.listeners]]\nname = \"inner\"\naddress = \"unix:{}\"\n\
         [[server.listeners]]\nname = \"sixth\"\naddress = \"[::1]:0\"\n{PONG}",
        socket.display()
    ));
    assert_eq!(cofferdam.place("inner"), Place::Unix(socket.clone()));
    assert!(cofferdam.url("sixth").starts_with("http://[::1]:"), "{}", cofferdam.url("sixth"));
    for name in ["http", "inner", "sixth"] {
        assert_eq!(http::get(cofferdam.place(name), "/").text(), "pong\n", "{name}");
        let labels = [("listener", name)];
        assert_eq!(cofferdam.metric("cofferdam_connections_total", &labels), 1.0, "{name}");
    }
    assert_eq!(http::get(cofferdam.admin(), "/livez").status, 200);
    cofferdam.signal(rustix::process::Signal::TERM);
    assert_eq!(cofferdam.wait(std::time::Duration::from_secs(10)).code(), Some(0));
    assert!(!socket.exists(), "the socket is left behind");
}

#[test]
fn ready_is_the_last_line_and_all_else_goes_to_standard_error() {
    let cofferdam = Cofferdam::start(PONG);
    let lines = cofferdam.stdout();
    let words: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["listening", "listening", "ready"], "{lines:?}");
    assert!(lines[0].starts_with("listening http http://127.0.0.1:"), "{lines:?}");
    assert!(lines[1].starts_with("listening admin http://127.0.0.1:"), "{lines:?}");
}

#[test]
fn a_socket_that_a_dead_process_left_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("in.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let text =
        format!("listen = \"unix:{}\"\n[admin]\naddress = \"off\"\n{PONG}", socket.display());
    let cofferdam = Cofferdam::start(&text);
    assert_eq!(http::get(cofferdam.place("http"), "/").text(), "pong\n");
    let second = File::of(&text).run("run", &[]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("another process listens there"), "{second:?}");
    assert_eq!(http::get(cofferdam.place("http"), "/").text(), "pong\n");
}

#[test]
fn an_address_that_cannot_be_listened_at_is_named_with_its_mend() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let rows = [
        (taken.to_string(), "another process listens there: stop it"),
        ("192.0.2.1:80".to_owned(), "no interface of this machine has this address"),
        ("unix:/nowhere/at/all.sock".to_owned(), "the folder does not exist"),
    ];
    for (address, mend) in rows {
        let off = "[admin]\naddress = \"off\"\n";
        let ended = File::of(&format!("listen = \"{address}\"\n{off}{PONG}")).run("run", &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        for part in ["listener `http`", &address, mend] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
    }
}

#[test]
fn a_written_admin_address_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let text = format!("listen = \"127.0.0.1:0\"\n[admin]\naddress = \"{taken}\"\n{PONG}");
    let ended = File::of(&text).run("run", &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("listener `admin`"), "{ended:?}");
}
