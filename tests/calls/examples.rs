//! The examples that do real work against a real thing; one whose library is not installed here is skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::ground::{
    Calm, beside_a_neighbour, calls, function_of, logged, problem, start, start_with,
};
use crate::support::by_hand::{ByHand, chunk, read_chunk};
use crate::support::http::{self, Connection};
use crate::support::skip::skip;

fn example(name: &str, keys: &str) -> Option<String> {
    let library = Path::new(env!("COFFERDAM_EXAMPLES")).join(format!("lib{name}.so"));
    if !library.exists() {
        skip(&format!("the example {name} was not built: its library is not installed"));
        return None;
    }
    Some(function_of(name, &library, &format!("handler = \"{name}\"\n{keys}"), ""))
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.{name}", std::process::id()))
}

#[test]
fn curl_passes_on_what_a_slow_server_sends() {
    let Some(fetch) = example("fetch", "timeout = \"2s\"\nkill_grace = \"5s\"") else { return };
    let cofferdam = start(&[fetch]);
    let calm = Calm::of(&cofferdam);
    let server = ByHand::listen();
    let path = format!("/fetch?{}/slow", server.url());
    let ask = || {
        let mut client = Connection::open(cofferdam.addr()).unwrap();
        client.send(&http::encode("GET", &path, &[], b"")).unwrap();
        let (mut there, asked) = server.request();
        assert!(asked.starts_with("GET /slow "), "{asked}");
        let head =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/x-slow\r\nTransfer-Encoding: chunked\r\n\r\n";
        there.send(head).unwrap();
        there.send(&chunk("first")).unwrap();
        let head = String::from_utf8(client.head().unwrap()).unwrap();
        assert!(head.contains("text/x-slow"), "{head}");
        assert_eq!(read_chunk(&mut client).unwrap(), "first");
        (client, there)
    };
    let (mut client, mut there) = ask();
    there.send(&chunk("second")).unwrap();
    assert_eq!(read_chunk(&mut client).unwrap(), "second");
    there.send(b"0\r\n\r\n").unwrap();
    assert_eq!(client.chunked().unwrap(), (vec![], true));

    drop((client, there));

    // One that says no more: the call's own time ends the wait, and the answer is cut.
    let (mut client, there) = ask();
    assert!(!client.chunked().unwrap().1);
    drop((client, there));
    problem(&cofferdam.get("/fetch?gopher://127.0.0.1/"), 400, "failed");
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "fetch", "ok"), 1.0);
}

#[test]
fn sqlite_waits_for_a_lock_as_long_as_the_call_may() {
    let Some(store) = example("store", "timeout = \"2s\"") else { return };
    if Command::new("python3").args(["-c", "import sqlite3"]).status().is_err() {
        return skip("no python3 to hold the lock");
    }
    let cofferdam = start(&[store]);
    let calm = Calm::of(&cofferdam);
    let file = scratch("notes.db");
    let path = format!("/store?{}", file.display());
    let stored = http::post(cofferdam.addr(), &path, b"one");
    assert_eq!((stored.status, stored.text().as_str()), (201, "1\n"));

    let hold = "import sqlite3, sys\n\
                db = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                db.execute('begin immediate'); print('held', flush=True)\n\
                sys.stdin.readline(); db.execute('commit'); print('free', flush=True)\n";
    let mut other = Command::new("python3")
        .args(["-c", hold])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(other.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "held\n");
    let asked = path.clone();
    let refused = beside_a_neighbour(&cofferdam, move |addr| http::post(addr, &asked, b"two"));
    let id = problem(&refused, 503, "failed");
    logged(&cofferdam, &id, "database is locked");
    assert!(refused.elapsed > Duration::from_millis(500), "{:?}", refused.elapsed);

    let (addr, asked) = (cofferdam.addr(), path.clone());
    let waiting = std::thread::spawn(move || http::post(addr, &asked, b"three"));
    eventually!(cofferdam.metric("cofferdam_slots_in_use", &[]), |now| *now == 1.0);
    other.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let stored = waiting.join().unwrap();
    assert_eq!((stored.status, stored.text().as_str()), (201, "2\n"));
    other.wait().unwrap();
    calm.returns(&cofferdam);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn zlib_compresses_a_body_while_it_comes() {
    let Some(gzip) = example("gzip", "request_body = \"stream\"") else { return };
    let cofferdam = start_with("[server]\nmax_body_size = \"off\"\n", &[gzip]);
    let calm = Calm::of(&cofferdam);
    let body: Vec<u8> = (0..20_000_000_u32).map(|n| (n / 1000 % 251) as u8).collect();
    let answer = http::post(cofferdam.addr(), "/gzip", &body);
    assert_eq!((answer.status, answer.complete), (200, true));
    assert_eq!(answer.header("content-type"), Some("application/gzip"));
    assert!(answer.body.len() < body.len() / 50, "{}", answer.body.len());
    let file = scratch("body.gz");
    std::fs::write(&file, &answer.body).unwrap();
    let unpacked = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
    assert!(unpacked.stdout == body, "{}", String::from_utf8_lossy(&unpacked.stderr));
    std::fs::remove_file(file).unwrap();
    calm.returns(&cofferdam);
}
