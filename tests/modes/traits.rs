//! Traits: what a mode does with what is said of a function, and what it says where nothing is.

use crate::calls::ground::{function, of, start, start_with};
use crate::support::Cofferdam;
use crate::support::clib::library;
use crate::support::http;
use crate::support::load::at_once;
use crate::support::program::File;

fn crowd(name: &str, symbol: &str, keys: &str) -> String {
    let keys = format!(
        "prototype = \"int {symbol}(int ms)\"\narguments = {{ ms = 20 }}\nmax_concurrency = 4\n{keys}"
    );
    function(name, "modes", &keys, "")
}

/// The most calls that were in a function at once, of eight that came together.
fn most(cofferdam: &Cofferdam, path: &'static str) -> u32 {
    let addr = cofferdam.addr();
    let (answers, _) = at_once(8, move |_| http::get(addr, path));
    assert!(answers.iter().all(|answer| answer.status == 200));
    answers.iter().map(|answer| answer.text().trim().parse().unwrap()).max().unwrap()
}

#[test]
fn who_is_neither_threadsafe_nor_reentrant_runs_one_at_a_time_in_the_proxy() {
    for mode in ["thread", "inline"] {
        let mode = format!("mode = \"{mode}\"");
        let cofferdam = start_with("[server]\nworkers = 4\n", &[crowd("plain", "crowd", &mode)]);
        assert_eq!(most(&cofferdam, "/plain"), 1, "{mode}");
        assert_eq!(of(&cofferdam, "slots", "plain", &[]), 1.0);
        let told = |line: &String| line.contains("its calls run one at a time");
        eventually!(cofferdam.stderr(), |lines| lines.iter().any(told));
    }
}

#[test]
fn who_is_either_runs_as_often_as_it_has_slots() {
    let threadsafe = "mode = \"thread\"\ntraits = [\"threadsafe\"]";
    for (name, symbol, keys) in [
        ("declared", "crowd_reentrant", "mode = \"thread\""),
        ("written", "crowd", "mode = \"thread\"\ntraits = [\"reentrant\"]"),
        ("threadsafe", "crowd", threadsafe),
    ] {
        let cofferdam = start(&[crowd(name, symbol, keys)]);
        let path: &'static str = format!("/{name}").leak();
        eventually!(most(&cofferdam, path), |most| *most == 4);
        assert_eq!(of(&cofferdam, "slots", name, &[]), 4.0);
        let told = |line: &String| line.contains("one at a time");
        assert!(!cofferdam.stderr().iter().any(told), "{name}");
    }
}

/// What `check` warns of.
fn warnings(functions: &[(&str, &str)]) -> Vec<String> {
    let mut text = "listen = \"127.0.0.1:0\"\n".to_owned();
    for (name, keys) in functions {
        text +=
            &format!("[functions.{name}]\nlibrary = \"{}\"\n{keys}\n", library("modes").display());
    }
    let ended = File::of(&text).run("check", &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stderr.lines().map(str::to_owned).collect()
}

#[test]
fn check_warns_of_more_calls_than_cores_of_what_computes() {
    let cores = std::thread::available_parallelism().unwrap();
    let busy = |keys: &str| {
        let declared = "prototype = \"int busy(void)\"";
        warnings(&[("busy", &format!("{declared}\n{keys}"))])
    };
    let told = |lines: &[String], text: &str| lines.iter().any(|line| line.contains(text));
    let many = busy("mode = \"pool\"");
    let mend = format!("write max_concurrency = {cores}");
    assert!(told(&many, "has max_concurrency = 32 on") && told(&many, &mend), "{many:?}");
    assert_eq!(busy(&format!("mode = \"pool\"\nmax_concurrency = {cores}")), [""; 0]);
    let inline = busy("mode = \"inline\"\nmax_concurrency = 1");
    assert!(told(&inline, "every other request on its event loop waits"), "{inline:?}");
    let written =
        "prototype = \"int crowd(int ms)\"\narguments = { ms = 1 }\ntraits = [\"cpu_bound\"]";
    assert!(told(&warnings(&[("written", written)]), "has max_concurrency = 32 on"));
}

#[test]
fn check_warns_of_neighbours_in_the_proxy_that_are_not_threadsafe() {
    let of = |symbol: &str, mode: &str, traits: &str| {
        format!(
            "prototype = \"int {symbol}(int ms)\"\narguments = {{ ms = 1 }}\nmode = \"{mode}\"\ntraits = [{traits}]"
        )
    };
    let told = |lines: &[String]| {
        let is_told = |line: &&String| line.contains("run in the proxy at once");
        lines.iter().filter(is_told).count()
    };
    let one = of("crowd", "thread", "\"reusable\", \"reentrant\"");
    let other = of("crowd_reentrant", "inline", "\"reusable\"");
    assert_eq!(told(&warnings(&[("a", &one), ("b", &other)])), 1);
    assert_eq!(told(&warnings(&[("a", &one)])), 0);
    let apart = of("crowd_reentrant", "pool", "\"reusable\"");
    assert_eq!(told(&warnings(&[("a", &one), ("b", &apart)])), 0);
    let safe = ["crowd", "crowd_reentrant"].map(|symbol| of(symbol, "thread", "\"threadsafe\""));
    assert_eq!(told(&warnings(&[("a", &safe[0]), ("b", &safe[1])])), 0);
}
