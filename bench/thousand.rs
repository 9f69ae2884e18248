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
const IDLE: Duration = Duration::from_secs(5);
/// Between two requests for the direct answer.
const GAP: Duration = Duration::from_millis(2);
/// For processes and descriptors to be as before.
const SETTLE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let clients = option("clients", 1000);
    let cofferdam = Cofferdam::start(SLEEP, &config(clients));
    let machine = Machine::now(cofferdam.pid());
    let address = cofferdam.address;
    let probe = Probe::start(address);
    wait_until(Instant::now() + IDLE);
    let idle = probe.stop();
    let before = Left::of(cofferdam.pid());
    let probe = Probe::start(address);
    let begun = Instant::now();
    let answers = at_once(clients as usize, move |_| call(address))();
    let total = begun.elapsed();
    let meanwhile = probe.stop();
    let (_, peak) = kernel::resident(cofferdam.pid());
    Machine::now(cofferdam.pid()).report_since(&machine);
    let after = Left::once_settled(cofferdam.pid(), &before);
    println!("{clients} clients at once on a call of 2 s");
    let good = answers.iter().filter(|(status, _)| *status == 200).count();
    println!("answers with 200: {good}; all after {:.2} s", total.as_secs_f64());
    println!("proxy: at most {peak:.1} MiB resident");
    println!(
        "children {} before, {} after; descriptors {} before, {} after\n",
        before.children, after.children, before.descriptors, after.descriptors
    );
    let calls = Spread::of(answers.into_iter().map(|(_, taken)| taken).collect()).unwrap();
    report(&idle, &meanwhile, &calls, total, peak, clients as usize - good)
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

/// One client that keeps asking for the direct answer.
struct Probe {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Probe {
    fn start(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = std::thread::spawn(move || ask_until(address, &is_over));
        Self { over, thread }
    }

    fn stop(self) -> Spread {
        self.over.store(true, Ordering::Relaxed);
        Spread::of(self.thread.join().unwrap()).unwrap()
    }
}

fn ask_until(address: SocketAddr, over: &AtomicBool) -> Vec<Duration> {
    let mut connection = Connection::open(address);
    let mut taken = Vec::new();
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        due += GAP;
        let begun = wait_until(due);
        assert_eq!(connection.get("/respond").0, 200);
        taken.push(begun.elapsed());
    }
    taken
}

/// What a proxy holds.
#[derive(PartialEq, Eq)]
struct Left {
    children: usize,
    descriptors: usize,
}

impl Left {
    fn of(pid: u32) -> Self {
        Self { children: kernel::children(pid), descriptors: kernel::descriptors(pid) }
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

fn report(
    idle: &Spread,
    meanwhile: &Spread,
    calls: &Spread,
    total: Duration,
    peak: f64,
    bad: usize,
) -> ExitCode {
    report::head();
    report::row("respond, idle", idle);
    report::row("respond, meanwhile", meanwhile);
    report::row("call", calls);
    println!();
    let (idle, meanwhile) = (ms(idle.percentile(99.0)), ms(meanwhile.percentile(99.0)));
    let mut limits = Limits::default();
    limits.at_most("answers without 200", bad as f64, 0.0, "");
    limits.at_most("time to all answers", total.as_secs_f64(), 5.0, "s");
    limits.at_most(
        "p99 of the direct answer meanwhile",
        meanwhile,
        (idle * 1.1).max(idle + 1.0),
        "ms",
    );
    limits.at_most("memory of the proxy", peak, 100.0, "MiB");
    limits.verdict()
}
