//! Where the time of calls goes: parts that add up, counters that grow while a call runs, and the system call it waits in.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use super::ground::{Calm, calls, function, function_of, of, start};
use crate::support::http::{Connection, Response};
use crate::support::load::{Times, at_once};
use crate::support::{Cofferdam, http, quiet};

const MIXED: &str = "prototype = \"int mixed(int sleep, int spin)\"\n\
                     arguments = { sleep = { query = \"sleep\" }, spin = { query = \"spin\" } }\n";

/// `Server-Timing` of one call, milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    pub queue: f64,
    pub start: f64,
    pub cpu: f64,
    pub runqueue: f64,
    pub blocked: f64,
    pub total: f64,
}

impl Timing {
    #[track_caller]
    pub fn of(answer: &Response) -> Self {
        let text = answer.header("server-timing").expect("it was asked for");
        let part = |name: &str| {
            let parts = text.split(", ").filter_map(|part| part.split_once(";dur="));
            let mut found = parts.filter(|(part, _)| *part == name).map(|(_, ms)| ms);
            found.next().unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        Self {
            queue: part("queue"),
            start: part("start"),
            cpu: part("cpu"),
            runqueue: part("runqueue"),
            blocked: part("blocked"),
            total: part("total"),
        }
    }

    /// The function's own time.
    pub fn own(&self) -> f64 {
        self.cpu + self.runqueue + self.blocked
    }
}

fn timed(connection: &mut Connection, path: &str) -> Response {
    connection.request("GET", path, &[("server-timing", "1")], b"").unwrap()
}

#[track_caller]
fn counted(cofferdam: &Cofferdam, states: &[&str]) -> f64 {
    let state = |state: &&str| of(cofferdam, "call_time_seconds_total", "f", &[("state", *state)]);
    1000.0 * states.iter().map(state).sum::<f64>()
}

#[track_caller]
fn blocked_in(cofferdam: &Cofferdam, syscall: &str) -> f64 {
    of(cofferdam, "call_blocked_seconds_total", "f", &[("syscall", syscall)])
}

/// Four clients ask 250 times each, for naps, work, both and nothing.
fn thousand(cofferdam: &Cofferdam) -> Vec<(Timing, Duration)> {
    let addr = cofferdam.addr();
    let client = move |_| {
        let mut connection = Connection::open(addr).unwrap();
        let one = |number: usize| {
            let path = [
                "/f?sleep=3&spin=0",
                "/f?sleep=0&spin=2",
                "/f?sleep=2&spin=1",
                "/f?sleep=0&spin=0",
                "/f?sleep=50&spin=1",
            ];
            let path = if number.is_multiple_of(50) { path[4] } else { path[number % 4] };
            let answer = timed(&mut connection, path);
            assert_eq!(answer.text(), "0\n");
            (Timing::of(&answer), answer.elapsed)
        };
        (0..250).map(one).collect::<Vec<_>>()
    };
    at_once(4, client).0.concat()
}

#[test]
fn the_parts_of_a_thousand_mixed_calls_add_up() {
    let _alone = quiet::alone();
    // Three slots for four clients: somebody waits.
    let keys = format!("{MIXED}spares = 2\nmax_concurrency = 3");
    let cofferdam = start(&[function("f", "times", &keys, "")]);
    let timings = thousand(&cofferdam);
    assert_eq!(timings.len(), 1000);
    for (timing, elapsed) in &timings {
        let sum = timing.queue + timing.start + timing.own();
        assert!((sum - timing.total).abs() <= timing.total * 0.01, "{timing:?}");
        assert!(timing.total <= elapsed.as_secs_f64() * 1000.0, "{timing:?} in {elapsed:?}");
    }
    // What the clock of a call does not hold is the way of request and answer: little, where the machine lets it.
    let unseen = |(timing, elapsed): &(Timing, Duration)| {
        elapsed.saturating_sub(Duration::from_secs_f64(timing.total / 1000.0))
    };
    let unseen = Times::of(timings.iter().map(unseen));
    let least = unseen.percentile(0.02);
    assert!(least < Duration::from_millis(3), "{least:?}");
    the_counters_say_the_same(&cofferdam, &timings);
}

#[track_caller]
fn the_counters_say_the_same(cofferdam: &Cofferdam, timings: &[(Timing, Duration)]) {
    eventually!(calls(cofferdam, "f", "ok"), |count| *count == 1000.0);
    let sum =
        |part: fn(&Timing) -> f64| timings.iter().map(|(timing, _)| part(timing)).sum::<f64>();
    let metric = |name| 1000.0 * of(cofferdam, name, "f", &[]);
    for (name, counter, timed) in [
        ("cpu", counted(cofferdam, &["cpu_user", "cpu_system"]), sum(|t| t.cpu)),
        ("runqueue", counted(cofferdam, &["runqueue"]), sum(|t| t.runqueue)),
        ("blocked", counted(cofferdam, &["blocked"]), sum(|t| t.blocked)),
        ("named", metric("call_blocked_seconds_total"), sum(|t| t.blocked)),
        ("queue", metric("queue_wait_seconds_sum"), sum(|t| t.queue)),
        ("duration", metric("call_duration_seconds_sum"), sum(|t| t.total - t.queue)),
    ] {
        let share = counter / timed;
        assert!((0.98..1.02).contains(&share), "{name}: {counter} ms counted, {timed} ms timed");
    }
}

#[test]
fn a_sleep_is_blocked_time_and_a_loop_is_cpu_time() {
    let _alone = quiet::alone();
    let cofferdam = start(&[function("f", "times", &format!("{MIXED}spares = 2"), "")]);
    let ask = |path: &'static str| {
        let addr = cofferdam.addr();
        let call = move |_| timed(&mut Connection::open(addr).unwrap(), path);
        at_once(3, call).0.iter().map(Timing::of).collect::<Vec<_>>()
    };
    let sleeps = ask("/f?sleep=2000&spin=0");
    // Its sleep and no more is blocked time. The wait for a CPU after it is the machine's, not the call's.
    assert!(sleeps.iter().all(|t| t.blocked >= 2000.0), "{sleeps:?}");
    let blocked = |t: &Timing| t.blocked / (t.blocked + t.cpu);
    assert!(sleeps.iter().all(|t| blocked(t) >= 0.999), "{sleeps:?}");
    let loops = ask("/f?sleep=0&spin=500");
    assert!(loops.iter().all(|t| t.cpu >= 499.0), "{loops:?}");
    let on_cpu = |t: &Timing| (t.cpu + t.runqueue) / t.own();
    assert!(loops.iter().all(|t| on_cpu(t) >= 0.99), "{loops:?}");
}

#[test]
fn a_stuck_call_is_seen_in_its_first_second() {
    let cofferdam = start(&[function("f", "times", MIXED, "")]);
    let calm = Calm::of(&cofferdam);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let begun = Instant::now();
    client.send(&http::encode("GET", "/f?sleep=5000&spin=0", &[], b"")).unwrap();
    let seen = || (counted(&cofferdam, &["blocked"]), blocked_in(&cofferdam, "clock_nanosleep"));
    let mut before = 0.0;
    for round in 0..3 {
        eventually!(seen(), |now| now.0 > before + 100.0 && now.1 * 1000.0 > before + 100.0);
        before = seen().0;
        let passed = begun.elapsed();
        assert!(before <= passed.as_secs_f64() * 1000.0, "{before} ms in {passed:?}");
        assert!(round > 0 || passed < Duration::from_secs(1), "{passed:?}");
    }
    assert_eq!(of(&cofferdam, "calls_total", "f", &[]), 0.0);
    drop(client);
    calm.returns(&cofferdam);
    let whole = begun.elapsed().as_secs_f64() * 1000.0;
    let counted = counted(&cofferdam, &["cpu_user", "cpu_system", "runqueue", "blocked"]);
    assert!((before..=whole).contains(&counted), "{counted} of {whole} ms");
    assert_eq!(calls(&cofferdam, "f", "cancelled"), 1.0);
}

#[test]
fn a_busy_call_is_seen_as_well() {
    let cofferdam = start(&[function("f", "loop", "", "")]);
    let calm = Calm::of(&cofferdam);
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    let begun = Instant::now();
    client.send(&http::encode("GET", "/f", &[], b"")).unwrap();
    eventually!(counted(&cofferdam, &["cpu_user", "runqueue"]), |ms| *ms > 200.0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let blocked = counted(&cofferdam, &["blocked"]);
    assert!(blocked < 20.0, "{blocked} ms");
    drop(client);
    calm.returns(&cofferdam);
}

#[test]
fn a_socket_read_is_blocked_in_recvfrom() {
    let sender = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = sender.local_addr().unwrap().port();
    let keys = format!(
        "prototype = \"int fetch(const char *host, int port, uint8_t *out, size_t *out_len)\"\n\
         arguments = {{ host = {{ const = \"127.0.0.1\" }}, port = {port}, out = {{ buffer = \"64KiB\" }}, out_len = {{ len = \"out\" }} }}\n\
         success = \"== 0\"\nresponse = {{ body = \"out\", content_type = \"text/plain\" }}"
    );
    let library = Path::new(env!("COFFERDAM_EXAMPLES")).join("librecv.so");
    let cofferdam = start(&[function_of("f", &library, &keys, "")]);
    let addr = cofferdam.addr();
    let call = std::thread::spawn(move || timed(&mut Connection::open(addr).unwrap(), "/f"));
    let (mut peer, _) = sender.accept().unwrap();
    eventually!(blocked_in(&cofferdam, "recvfrom"), |seconds| *seconds > 0.3);
    peer.write_all(b"at last").unwrap();
    drop(peer);
    let answer = call.join().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "at last"));
    let timing = Timing::of(&answer);
    assert!(timing.blocked >= 300.0 && timing.cpu < timing.blocked / 100.0, "{timing:?}");
    eventually!(calls(&cofferdam, "f", "ok"), |count| *count == 1.0);
    let named = blocked_in(&cofferdam, "recvfrom") * 1000.0;
    assert!(named / timing.blocked > 0.95, "{named} of {timing:?}");
}
