//! Handlers that work with their host: cancelling, phases, logs, files as bodies, lengths, and an end in peace.

use std::time::{Duration, Instant};

use super::ground::{Calm, calls, function, logged, of, problem, start, start_with};
use crate::support::http::{self, Connection};
use crate::support::{Cofferdam, process};

fn handler(symbol: &str, keys: &str) -> String {
    function(symbol, "cooperative", &format!("handler = \"{symbol}\"\n{keys}"), "")
}

#[track_caller]
fn said(cofferdam: &Cofferdam, text: &str) {
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(|line| line.contains(text)));
}

/// Asks, and leaves as soon as the log says so.
fn leave(cofferdam: &Cofferdam, path: &str, once: &str) {
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&http::encode("GET", path, &[], b"")).unwrap();
    said(cofferdam, once);
}

#[test]
fn a_handler_that_looks_is_told_that_its_client_left_and_cleans_up() {
    for keys in
        ["", "spawn = \"fork\"", "mode = \"pool\"", "mode = \"pool\"\nspawn = \"fork\"\nspares = 1"]
    {
        let keys = format!("{keys}\nkill_grace = \"10s\"");
        let cofferdam = start(&[handler("watch", &keys), handler("ask", &keys)]);
        leave(&cofferdam, "/watch", "waiting");
        said(&cofferdam, "before 0 ready 1 after 1 left 1 write -32");
        leave(&cofferdam, "/ask", "computing");
        said(&cofferdam, "computed enough");
        eventually!(of(&cofferdam, "slots_in_use", "ask", &[]), |now| *now == 0.0);
        assert_eq!(calls(&cofferdam, "watch", "cancelled"), 1.0);
        let killed = [("signal", "SIGKILL")];
        assert_eq!(of(&cofferdam, "worker_kills_total", "ask", &killed), 0.0, "{keys}");
    }
}

#[test]
fn a_thread_of_the_proxy_is_told_as_well() {
    let cofferdam = start(&[handler("watch", "mode = \"thread\"")]);
    leave(&cofferdam, "/watch", "waiting");
    eventually!(of(&cofferdam, "slots_in_use", "watch", &[]), |now| *now == 0.0);
    assert_eq!(calls(&cofferdam, "watch", "cancelled"), 1.0);
}

#[test]
fn a_handler_that_looks_is_told_that_its_time_is_over() {
    let cofferdam = start(&[handler("watch", "timeout = \"300ms\"\nkill_grace = \"10s\"")]);
    let calm = Calm::of(&cofferdam);
    problem(&cofferdam.get("/watch"), 504, "timeout");
    said(&cofferdam, "before 0 ready 1 after 1 left 0 write -32");
    calm.returns(&cofferdam);
}

#[test]
fn a_handler_that_never_looks_is_ended_at_once() {
    let cofferdam = start(&[handler("deaf", "kill_grace = \"20s\"")]);
    let calm = Calm::of(&cofferdam);
    let begun = Instant::now();
    leave(&cofferdam, "/deaf", "deaf");
    eventually!(calls(&cofferdam, "deaf", "cancelled"), |count| *count == 1.0);
    calm.returns(&cofferdam);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn phases_are_told_to_whom_asks_and_to_the_log() {
    let limits = "timeout = \"500ms\"";
    let debug = "[log]\nlevel = \"debug\"\n";
    let cofferdam = start_with(debug, &[handler("phases", limits)]);
    let timing = |path: &str| {
        let answer = http::request(cofferdam.addr(), "GET", path, &[("Server-Timing", "1")], b"");
        let timing = answer.header("server-timing").unwrap_or_default().to_owned();
        (answer, timing)
    };
    for (path, status) in [("/phases", 200), ("/phases?fail", 500)] {
        let (answer, timing) = timing(path);
        assert_eq!(answer.status, status);
        if status == 200 {
            assert_eq!(answer.text(), "1\n");
            let at_least = |name: &str, least: f64| {
                let (_, after) = timing.split_once(&format!("{name};dur=")).expect(&timing);
                let ms: f64 = after.split(',').next().unwrap().parse().unwrap();
                assert!(ms >= least && ms < 5000.0, "{timing}");
            };
            at_least("connect", 40.0);
            at_least("fetch", 40.0);
            at_least("queue", 0.0);
        }
    }
    said(&cofferdam, "the call ended: Ok");
    eventually!(cofferdam.stderr(), |lines| lines
        .iter()
        .any(|line| line.contains("the call ended: Failed") && line.contains("connect=0.0")));
    let answer = cofferdam.get("/phases?hang");
    let id = problem(&answer, 504, "timeout");
    logged(&cofferdam, &id, "lock=0.");
    let plain = cofferdam.get("/phases");
    assert_eq!(plain.header("server-timing"), None);
}

#[test]
fn lines_of_a_handler_have_its_level_and_the_requests_id() {
    let cofferdam = start(&[handler("levels", "")]);
    let answer = cofferdam.get("/levels");
    assert_eq!(answer.text(), "1 1\n");
    let id = answer.header("x-request-id").unwrap();
    for (level, text) in [("WARN", "an error"), ("WARN", "a warning"), ("INFO", "a word")] {
        let fits = |line: &String| line.contains(id) && line.contains(text) && line.contains(level);
        eventually!(cofferdam.stderr(), |lines| lines.iter().any(fits));
    }
    assert!(!cofferdam.stderr().iter().any(|line| line.contains("a detail")));
}

#[test]
fn an_open_file_is_the_body_in_each_mode() {
    let modes =
        ["", "spawn = \"fork\"", "mode = \"pool\"", "mode = \"thread\"", "mode = \"inline\""];
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("sent.{}", std::process::id()));
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 253) as u8).collect();
    std::fs::write(&file, &bytes).unwrap();
    for keys in modes {
        let keys = format!("handler = \"sendfile_\"\n{keys}");
        let cofferdam = start(&[function("file", "cooperative", &keys, "")]);
        let calm = Calm::of(&cofferdam);
        for (part, from, to) in
            [("", 0, 700_000), (",1000,5000", 1000, 6000), (",700000", 700_000, 700_000)]
        {
            let path = format!("/file?{}{part}", file.display());
            let answer = cofferdam.get(&path);
            assert_eq!((answer.status, answer.complete), (200, true), "{keys}: {}", answer.text());
            assert!(answer.body == bytes[from..to], "{keys} {part}");
            let length = (to - from).to_string();
            assert_eq!(answer.header("content-length"), Some(length.as_str()));
            assert_eq!(answer.header("content-type"), Some("text/x-file"));
            let head = http::request(cofferdam.addr(), "HEAD", &path, &[], b"");
            assert_eq!(head.header("content-length"), Some(length.as_str()));
        }
        problem(&cofferdam.get(&format!("/file?{},700001", file.display())), 400, "failed");
        problem(&cofferdam.get("/file?/nowhere"), 404, "failed");
        if !keys.contains("mode") {
            calm.returns(&cofferdam);
        }
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_large_file_is_sent_in_little_memory_and_what_is_no_file_is_refused() {
    let cofferdam = start(&[handler("sendmem", ""), handler("sendbad", "")]);
    let calm = Calm::of(&cofferdam);
    let before = process::peak_resident(cofferdam.pid());
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&http::encode("GET", "/sendmem", &[], b"")).unwrap();
    let head = String::from_utf8(client.head().unwrap()).unwrap().to_lowercase();
    assert!(head.contains("content-length: 268435456"), "{head}");
    for _ in 0..256 {
        assert_eq!(client.exactly(1 << 20).unwrap().len(), 1 << 20);
    }
    assert!(process::peak_resident(cofferdam.pid()) - before < 12 << 20);
    assert_eq!(cofferdam.get("/sendbad").text(), "yyyyy");
    drop(client);
    calm.returns(&cofferdam);
}

#[test]
fn a_length_that_is_announced_is_kept() {
    let cofferdam = start(&[handler("length", "")]);
    let calm = Calm::of(&cofferdam);
    for (path, complete) in [("/length?10", true), ("/length?12", true), ("/length?8", false)] {
        let answer = cofferdam.get(path);
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("10")), "{path}");
        assert_eq!(answer.complete, complete, "{path}");
        assert_eq!(answer.text(), if complete { "0123456789" } else { "01234567" });
    }
    let head = http::request(cofferdam.addr(), "HEAD", "/length?10", &[], b"");
    assert_eq!((head.header("content-length"), head.body.len()), (Some("10"), 0));
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "length", "protocol"), 1.0);
    assert_eq!(calls(&cofferdam, "length", "ok"), 3.0);
}

#[test]
fn exit_runs_where_init_ran_and_has_its_time() {
    let cofferdam = start(&[handler("ends", ""), handler("stuck", "kill_grace = \"200ms\"")]);
    let calm = Calm::of(&cofferdam);
    assert_eq!(cofferdam.get("/ends").text(), "bye\n");
    said(&cofferdam, "exit in its own process");
    assert_eq!(cofferdam.get("/stuck").text(), "bye\n");
    calm.returns(&cofferdam);
    let grace = [("cause", "grace")];
    assert_eq!(of(&cofferdam, "worker_kills_total", "stuck", &grace), 1.0);

    let pool = "mode = \"pool\"\npool = { max_calls = 2 }";
    let cofferdam = start(&[handler("ends", pool)]);
    for _ in 0..2 {
        assert!(!cofferdam.stderr().iter().any(|line| line.contains("exit in")));
        assert_eq!(cofferdam.get("/ends").text(), "bye\n");
    }
    said(&cofferdam, "exit in its own process");

    let cofferdam = start(&[handler("ends", "spawn = \"fork\"")]);
    for _ in 0..3 {
        assert_eq!(cofferdam.get("/ends").text(), "bye\n");
    }
    eventually!(of(&cofferdam, "worker_exits_total", "ends", &[("reason", "done")]), |n| *n == 3.0);
    assert!(!cofferdam.stderr().iter().any(|line| line.contains("exit in")));
}
