//! `mode = "thread"`: calls in the proxy itself. A limit answers, and cannot kill.

use std::time::Duration;

use crate::calls::ground::{beside_a_neighbour, calls, function, of, problem, start};
use crate::support::load::at_once;
use crate::support::{http, process};

fn threaded(declaration: &str, keys: &str) -> String {
    let keys = format!(
        "prototype = \"int {declaration}\"\nmode = \"thread\"\ntraits = [\"reusable\", \"threadsafe\"]\n{keys}"
    );
    function("f", "modes", &keys, "")
}

#[test]
fn calls_run_in_the_proxy_on_threads_that_are_used_again() {
    let cofferdam = start(&[
        threaded("loader(void)", ""),
        function(
            "g",
            "modes",
            "prototype = \"int thread(void)\"\nmode = \"thread\"\nmax_concurrency = 1",
            "",
        ),
    ]);
    assert_eq!(cofferdam.get("/f").text().trim(), cofferdam.pid().to_string());
    let threads: Vec<String> = (0..10).map(|_| cofferdam.get("/g").text()).collect();
    assert!(threads.iter().all(|thread| *thread == threads[0]), "{threads:?}");
    assert_ne!(threads[0].trim(), cofferdam.pid().to_string());
    assert!(process::children(cofferdam.pid()).is_empty());
    assert_eq!(calls(&cofferdam, "g", "ok"), 10.0);
}

#[test]
fn as_many_threads_as_slots_run_at_once() {
    let keys = "arguments = { ms = 300 }\nmax_concurrency = 4";
    let cofferdam = start(&[threaded("slow(int ms)", keys)]);
    let addr = cofferdam.addr();
    let (answers, elapsed) = at_once(8, move |_| http::get(addr, "/f"));
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(elapsed >= Duration::from_millis(600), "{elapsed:?}");
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[]), 4.0);
    eventually!(of(&cofferdam, "slots_in_use", "f", &[]), |count| *count == 0.0);
}

#[test]
fn a_call_over_its_limit_is_answered_and_its_slot_is_stuck_until_it_returns() {
    let keys = "arguments = { ms = { query = \"ms\", default = 0 } }\ntimeout = \"100ms\"\n\
                max_concurrency = 1\nqueue = { length = \"off\" }";
    let cofferdam = start(&[threaded("slow(int ms)", keys)]);
    let answer = beside_a_neighbour(&cofferdam, |addr| http::get(addr, "/f?ms=1500"));
    problem(&answer, 504, "timeout");
    assert!(answer.elapsed < Duration::from_millis(1400), "{:?}", answer.elapsed);
    assert_eq!(of(&cofferdam, "slots_in_use", "f", &[]), 1.0);
    assert_eq!(of(&cofferdam, "workers", "f", &[("state", "draining")]), 1.0);
    problem(&cofferdam.get("/f"), 503, "queue_full");
    eventually!(of(&cofferdam, "slots_in_use", "f", &[]), |count| *count == 0.0);
    assert_eq!(of(&cofferdam, "workers", "f", &[]), 0.0);
    assert_eq!(cofferdam.get("/f").text().trim(), "2", "the call went on to its end");
    assert_eq!((calls(&cofferdam, "f", "timeout"), calls(&cofferdam, "f", "ok")), (1.0, 1.0));
    assert_eq!(of(&cofferdam, "worker_kills_total", "f", &[]), 0.0);
}

#[test]
fn handlers_stream_and_hear_that_their_client_left() {
    let handler = |name: &str| {
        function(name, "modes", &format!("handler = \"{name}\"\nmode = \"thread\""), "")
    };
    let cofferdam = start(&[handler("greet"), handler("endless")]);
    assert_eq!(cofferdam.get("/greet").text(), "call 1/greet");
    let mut leaver = http::Connection::open(cofferdam.addr()).unwrap();
    leaver.send(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    eventually!(of(&cofferdam, "workers", "endless", &[("state", "busy")]), |count| *count == 1.0);
    drop(leaver);
    eventually!(calls(&cofferdam, "endless", "cancelled"), |count| *count == 1.0);
    eventually!(of(&cofferdam, "slots_in_use", "endless", &[]), |count| *count == 0.0);
    assert_eq!(of(&cofferdam, "workers", "endless", &[]), 0.0);
}

#[test]
fn the_accounts_add_up() {
    let keys = "prototype = \"int mixed(int sleep, int spin)\"\narguments = { sleep = 50, spin = 50 }\nmode = \"thread\"";
    let cofferdam = start(&[function("f", "times", keys, "")]);
    assert_eq!(cofferdam.get("/f").status, 200);
    let time = |state| of(&cofferdam, "call_time_seconds_total", "f", &[("state", state)]);
    let cpu = time("cpu_user") + time("cpu_system");
    assert!((0.04..0.2).contains(&cpu), "{cpu}");
    assert!(time("blocked") >= 0.045, "{}", time("blocked"));
}

#[test]
fn a_crash_is_the_proxys_and_the_start_says_so() {
    let mut cofferdam = start(&[threaded("fragile(int crash)", "arguments = { crash = 1 }")]);
    let warned = |line: &String| line.contains("function `f` has mode") && line.contains("a crash");
    assert!(cofferdam.stderr().iter().any(warned), "{:?}", cofferdam.stderr());
    assert!(
        http::Connection::open(cofferdam.addr()).unwrap().request("GET", "/f", &[], b"").is_err()
    );
    let status = cofferdam.wait(Duration::from_secs(10));
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6));
}

#[test]
fn a_library_that_cannot_be_loaded_is_a_start_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let text = "listen = \"127.0.0.1:0\"\n[admin]\naddress = \"off\"\n[functions.f]\nlibrary = \"./nowhere.so\"\n\
                prototype = \"int f(void)\"\nmode = \"thread\"\n[[routes]]\npath = \"/\"\ncall = \"f\"\n";
    std::fs::write(&file, text).unwrap();
    let run = |command| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        program.arg(command).arg(&file).output().unwrap()
    };
    for command in ["run", "check"] {
        let output = run(command);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains("function `f`") && told.contains("nowhere.so"), "{told}");
    }
}
