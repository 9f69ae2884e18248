//! A hundred reloads a second, broken and half-written files among them: nothing is lost, nothing piles up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::ground::Versions;
use crate::calls::ground::{Calm, calls, json, of, start};
use crate::support::load::at_once;
use crate::support::process::{descriptors, signal_pid};
use crate::support::{http, quiet, wait};

const LASTS: Duration = Duration::from_secs(4);
/// A client rests so long, for the machine to have room for the tests.
const BETWEEN: Duration = Duration::from_millis(5);
const IN_PLACE: usize = 150;
const EVERY: Duration = Duration::from_millis(10);

/// All that a file may become, in turn.
struct Changes {
    versions: Versions,
    good: [Vec<u8>; 2],
    crashing: Vec<u8>,
}

impl Changes {
    fn new(versions: Versions) -> Self {
        let good = ["-DVERSION=1", "-DVERSION=2"].map(|word| Versions::bytes(&[word]));
        Self { versions, good, crashing: Versions::bytes(&["-DVERSION=2", "-DABORTS"]) }
    }

    fn make(&self, round: usize) {
        let (versions, [one, two]) = (&self.versions, &self.good);
        // What is written in place all the time is never taken: that is half of the storm.
        let kinds = if round < IN_PLACE { 8 } else { 4 };
        match round % kinds + 8 - kinds {
            0 => versions.is_overwritten(two),
            1 => versions.is_overwritten(&one[..one.len() / 2]),
            2 => versions.is_overwritten(one),
            3 => versions.is_overwritten(b""),
            4 => versions.is_renamed(two),
            5 => versions.is_renamed(&self.crashing),
            6 => versions.is_renamed(one),
            _ => versions.is_renamed(&one[..one.len() - 1000]),
        }
    }
}

/// The kinds that an isolated call can be of.
const KINDS: [(&str, &str); 4] = [
    ("exec", "spares = 1"),
    ("fork", "spares = 1\nspawn = \"fork\""),
    // One slot: a pool does not grow then.
    ("pool", "spares = 1\nmax_concurrency = 1\nmode = \"pool\""),
    ("detached", "spares = 1\nmode = \"detached\"\nqueue = { length = 5000 }"),
];

/// A client of one kind, for as long as `goes_on`: what it saw.
fn client(addr: SocketAddr, name: &str, goes_on: impl Fn() -> bool) -> Vec<(u16, String)> {
    let mut seen = Vec::new();
    while goes_on() {
        let answer = http::get(addr, &format!("/{name}"));
        seen.push((answer.status, answer.text().trim().to_owned()));
        wait::pause(BETWEEN);
    }
    seen
}

#[test]
fn version_after_version_is_taken_under_load_and_nothing_is_lost() {
    let versions = Versions::new();
    let functions = KINDS.map(|(name, keys)| versions.function(name, keys));
    let cofferdam = start(&functions);
    let (addr, done) = (cofferdam.addr(), Arc::new(AtomicBool::new(false)));
    let clients = KINDS.map(|(name, _)| {
        let done = Arc::clone(&done);
        std::thread::spawn(move || client(addr, name, || !done.load(Ordering::Acquire)))
    });
    for version in 2..=5 {
        versions.becomes(&[&format!("-DVERSION={version}")]);
        cofferdam.signal(Signal::HUP);
        let taken = || of(&cofferdam, "library_reloads_total", "pool", &[("result", "ok")]);
        eventually!(taken(), |count| *count == f64::from(version - 1));
    }
    done.store(true, Ordering::Release);
    for ((name, _), client) in KINDS.iter().zip(clients) {
        let seen = client.join().unwrap();
        let status = if *name == "detached" { 202 } else { 200 };
        assert!(seen.iter().all(|(found, _)| *found == status), "{name}: {seen:?}");
        if status == 200 {
            let versions: Vec<u32> = seen.iter().map(|(_, text)| text.parse().unwrap()).collect();
            // Who has had the new one never has the old one again.
            assert!(versions.is_sorted(), "{name}: {versions:?}");
        }
    }
    assert_eq!(cofferdam.get("/exec").text().trim(), "5");
    let lost = cofferdam.metric("cofferdam_http_requests_rejected_total", &[]);
    assert_eq!(lost, 0.0);
}

#[test]
fn a_hundred_reloads_a_second_lose_nothing() {
    let _alone = quiet::alone();
    let versions = Versions::new();
    let cofferdam = start(&KINDS.map(|(name, keys)| versions.function(name, keys)));
    eventually!(cofferdam.workers(), |workers| workers.len() == 5);
    let calm = Calm::of(&cofferdam);
    let held = descriptors(cofferdam.pid()).len();
    let (addr, pid) = (cofferdam.addr(), cofferdam.pid());
    let changes = Changes::new(versions);
    let (mut answers, _) = at_once(5, move |number| {
        let begun = Instant::now();
        if let Some((name, _)) = KINDS.get(number) {
            return client(addr, name, || begun.elapsed() < LASTS);
        }
        let mut rounds = Vec::new();
        while begun.elapsed() < LASTS {
            changes.make(rounds.len());
            signal_pid(pid, Signal::HUP);
            rounds.push((0, String::new()));
            let next = EVERY * u32::try_from(rounds.len()).unwrap();
            wait::pause(next.saturating_sub(begun.elapsed()));
        }
        rounds
    });
    let reloads = answers.pop().unwrap().len();
    assert!(reloads > 200, "{reloads}");
    for ((name, _), seen) in KINDS.iter().zip(&answers) {
        let is_right = |(status, text): &(u16, String)| match *name {
            "detached" => *status == 202,
            _ => *status == 200 && ["1", "2"].contains(&text.as_str()),
        };
        let wrong = seen.iter().find(|answer| !is_right(answer));
        assert_eq!(wrong, None, "{name}");
    }
    let counted = |result| of(&cofferdam, "library_reloads_total", "exec", &[("result", result)]);
    let (taken, refused) = (counted("ok"), counted("failed"));
    println!(
        "{reloads} reloads: {taken} taken, {refused} refused; {} answers",
        answers.concat().len()
    );
    assert!(taken + refused >= 1.0 && taken + refused <= 60.0, "{taken} {refused}");
    let promised = answers[3].len() as f64;
    eventually!(calls(&cofferdam, "detached", "ok"), |count| *count == promised);
    let ledger = json(&http::get(cofferdam.admin(), "/api/v1/calls"));
    assert!(ledger["calls"].as_array().is_some_and(|calls| !calls.is_empty()));
    eventually!(cofferdam.workers(), |workers| workers.len() == 5);
    calm.returns(&cofferdam);
    eventually!(descriptors(cofferdam.pid()).len(), |now| *now <= held + 8);
    assert!(cofferdam.stop().success());
}
