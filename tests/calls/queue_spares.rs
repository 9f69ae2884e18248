//! Spares by demand: as many as calls arrive while one starts, between the least and the most, and fewer when it is quiet.

use std::time::{Duration, Instant};

use super::ground::{function, of, start};
use crate::support::load::at_once;
use crate::support::{Cofferdam, http, quiet};

#[track_caller]
fn spares(cofferdam: &Cofferdam) -> f64 {
    of(cofferdam, "workers", "f", &[("state", "spare")])
}

#[test]
fn they_follow_the_arrivals_and_the_start() {
    let alone = quiet::alone();
    let keys = "spares = { min = 1, max = 12 }";
    let cofferdam = start(&[function("f", "slow_start", keys, "")]);
    let gauge = |name: &str| of(&cofferdam, name, "f", &[]);
    eventually!(spares(&cofferdam), |count| *count == 1.0);
    assert_eq!((gauge("spares_wanted"), gauge("spares_limit")), (1.0, 12.0));
    // Thirty calls a second, and a start takes a tenth of one: three arrive meanwhile.
    let addr = cofferdam.addr();
    let steady = move |_| {
        let begun = Instant::now();
        for call in 0..25 {
            let at = Duration::from_millis(100) * call;
            while begun.elapsed() < at {
                std::thread::park_timeout(at - begun.elapsed());
            }
            assert_eq!(http::get(addr, "/f").status, 200);
        }
    };
    at_once(3, steady);
    let wanted = gauge("spares_wanted");
    assert!((5.0..=12.0).contains(&wanted), "{wanted}");
    eventually!(spares(&cofferdam), |count| *count >= wanted.min(5.0));
    let misses = of(&cofferdam, "spare_lookups_total", "f", &[("result", "miss")]);
    assert!(misses <= 25.0, "{misses} of 75 calls found no spare");
    drop(alone);
    // Quiet, they go again: a third of the rate is remembered after ten seconds.
    let quiet = Duration::from_secs(30);
    eventually!(within quiet; spares(&cofferdam), |count| *count <= wanted / 2.0);
    assert!(gauge("spares_wanted") >= 1.0);
}

#[test]
fn auto_goes_up_to_the_slots() {
    let keys = "spares = \"auto\"\nmax_concurrency = 7";
    let cofferdam = start(&[function("f", "stdin", keys, "")]);
    eventually!(spares(&cofferdam), |count| *count == 1.0);
    assert_eq!(of(&cofferdam, "spares_limit", "f", &[]), 7.0);
    assert_eq!(cofferdam.get("/f").status, 200);
    eventually!(spares(&cofferdam), |count| *count >= 1.0);
}

#[test]
fn a_fixed_number_stays() {
    let cofferdam = start(&[function("f", "stdin", "spares = 3", "")]);
    eventually!(spares(&cofferdam), |count| *count == 3.0);
    (0..20).for_each(|_| assert_eq!(cofferdam.get("/f").status, 200));
    eventually!(spares(&cofferdam), |count| *count == 3.0);
    let gauge = |name: &str| of(&cofferdam, name, "f", &[]);
    assert_eq!((gauge("spares_wanted"), gauge("spares_limit")), (3.0, 3.0));
}
