//! Too much at once, and failures one after the other: others are served meanwhile, and all is well within a second after.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::ground::{MODES, Stage, fault, with_spares};
use crate::calls::ground::{calls, function, of, problem};
use crate::support::load::{Times, at_once, meanwhile};
use crate::support::{http, quiet};

const SLEEP: &str = "prototype = \"int sleep_ms(int ms)\"\narguments = { ms = 20 }\n\
                     max_concurrency = 2\nqueue = { length = 4, timeout = \"1s\" }\n";

#[test]
fn ten_times_more_calls_than_slots_are_refused_at_once_or_served() {
    let _alone = quiet::alone();
    for (mode, keys) in MODES {
        let spares = if keys.contains("pool") { with_spares(keys, 2) } else { keys.to_owned() };
        let functions = [function("f", "times", &format!("{SLEEP}{spares}"), "")];
        let stage = Stage::new(mode, "", &functions);
        let addr = stage.cofferdam.addr();
        let over = Instant::now() + Duration::from_secs(3);
        let crowd = move || {
            at_once(20, move |_| {
                let mut answers = Vec::new();
                while Instant::now() < over {
                    answers.push(http::get(addr, "/f"));
                    crate::support::wait::pause(Duration::from_millis(5));
                }
                answers
            })
            .0
        };
        let (answers, neighbours) =
            meanwhile(Duration::from_millis(2), crowd, || http::get(addr, "/pong"));
        let (served, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().flatten().partition(|answer| answer.status == 200);
        refused.iter().for_each(|answer| drop(problem(answer, 503, "queue_full")));
        let refusals = Times::of(refused.iter().map(|answer| answer.elapsed));
        let others = Times::of(neighbours.iter().map(|answer| answer.elapsed));
        println!(
            "{mode}: {} served, {} refused; refusals p50 {:?}, others p99 {:?}",
            served.len(),
            refused.len(),
            refusals.p50(),
            others.p99()
        );
        assert!(served.len() > 20 && refused.len() > served.len());
        assert!(refusals.p50() < Duration::from_millis(10), "{refusals:?}");
        assert!(others.p99() < Duration::from_millis(250), "{:?}", others.p99());
        let calm = Instant::now();
        assert_eq!(stage.cofferdam.get("/f").status, 200);
        assert!(calm.elapsed() < Duration::from_secs(1), "{:?}", calm.elapsed());
        assert_eq!(calls(&stage.cofferdam, "f", "ok"), served.len() as f64 + 1.0);
        stage.ends_well();
    }
}

/// Each is told what happened, or to come later; none is left waiting, and what works goes on.
#[test]
fn a_library_that_always_crashes_harms_nobody_else() {
    let _alone = quiet::alone();
    for (mode, keys) in MODES {
        let functions = [
            fault("deaths", "segv", &with_spares(keys, 2)),
            fault("deaths", "ends_another_thread", keys),
        ];
        let stage = Stage::new(mode, "", &functions);
        let addr = stage.cofferdam.addr();
        let done = Arc::new(AtomicBool::new(false));
        let crashes = Arc::new(Mutex::new(Vec::new()));
        let others: Vec<_> = (0..4)
            .map(|_| {
                let (done, crashes) = (Arc::clone(&done), Arc::clone(&crashes));
                std::thread::spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let answer = http::get(addr, "/segv");
                        crashes.lock().unwrap().push(answer.status);
                    }
                })
            })
            .collect();
        for _ in 0..40 {
            assert_eq!(http::get(addr, "/ends_another_thread").text(), "7\n");
        }
        done.store(true, Ordering::Relaxed);
        others.into_iter().for_each(|other| other.join().unwrap());
        let crashes = crashes.lock().unwrap().clone();
        assert!(crashes.iter().all(|status| [502, 503].contains(status)), "{crashes:?}");
        let told = crashes.iter().filter(|status| **status == 502).count();
        assert_eq!(calls(&stage.cofferdam, "segv", "crash"), told as f64);
        let starts = of(&stage.cofferdam, "worker_starts_total", "segv", &[]);
        println!("{mode}: {} answers, {told} of crashes, {starts} starts", crashes.len());
        assert!(starts <= told as f64 + 4.0, "{starts} starts for {told} calls");
        assert!(stage.cofferdam.stop().success());
    }
}
