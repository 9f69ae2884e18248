//! A hundred reloads a second, broken and half-written files among them: nothing is lost, nothing piles up.

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

#[test]
fn a_hundred_reloads_a_second_lose_nothing() {
    let _alone = quiet::alone();
    let versions = Versions::new();
    let all = [
        ("exec", "spares = 1"),
        ("fork", "spares = 1\nspawn = \"fork\""),
        ("pool", "spares = 1\nmode = \"pool\""),
        ("detached", "spares = 1\nmode = \"detached\"\nqueue = { length = 5000 }"),
    ];
    let cofferdam = start(&all.map(|(name, keys)| versions.function(name, keys)));
    eventually!(cofferdam.workers(), |workers| workers.len() == 5);
    let calm = Calm::of(&cofferdam);
    let held = descriptors(cofferdam.pid()).len();
    let (addr, pid) = (cofferdam.addr(), cofferdam.pid());
    let changes = Changes::new(versions);
    let (mut answers, _) = at_once(5, move |client| {
        let (begun, mut seen) = (Instant::now(), Vec::new());
        while begun.elapsed() < LASTS {
            if let Some((name, _)) = all.get(client) {
                let answer = http::get(addr, &format!("/{name}"));
                seen.push((*name, answer.status, answer.text().trim().to_owned()));
                wait::pause(BETWEEN);
            } else {
                changes.make(seen.len());
                signal_pid(pid, Signal::HUP);
                seen.push(("reloads", 0, String::new()));
                let next = EVERY * u32::try_from(seen.len()).unwrap();
                wait::pause(next.saturating_sub(begun.elapsed()));
            }
        }
        seen
    });
    let reloads = answers.pop().unwrap().len();
    assert!(reloads > 200, "{reloads}");
    for (name, status, text) in answers.iter().flatten() {
        let is_right = match *name {
            "detached" => *status == 202,
            _ => *status == 200 && ["1", "2"].contains(&text.as_str()),
        };
        assert!(is_right, "{name}: {status} {text}");
    }
    let counted = |result| of(&cofferdam, "library_reloads_total", "exec", &[("result", result)]);
    let (taken, refused) = (counted("ok"), counted("failed"));
    println!(
        "{reloads} reloads: {taken} taken, {refused} refused; {} answers",
        answers.concat().len()
    );
    assert!(taken >= 1.0 && refused >= 1.0 && taken + refused <= 60.0, "{taken} {refused}");
    let promised = answers[3].len() as f64;
    eventually!(calls(&cofferdam, "detached", "ok"), |count| *count == promised);
    let ledger = json(&http::get(cofferdam.admin(), "/api/v1/calls"));
    assert!(ledger["calls"].as_array().is_some_and(|calls| !calls.is_empty()));
    eventually!(cofferdam.workers(), |workers| workers.len() == 5);
    calm.returns(&cofferdam);
    eventually!(descriptors(cofferdam.pid()).len(), |now| *now <= held + 8);
    assert!(cofferdam.stop().success());
}
