//! What one worker costs: CPU of a whole life (start, load, one call, end), the time to READY, and the memory of a spare,
//! at each level of sandbox.
//! `cargo bench --bench start [-- STARTS]`

#![allow(missing_docs, unsafe_code, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam::child::groups::Groups;
use cofferdam::child::sandbox::confine;
use cofferdam::config;
use cofferdam::config::sandbox::Level;
use cofferdam::ffi::callee::Callee;
use cofferdam::ffi::signature::{Return, Signature};
use cofferdam::ffi::value::Scalar;
use cofferdam::telemetry::Metrics;
use cofferdam::wire::codec::{decode_from_worker, encode_to_worker, frame_len};
use cofferdam::wire::{CallFrame, Confinement, Entry, FromWorker, Hello, Input, ToWorker, VERSION};

/// Alive at once when memory is measured: what they share is then divided among them.
const SPARES: usize = 50;

fn main() {
    let starts = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(500);
    let levels = Level::ALL.map(|level| (level, confinement(level)));
    // In turn: a machine's speed changes more in a minute than levels differ.
    let mut lives: [Vec<Life>; 3] = Default::default();
    for _ in 0..starts {
        for ((_, confinement), lives) in levels.iter().zip(&mut lives) {
            lives.push(live(spare(confinement)));
        }
    }
    println!("starts              {starts} of each level");
    for ((level, confinement), lives) in levels.iter().zip(&mut lives) {
        println!("\n{}", level.as_str());
        tell(starts, lives);
        let spares: Vec<Spare> = (0..SPARES).map(|_| spare(confinement)).collect();
        let total: u64 = spares.iter().map(|spare| pss(&spare.child)).sum();
        println!("memory of a spare   {} KiB PSS", total / SPARES as u64);
        for spare in spares {
            live(spare);
        }
    }
}

fn tell(starts: u32, lives: &mut [Life]) {
    let cpu: Duration = lives.iter().map(|life| life.cpu).sum();
    let faults: i64 = lives.iter().map(|life| life.faults).sum();
    println!("cpu of a life       {:?}", cpu / starts);
    let late: i64 = lives.iter().map(|life| life.faults_after_ready).sum();
    println!(
        "page faults         {}, {} of them after READY",
        faults / i64::from(starts),
        late / i64::from(starts)
    );
    let place = |part: f64| (f64::from(starts - 1) * part) as usize;
    lives.sort_by_key(|life| life.ready);
    println!(
        "ready after         p50 {:?} p99 {:?}",
        lives[place(0.5)].ready,
        lives[place(0.99)].ready
    );
    lives.sort_by_key(|life| life.answered);
    let answered = |part| lives[place(part)].answered;
    println!("answered after      p50 {:?} p99 {:?}", answered(0.5), answered(0.99));
}

/// As the proxy would send it for a function of this level.
fn confinement(level: Level) -> Confinement {
    let file = format!(
        "listen = \"127.0.0.1:0\"\n[functions.f]\nlibrary = \"{LIBRARY}\"\nprototype = \"int main(void)\"\nsandbox = \"{}\"\n",
        level.as_str()
    );
    let config = config::parse(&file, Path::new("bench.toml"), &|_| None).unwrap();
    confine(&config.functions[0], &Groups::prepare(&[]), &Metrics::new().unwrap()).confinement
}

const LIBRARY: &str = concat!(env!("COFFERDAM_EXAMPLES"), "/libchatty.so");

/// A worker that waits for its call.
struct Spare {
    child: Child,
    control: UnixStream,
    ready: Duration,
}

/// What one took.
struct Life {
    ready: Duration,
    answered: Duration,
    cpu: Duration,
    faults: i64,
    faults_after_ready: i64,
}

#[allow(clippy::zombie_processes)]
fn spare(confinement: &Confinement) -> Spare {
    let begun = Instant::now();
    let (mut control, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_cofferdam-worker"))
        .env_remove("LD_LIBRARY_PATH")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    send(&mut control, &ToWorker::Hello(hello(confinement)));
    let Some(FromWorker::Ready(_)) = receive(&mut control) else { panic!("not ready") };
    Spare { child, control, ready: begun.elapsed() }
}

fn live(mut spare: Spare) -> Life {
    let faults_before = faults(&spare.child);
    let begun = Instant::now();
    let input = Input::Values(Vec::new());
    send(&mut spare.control, &ToWorker::Call(CallFrame { id: 1, time_left_ms: u64::MAX, input }));
    let answer = receive(&mut spare.control);
    let answered = begun.elapsed();
    assert!(matches!(answer, Some(FromWorker::Returned { .. })));
    let life = reap(&spare);
    Life { answered, faults_after_ready: life.faults - faults_before, ..life }
}

/// Minor page faults so far: field 10 of `/proc/PID/stat`.
fn faults(child: &Child) -> i64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let after_name = &stat[stat.rfind(')').unwrap() + 1..];
    after_name.split_whitespace().nth(7).unwrap().parse().unwrap()
}

fn hello(confinement: &Confinement) -> Hello {
    let signature = Signature { returns: Return::Scalar(Scalar::I32), slots: Vec::new() };
    Hello {
        version: VERSION,
        parent: std::process::id(),
        name: "cof:bench".into(),
        library: LIBRARY.into(),
        search_path: None,
        entry: Entry::Function(Box::new(Callee::plain("main", signature))),
        confinement: confinement.clone(),
        life: cofferdam::wire::Life::Once,
        is_template: false,
        reports: false,
    }
}

fn send(control: &mut UnixStream, message: &ToWorker) {
    let mut frame = Vec::new();
    encode_to_worker(message, &mut frame);
    control.write_all(&frame).unwrap();
}

fn receive(control: &mut UnixStream) -> Option<FromWorker> {
    let mut header = [0; 4];
    control.read_exact(&mut header).ok()?;
    let mut payload = vec![0; frame_len(header, 1 << 20).ok()?];
    control.read_exact(&mut payload).ok()?;
    decode_from_worker(&payload).ok()
}

/// KiB, from `smaps_rollup`.
fn pss(child: &Child) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id())).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn reap(spare: &Spare) -> Life {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the child was not reaped before, and `usage` is valid for writes; zeroes are a valid rusage.
    let usage = unsafe {
        let pid = libc::pid_t::try_from(spare.child.id()).unwrap();
        assert_eq!(libc::wait4(pid, std::ptr::null_mut(), 0, usage.as_mut_ptr()), pid);
        usage.assume_init()
    };
    let time = |time: libc::timeval| {
        Duration::from_micros(u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap())
    };
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    Life {
        ready: spare.ready,
        answered: Duration::ZERO,
        cpu,
        faults: usage.ru_minflt,
        faults_after_ready: 0,
    }
}
