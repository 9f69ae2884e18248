//! What a library may break, in each isolated mode: its own request, and nothing else.

use std::time::Duration;

use crate::calls::ground::{beside_a_neighbour, calls, function, logged, of, problem, start};
use crate::support::{http, process};

/// Every way to isolate a call.
const MODES: [(&str, &str); 4] = [
    ("exec", "mode = \"process\""),
    ("fork", "mode = \"process\"\nspawn = \"fork\""),
    ("pool", "mode = \"pool\""),
    ("poolfork", "mode = \"pool\"\nspawn = \"fork\""),
];

/// A fixture with `int main(void)`, and what its clients get.
const FAULTS: [(&str, u16, &str); 12] = [
    ("segv", 502, "crash"),
    ("abort", 502, "crash"),
    ("exit0", 502, "exit"),
    ("exit3", 502, "exit"),
    ("thread_exit", 502, "exit"),
    ("loop", 504, "timeout"),
    ("stop", 504, "timeout"),
    ("ignore_term", 504, "timeout"),
    ("garbage", 502, "protocol"),
    ("close_control", 502, "protocol"),
    ("grandchild", 200, ""),
    ("flood", 200, ""),
];

#[test]
fn a_fault_costs_one_request_in_every_mode() {
    for (mode, keys) in MODES {
        let limits = format!("{keys}\ntimeout = \"500ms\"\nkill_grace = \"200ms\"\nspares = 1");
        let functions = FAULTS.map(|(fixture, ..)| function(fixture, fixture, &limits, ""));
        let healthy = "prototype = \"int count(void)\"\nspares = 1";
        let healthy = function("healthy", "modes", &format!("{healthy}\n{keys}"), "");
        let cofferdam = start(&[functions.concat(), healthy]);
        let settled = |name: &str| of(&cofferdam, "workers", name, &[("state", "starting")]) == 0.0;
        eventually!(FAULTS.iter().all(|(name, ..)| settled(name)), |all| *all);
        for (fixture, status, reason) in FAULTS {
            let path = format!("/{fixture}");
            let answer = beside_a_neighbour(&cofferdam, move |addr| http::get(addr, &path));
            if status == 200 {
                assert_eq!(answer.status, 200, "{mode} {fixture}: {}", answer.text());
                continue;
            }
            assert_eq!(
                (answer.status, answer.reason().as_str()),
                (status, reason),
                "{mode} {fixture}"
            );
            let id = problem(&answer, status, reason);
            assert!(
                answer.elapsed < Duration::from_secs(4),
                "{mode} {fixture}: {:?}",
                answer.elapsed
            );
            assert_eq!(calls(&cofferdam, fixture, reason), 1.0, "{mode} {fixture}");
            logged(&cofferdam, &id, &format!("\"reason\":\"{reason}\""));
            eventually!(of(&cofferdam, "slots_in_use", fixture, &[]), |count| *count == 0.0);
        }
        // What a call of a pool leaves in its group goes with its worker, so the proxy must end by itself.
        assert_eq!(cofferdam.get("/healthy").status, 200);
        eventually!(process::zombies(cofferdam.pid()), |count| *count == 0);
        eventually!(cofferdam.metric("cofferdam_workers", &[("state", "busy")]), |count| *count
            == 0.0);
        assert!(cofferdam.stop().success());
    }
}

/// 2,000 calls of each mode: what the proxy holds does not grow.
#[test]
fn nothing_grows_with_the_number_of_calls() {
    for (mode, keys) in MODES {
        let keys = format!("prototype = \"int count(void)\"\nspares = 4\n{keys}");
        let cofferdam = start(&[function("f", "modes", &keys, "")]);
        let pid = cofferdam.pid();
        let mut client = http::Connection::open(cofferdam.addr()).unwrap();
        let mut ask = |count: usize| {
            for _ in 0..count {
                assert_eq!(client.request("GET", "/f", &[], b"").unwrap().status, 200);
            }
        };
        let steady = || {
            eventually!(process::children(pid).len(), |count| *count <= 5);
            process::descriptors(pid).len()
        };
        ask(200);
        let (descriptors, memory) = (steady(), process::resident(pid));
        ask(1800);
        eventually!(process::descriptors(pid).len(), |count| *count <= descriptors + 8);
        let _children = steady();
        let grown = process::resident(pid).saturating_sub(memory);
        assert!(grown < 4 << 20, "{mode}: {grown} bytes more");
        assert_eq!(process::zombies(pid), 0, "{mode}");
        assert_eq!(calls(&cofferdam, "f", "ok"), 2000.0, "{mode}");
    }
}
