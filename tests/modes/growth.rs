//! What the proxy holds does not grow with the calls that it has served.

use crate::calls::ground::{calls, function, start};
use crate::faults::ground::{MODES, with_spares};
use crate::support::{http, process};

/// 10,000 calls of each isolated mode.
#[test]
fn nothing_grows_with_the_number_of_calls() {
    for (mode, keys) in MODES {
        let keys = format!("prototype = \"int count(void)\"\n{}", with_spares(keys, 4));
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
        ask(1000);
        let (descriptors, memory) = (steady(), process::resident(pid));
        ask(9000);
        eventually!(process::descriptors(pid).len(), |count| *count <= descriptors + 8);
        let _children = steady();
        let grown = process::resident(pid).saturating_sub(memory);
        assert!(grown < 4 << 20, "{mode}: {grown} bytes more");
        assert_eq!(process::zombies(pid), 0, "{mode}");
        assert_eq!(calls(&cofferdam, "f", "ok"), 10_000.0, "{mode}");
    }
}
