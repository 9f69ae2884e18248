//! Every fault at random, workers killed at random: no wrong answer, nothing lost, nothing that grows, nobody held up.
//! `COFFERDAM_SOAK` says for how long: `20s` unless told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::ground::{MODES, Stage, fault, with_spares};
use crate::calls::ground::function;
use crate::support::http::{self, Response};
use crate::support::load::{Times, at_once, meanwhile};
use crate::support::wait::pause;
use crate::support::{Cofferdam, Dice, process, quiet};

const CLIENTS: usize = 6;
/// Between two kills of any worker.
const KILLS: Duration = Duration::from_millis(40);

/// A route, and the only reason that it may give; "": none.
const ROUTES: [(&str, &str); 8] = [
    ("s32", ""),
    ("handled", ""),
    ("segv", "crash"),
    ("exits_0", "exit"),
    ("sleeps", "timeout"),
    ("garbage", "protocol"),
    ("child", ""),
    ("noise", ""),
];

fn functions(keys: &str) -> Vec<String> {
    // Those that a pool does not need go soon enough to be missed.
    let idle = if keys.contains("pool") { "\npool = { idle_timeout = \"500ms\" }" } else { "" };
    let keys = with_spares(keys, 1) + idle;
    // Some of them do nothing but fail: that is what a breaker ends.
    let keys = keys + "\nbreaker = \"off\"";
    let limits = format!("timeout = \"5s\"\nkill_grace = \"50ms\"\n{keys}");
    let declared =
        |fixture: &str, name: &str, more: &str| fault(fixture, name, &format!("{more}\n{limits}"));
    let number = "prototype = \"int s32(int n)\"\narguments = { n = { query = \"n\" } }";
    let noise = "prototype = \"int noise(int mib)\"\narguments = { mib = 1 }";
    let short = format!("timeout = \"100ms\"\nkill_grace = \"50ms\"\n{keys}");
    vec![
        declared("functions", "s32", number),
        function("handled", "handlers", &format!("handler = \"stream\"\n{limits}"), ""),
        declared("deaths", "segv", ""),
        declared("deaths", "exits_0", ""),
        fault("hangs", "sleeps", &short),
        declared("lies", "garbage", ""),
        declared("litter", "child", ""),
        declared("litter", "noise", noise),
    ]
}

/// What came, by route and reason; "killed": of a worker that was killed from outside.
type Seen = BTreeMap<(&'static str, String), u64>;

/// Calls routes at random until `over`.
fn client(addr: std::net::SocketAddr, seed: u64, over: Instant) -> Seen {
    let (mut dice, mut seen) = (Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), Seen::new());
    while Instant::now() < over {
        let (name, reason) = ROUTES[dice.below(ROUTES.len())];
        let number = dice.below(1 << 20);
        let (path, body) = (format!("/{name}?n={number}"), format!("{number} ").repeat(200));
        let answer = http::request(addr, "POST", &path, &[], body.as_bytes());
        let outcome = judged(name, reason, &answer, number, &body);
        *seen.entry((name, outcome)).or_default() += 1;
        pause(Duration::from_millis(5));
    }
    seen
}

/// The reason that was given, "" for none. Panics where this is not an answer of this request.
fn judged(name: &str, reason: &str, answer: &Response, number: usize, body: &str) -> String {
    let (text, given) = (answer.text(), answer.reason());
    let lost = ["load_failed", "start_failed"].contains(&given.as_str());
    let was_killed = text.contains("SIGKILL") || lost || !answer.complete;
    match name {
        _ if was_killed => return "killed".to_owned(),
        _ if !reason.is_empty() => assert_eq!(given, reason, "{name}: {text}"),
        "s32" => assert_eq!(text, format!("-{number}\n").replace("-0", "0")),
        "handled" => assert_eq!(text, body),
        "child" => assert!(text.trim().parse::<u32>().is_ok(), "{text}"),
        _ => assert_eq!(text, "0\n", "{name}"),
    }
    given
}

/// Kills a worker at random.
fn kills_one(cofferdam: &Cofferdam, dice: &mut Dice) -> bool {
    let workers = cofferdam.workers();
    let workers: Vec<_> = workers.iter().filter(|worker| worker.name.starts_with("cof:")).collect();
    if workers.is_empty() {
        return false;
    }
    workers[dice.below(workers.len())].signal(Signal::KILL);
    true
}

fn duration() -> Duration {
    let told = std::env::var("COFFERDAM_SOAK").unwrap_or_else(|_| "20s".to_owned());
    let seconds = told.trim_end_matches('s').parse();
    Duration::from_secs(seconds.expect("COFFERDAM_SOAK is seconds, as 600s"))
}

/// What must not grow.
fn held(cofferdam: &Cofferdam) -> (u64, usize) {
    (process::resident(cofferdam.pid()), process::descriptors(cofferdam.pid()).len())
}

fn pongs(addr: std::net::SocketAddr) -> impl FnMut() -> Duration {
    move || {
        let answer = http::get(addr, "/pong");
        assert_eq!(answer.text(), "pong\n");
        answer.elapsed
    }
}

/// For this long: what came, how often a worker was killed, and how long a fast route took.
fn storm(cofferdam: &Cofferdam, length: Duration) -> (Seen, u64, Times) {
    let (addr, over) = (cofferdam.addr(), Instant::now() + length);
    let clients = move || at_once(CLIENTS, move |index| client(addr, index as u64 + 1, over)).0;
    let (mut dice, mut kills, mut next) = (Dice(7), 0, Instant::now());
    let mut pong = pongs(addr);
    let (seen, times) = meanwhile(Duration::from_millis(4), clients, || {
        if Instant::now() >= next {
            kills += u64::from(kills_one(cofferdam, &mut dice));
            next = Instant::now() + KILLS;
        }
        pong()
    });
    let mut all = Seen::new();
    for (key, count) in seen.into_iter().flatten() {
        *all.entry(key).or_default() += count;
    }
    (all, kills, Times::of(times))
}

#[test]
fn every_fault_at_random_and_nothing_is_wrong_lost_or_kept() {
    let _alone = quiet::alone();
    let length = duration() / u32::try_from(MODES.len()).unwrap();
    for (mode, keys) in MODES {
        let stage = Stage::new(mode, "", &functions(keys));
        let cofferdam = &stage.cofferdam;
        let mut pong = pongs(cofferdam.addr());
        let idle = Times::of((0..300).map(|_| pong()));
        let (mut before, warm, _) = storm(cofferdam, length / 5);
        stage.settles();
        let first = held(cofferdam);
        let (seen, kills, times) = storm(cofferdam, length * 4 / 5);
        // No descriptor and no process more than before the first call.
        stage.settles();
        let last = held(cofferdam);
        for (key, count) in seen {
            *before.entry(key).or_default() += count;
        }
        tells(mode, &before, warm + kills, &idle, &times);
        println!(
            "{mode}: memory {} → {} KiB, descriptors {} → {}",
            first.0 >> 10,
            last.0 >> 10,
            first.1,
            last.1
        );
        whole(cofferdam, &before, warm + kills);
        assert!(last.0 < first.0 + (4 << 20), "memory: {first:?} → {last:?}");
        // In a debug build, with both cores taken; what it is without is said in the papers.
        assert!(times.p99() < Duration::from_millis(100), "{times:?}", times = times.p99());
        stage.ends_well();
    }
}

fn tells(mode: &str, seen: &Seen, kills: u64, idle: &Times, times: &Times) {
    let all: u64 = seen.values().sum();
    println!("{mode}: {all} answers, {kills} workers killed from outside");
    for ((name, reason), count) in seen {
        println!("  {name} {}: {count}", if reason.is_empty() { "ok" } else { reason });
    }
    println!(
        "  a fast route: p50 {:?} → {:?}, p99 {:?} → {:?}, max {:?}",
        idle.p50(),
        times.p50(),
        idle.p99(),
        times.p99(),
        times.max()
    );
}

/// As many calls were counted as there were answers, and no more were killed than we killed.
fn whole(cofferdam: &Cofferdam, seen: &Seen, kills: u64) {
    for (name, _) in ROUTES {
        let answers: u64 =
            seen.iter().filter(|((route, _), _)| *route == name).map(|(_, count)| count).sum();
        let labels = [("function", name)];
        let counted = cofferdam.metric("cofferdam_calls_total", &labels);
        assert_eq!(counted, answers as f64, "{name}");
    }
    let killed: u64 = seen.iter().filter(|((_, r), _)| r == "killed").map(|(_, count)| count).sum();
    assert!(killed <= kills, "{killed} calls lost to {kills} kills");
}
