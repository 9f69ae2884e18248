//! A thousand clients at once on a call that sleeps for two seconds, and what a direct answer takes before and meanwhile.
//! `cargo bench --bench thousand [-- --clients N --strict]`

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a measurement ends by panicking"
)]

mod support;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cofferdam::app::demo::spread::Spread;
use support::client::{Connection, at_once, wait_until};
use support::kernel::{self, Machine};
use support::program::Cofferdam;
use support::report::{self, Limits, ms, option};

const SLEEP: &str = "#include <unistd.h>\nint nap(void) { sleep(2); return 0; }";
/// How long a call takes.
const NAP: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(5);
/// Between two requests for the direct answer.
const GAP: Duration = Duration::from_millis(2);
/// For processes and descriptors to be as before.
const SETTLE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let clients = option("clients", 1000);
    let cofferdam = Cofferdam::start(SLEEP, &config(clients));
    let (pid, address) = (cofferdam.pid(), cofferdam.address);
    let machine = Machine::now(pid);
    let probe = Probe::start(address);
    wait_until(Instant::now() + IDLE);
    let (idle, before) = (probe.stop(), Left::of(pid));
    let probe = Probe::start(address);
    let begun = Instant::now();
    let answers = at_once(clients as usize, move |_| call(address))();
    let total = begun.elapsed();
    let mut meanwhile = probe.stop();
    println!("{clients} clients at once on a call of 2 s");
    Machine::now(pid).report_since(&machine);
    let bad = answers.iter().filter(|(status, _)| *status != 200).count();
    let (_, peak) = kernel::resident(pid);
    println!("proxy: at most {peak:.1} MiB resident");
    Left::once_settled(pid, &before).report(&before);
    let calls = Spread::of(answers.into_iter().map(|(_, taken)| taken).collect()).unwrap();
    report_phases(&idle, &meanwhile, &calls, begun, total);
    let mut limits = Limits::default();
    limits.at_most("answers without 200", bad as f64, 0.0, "answers");
    limits.at_most("time to all answers", total.as_secs_f64(), 5.0, "s");
    let (all_sleep, first_ends) = blocked_phase(begun, total);
    meanwhile.retain(|asked| all_sleep <= asked.begun && asked.begun < first_ends);
    let (idle, blocked) = (p99(&idle), p99(&meanwhile));
    limits.at_most(
        "p99 of the direct answer while all are blocked",
        blocked,
        (idle * 1.1).max(idle + 1.0),
        "ms",
    );
    limits.at_most("memory of the proxy", peak, 100.0, "MiB");
    limits.verdict()
}

fn config(clients: u32) -> String {
    format!(
        "[functions.nap]\nlibrary = \"./libbench.so\"\nprototype = \"int nap(void)\"\nmax_concurrency = {clients}\n\
         [[routes]]\npath = \"/nap\"\ncall = \"nap\"\n\
         [[routes]]\npath = \"/respond\"\nrespond = {{ status = 200, body = \"0\" }}\n"
    )
}

fn call(address: SocketAddr) -> (u16, Duration) {
    let begun = Instant::now();
    let (status, _) = Connection::open(address).get("/nap");
    (status, begun.elapsed())
}

/// One direct answer.
struct Asked {
    begun: Instant,
    taken: Duration,
}

/// One client that keeps asking for the direct answer.
struct Probe {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Asked>>,
}

impl Probe {
    fn start(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = std::thread::spawn(move || ask_until(address, &is_over));
        Self { over, thread }
    }

    fn stop(self) -> Vec<Asked> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn ask_until(address: SocketAddr, over: &AtomicBool) -> Vec<Asked> {
    let mut connection = Connection::open(address);
    let mut asked = Vec::new();
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        due += GAP;
        let begun = wait_until(due);
        assert_eq!(connection.get("/respond").0, 200);
        asked.push(Asked { begun, taken: begun.elapsed() });
    }
    asked
}

/// What a proxy holds.
#[derive(PartialEq, Eq)]
struct Left {
    children: usize,
    descriptors: usize,
}

impl Left {
    fn of(pid: u32) -> Self {
        Self { children: kernel::children(pid).len(), descriptors: kernel::descriptors(pid) }
    }

    fn report(&self, before: &Self) {
        let Self { children, descriptors } = before;
        println!("children: {children} before, {} after", self.children);
        println!("descriptors: {descriptors} before, {} after\n", self.descriptors);
    }

    /// As soon as it is what it was, or at the latest after [`SETTLE`].
    fn once_settled(pid: u32, before: &Self) -> Self {
        let deadline = Instant::now() + SETTLE;
        loop {
            let now = Self::of(pid);
            if now == *before || Instant::now() > deadline {
                return now;
            }
            wait_until(Instant::now() + Duration::from_millis(50));
        }
    }
}

fn report_phases(
    idle: &[Asked],
    meanwhile: &[Asked],
    calls: &Spread,
    begun: Instant,
    total: Duration,
) {
    let (all_sleep, first_ends) = blocked_phase(begun, total);
    report::head();
    row("respond, idle", idle, |_| true);
    row("respond, meanwhile", meanwhile, |_| true);
    row("- while workers start", meanwhile, |at| at < all_sleep.min(first_ends));
    row("- while all are blocked", meanwhile, |at| all_sleep <= at && at < first_ends);
    row("- while workers end", meanwhile, |at| first_ends <= at);
    report::row("call", calls);
    println!();
}

/// From the start of the last call to the end of the first.
fn blocked_phase(begun: Instant, total: Duration) -> (Instant, Instant) {
    (begun + total.saturating_sub(NAP), begun + NAP)
}

fn row(name: &str, asked: &[Asked], among: impl Fn(Instant) -> bool) {
    let taken = asked.iter().filter(|asked| among(asked.begun)).map(|asked| asked.taken);
    if let Some(spread) = Spread::of(taken.collect()) {
        report::row(name, &spread);
    }
}

fn p99(asked: &[Asked]) -> f64 {
    ms(Spread::of(asked.iter().map(|asked| asked.taken).collect()).unwrap().percentile(99.0))
}
