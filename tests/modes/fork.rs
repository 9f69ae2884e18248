//! `spawn = "fork"`: a template has loaded the library, and each call has a process that was forked from it.

use std::time::Duration;

use rustix::process::Signal;

use crate::calls::ground::{Calm, calls, function, of, problem, start};
use crate::calls::swapped::Swapped;
use crate::support::process::Process;
use crate::support::{Cofferdam, http, process};

/// `int SYMBOL(void)` of the fixture `modes`, forked.
fn forked(symbol: &str, keys: &str) -> String {
    let keys = format!("prototype = \"int {symbol}(void)\"\nspawn = \"fork\"\n{keys}");
    function("f", "modes", &keys, "")
}

#[track_caller]
fn templates(cofferdam: &Cofferdam) -> f64 {
    of(cofferdam, "workers", "f", &[("state", "template")])
}

#[track_caller]
fn answers(cofferdam: &Cofferdam, count: usize) -> Vec<i64> {
    let mut client = http::Connection::open(cofferdam.addr()).unwrap();
    let mut answers = Vec::new();
    for _ in 0..count {
        let answer = client.request("GET", "/f", &[], b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answers.push(answer.text().trim().parse().unwrap());
    }
    answers
}

#[test]
fn one_process_loads_the_library_and_each_call_has_another() {
    let cofferdam = start(&[
        forked("loader", "spares = 2"),
        function("g", "modes", "prototype = \"int count(void)\"\nspawn = \"fork\"", ""),
    ]);
    let loaders = answers(&cofferdam, 20);
    assert!(loaders.iter().all(|loader| *loader == loaders[0]), "{loaders:?}");
    let template = loaders[0] as u32;
    assert!(process::children(cofferdam.pid()).iter().any(|child| child.pid == template));
    for _ in 0..5 {
        assert_eq!(cofferdam.get("/g").text().trim(), "1", "no call finds what another left");
    }
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[("kind", "template")]), 1.0);
    assert_eq!(calls(&cofferdam, "f", "ok"), 20.0);
}

#[test]
fn each_child_is_the_proxys_own_with_a_group_of_its_own() {
    let cofferdam = start(&[forked("slow", "spares = 2")
        .replace("slow(void)", "slow(int ms)\"\narguments = { ms = 300 }\n#")]);
    eventually!(of(&cofferdam, "workers", "f", &[("state", "spare")]), |count| *count == 2.0);
    let workers = cofferdam.workers();
    assert_eq!(workers.len(), 3, "two spares and the template: {workers:?}");
    for worker in &workers {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.pid)).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        assert_eq!(fields[1], cofferdam.pid().to_string(), "its parent");
        assert_eq!(fields[2], worker.pid.to_string(), "its group");
        assert_eq!(worker.name, "cof:f");
    }
}

#[test]
fn children_share_no_random_numbers() {
    let cofferdam = start(&[forked("dice", "")]);
    let mut numbers = answers(&cofferdam, 20);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 20);
}

#[test]
fn a_child_holds_what_a_fresh_worker_holds() {
    let keys = "prototype = \"int fds(void)\"\nspawn = \"fork\"";
    let confined = "prototype = \"int confined(void)\"\nspawn = \"fork\"";
    let cofferdam = start(&[
        function("f", "surroundings", keys, ""),
        function("g", "surroundings", confined, ""),
    ]);
    assert_eq!(cofferdam.get("/f").text().trim(), "4");
    assert_eq!(cofferdam.get("/g").text().trim(), "15");
}

#[test]
fn a_template_that_is_killed_is_replaced_and_no_request_fails() {
    let cofferdam = start(&[forked("loader", "spares = 2")]);
    eventually!(of(&cofferdam, "workers", "f", &[("state", "spare")]), |count| *count == 2.0);
    let calm = Calm::of(&cofferdam);
    for _ in 0..3 {
        let template = answers(&cofferdam, 1)[0] as u32;
        Process::of(template).unwrap().signal(Signal::KILL);
        // The spares that it had forked live on; then come those of the next.
        let seen = answers(&cofferdam, 8);
        assert_ne!(*seen.last().unwrap() as u32, template);
        eventually!(templates(&cofferdam), |count| *count == 1.0);
    }
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[("kind", "template")]), 4.0);
    eventually!(of(&cofferdam, "workers", "f", &[("state", "spare")]), |count| *count == 2.0);
    calm.returns(&cofferdam);
}

#[test]
fn workers_die_with_the_proxy() {
    let cofferdam = start(&[forked("slow", "spares = 2")
        .replace("slow(void)", "slow(int ms)\"\narguments = { ms = 60000 }\n#")]);
    let asking = crate::calls::ground::ask(&cofferdam, "/f");
    eventually!(of(&cofferdam, "workers", "f", &[("state", "busy")]), |count| *count == 1.0);
    eventually!(cofferdam.workers(), |workers| workers.len() == 4);
    let workers = cofferdam.workers();
    cofferdam.signal(Signal::KILL);
    process::no_process_left(&workers, Duration::from_secs(1));
    drop(asking.join());
}

#[test]
fn a_library_that_breaks_later_starts_no_storm_and_comes_back_when_it_is_mended() {
    let library = Swapped::new();
    let keys = "spawn = \"fork\"\nprototype = \"int main(void)\"";
    let cofferdam = start(&[library.function("f", keys, "")]);
    eventually!(templates(&cofferdam), |count| *count == 1.0);
    assert_eq!(cofferdam.get("/f").status, 200);
    library.becomes("crash_constructor");
    cofferdam.workers().iter().for_each(|template| template.signal(Signal::KILL));
    eventually!(templates(&cofferdam), |count| *count == 0.0);
    for _ in 0..10 {
        problem(&cofferdam.get("/f"), 503, "load_failed");
    }
    let started = of(&cofferdam, "worker_starts_total", "f", &[("kind", "template")]);
    assert!(started <= 6.0, "{started} templates");
    library.becomes("mild");
    eventually!(templates(&cofferdam), |count| *count == 1.0);
    // The breaker has opened meanwhile: one call in two seconds tries.
    eventually!(cofferdam.get("/f").status, |status| *status == 200);
    eventually!(process::zombies(cofferdam.pid()), |count| *count == 0);
}

#[test]
fn a_template_that_names_another_process_is_not_believed() {
    let liar = function("f", "liar", "spawn = \"fork\"\nspares = 2", "");
    let cofferdam = start(&[liar, function("g", "modes", "prototype = \"int count(void)\"", "")]);
    for _ in 0..50 {
        let status = cofferdam.get("/f").status;
        assert!([200, 502, 503].contains(&status), "{status}");
        assert_eq!(cofferdam.get("/g").text().trim(), "1", "the proxy and its other workers live");
    }
    eventually!(process::zombies(cofferdam.pid()), |count| *count == 0);
}

/// What leaves the group of a call that was forked is known by a mark of its own, not by its template's.
#[test]
fn a_daemon_of_a_forked_call_is_gone_with_it() {
    let keys = "prototype = \"int daemonises(void)\"\nspawn = \"fork\"";
    let cofferdam = start(&[function("f", "crowd", keys, "")]);
    for _ in 0..3 {
        let daemon: u32 = cofferdam.get("/f").text().trim().parse().unwrap();
        eventually!(Process::of(daemon), Option::is_none);
    }
    eventually!(of(&cofferdam, "worker_leftovers_total", "f", &[]), |count| *count == 6.0);
    assert_eq!(templates(&cofferdam), 1.0, "it has the mark of none of them");
}

#[test]
fn each_level_of_sandbox_holds_in_a_forked_worker() {
    for level in ["off", "basic", "strict"] {
        let keys = format!("spawn = \"fork\"\nsandbox = \"{level}\"\nspares = 1");
        let confined = format!("prototype = \"int confined(void)\"\n{keys}");
        let forbidden = format!("prototype = \"int forbidden(void)\"\n{keys}");
        let cofferdam = start(&[
            function("f", "surroundings", &confined, ""),
            function("g", "modes", &forbidden, ""),
        ]);
        assert_eq!(cofferdam.get("/f").text().trim(), "15", "{level}");
        let answer = cofferdam.get("/g");
        match level {
            "off" => assert_eq!(answer.text().trim(), "0"),
            "basic" => assert_eq!(answer.text().trim(), "1", "EPERM"),
            _ => drop(problem(&answer, 502, "sandbox_violation")),
        }
    }
}

#[test]
fn a_handle_is_made_in_each_child_and_one_that_cannot_be_starts_no_storm() {
    let keys = |init: &str| {
        format!(
            "prototype = \"int owns(void *handle)\"\narguments = {{ handle = \"handle\" }}\n\
             init = \"void *{init}(void)\"\nexit = \"drop_handle\"\nspawn = \"fork\"\nspares = 2"
        )
    };
    let cofferdam = start(&[function("f", "modes", &keys("make_handle"), "")]);
    assert_eq!(answers(&cofferdam, 10), [1; 10]);
    assert_eq!(of(&cofferdam, "worker_starts_total", "f", &[("kind", "template")]), 1.0);
}

#[test]
fn a_library_with_threads_is_refused_with_the_way_out() {
    let place = crate::support::clib::library("threads");
    let file = format!(
        "listen = \"127.0.0.1:0\"\n[functions.f]\nlibrary = \"{}\"\nprototype = \"int main(void)\"\nspawn = \"fork\"\n\
         [[routes]]\npath = \"/\"\ncall = \"f\"\n",
        place.display()
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, file).unwrap();
    for command in ["check", "run"] {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        let output = program.arg(command).arg(&path).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains("started 1 threads while it was loaded"), "{told}");
        assert!(told.contains("write spawn = \"exec\""), "{told}");
    }
}
