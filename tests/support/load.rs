//! Many clients at once, each on a small thread, started together; and the percentiles of what they saw.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const STACK: usize = 256 * 1024;

/// Runs `client(0..count)` at once and gives back the results in that order, and the time until the last was done.
///
/// # Panics
/// Where a client panics, with its message.
pub fn at_once<T, F>(count: usize, client: F) -> (Vec<T>, Duration)
where
    T: Send + 'static,
    F: Fn(usize) -> T + Send + Sync + 'static,
{
    let client = Arc::new(client);
    let start = Arc::new(Barrier::new(count + 1));
    let threads: Vec<JoinHandle<T>> = (0..count)
        .map(|index| {
            let (client, start) = (Arc::clone(&client), Arc::clone(&start));
            small_thread(move || {
                start.wait();
                client(index)
            })
        })
        .collect();
    start.wait();
    let started = Instant::now();
    let results = threads.into_iter().map(join).collect();
    (results, started.elapsed())
}

/// Runs `main` on a thread of its own, and meanwhile `probe` again and again, `gap` between two.
pub fn meanwhile<T, P>(
    gap: Duration,
    main: impl FnOnce() -> T + Send + 'static,
    mut probe: impl FnMut() -> P,
) -> (T, Vec<P>)
where
    T: Send + 'static,
{
    let done = Arc::new(AtomicBool::new(false));
    let thread = small_thread({
        let done = Arc::clone(&done);
        move || {
            let _done = OnDrop(done);
            main()
        }
    });
    let mut probes = Vec::new();
    while !done.load(Ordering::Acquire) {
        probes.push(probe());
        super::wait::pause(gap);
    }
    (join(thread), probes)
}

/// Set also where `main` panics: the probe must end.
struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn small_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::Builder::new().stack_size(STACK).spawn(body).unwrap()
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Times in order, for percentiles.
#[derive(Clone, Debug)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Of what was measured; at least one.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        assert!(!times.is_empty(), "nothing was measured");
        times.sort_unstable();
        Self(times)
    }

    /// The nearest-rank percentile; `share` from 0 to 1.
    pub fn percentile(&self, share: f64) -> Duration {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// The middle one.
    pub fn p50(&self) -> Duration {
        self.percentile(0.50)
    }

    /// All but the slowest hundredth are as fast.
    pub fn p99(&self) -> Duration {
        self.percentile(0.99)
    }

    /// The slowest.
    pub fn max(&self) -> Duration {
        self.percentile(1.0)
    }
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let times = Times::of((1..=100).rev().map(Duration::from_millis));
    assert_eq!(times.p50(), Duration::from_millis(50));
    assert_eq!(times.p99(), Duration::from_millis(99));
    assert_eq!(times.max(), Duration::from_millis(100));
    assert_eq!(Times::of([Duration::from_secs(1)]).percentile(0.0), Duration::from_secs(1));
}

#[test]
fn clients_run_at_once_and_keep_their_order() {
    let (results, _) = at_once(8, {
        let meet = Barrier::new(8);
        move |index| {
            meet.wait();
            index
        }
    });
    assert_eq!(results, (0..8).collect::<Vec<_>>());
}

#[test]
fn a_probe_runs_until_the_main_part_is_done() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut count = 0;
    let (value, probes) = meanwhile(
        Duration::ZERO,
        move || receiver.recv().unwrap(),
        || {
            count += 1;
            if count == 3 {
                sender.send(7).unwrap();
            }
            count
        },
    );
    assert_eq!(value, 7);
    assert!(probes.len() >= 3);
}
