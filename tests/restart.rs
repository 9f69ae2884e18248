//! The program ends, or another process takes its place, and no client sees it.

mod activation;
mod drains;
mod handover;
mod notify;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::Place;
use crate::support::http::Connection;

const CLIENTS: usize = 16;
/// Of one client, between the beginnings of two requests: 2,000 requests a second together.
const PACE: Duration = Duration::from_millis(8);

/// Clients that keep their connections, open a new one when they are told that the old one ends, and go on until they
/// are stopped or refused.
struct Clients {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Clients {
    fn start(place: Place) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let threads = (0..CLIENTS).map(|_| {
            let (stop, answered, place) = (Arc::clone(&stop), Arc::clone(&answered), place.clone());
            std::thread::spawn(move || go_on(&place, &stop, &answered))
        });
        Self { threads: threads.collect(), stop, answered }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// All failures, once every client has ended.
    fn failures(self) -> Vec<String> {
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

fn go_on(place: &Place, stop: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
    let mut failures = Vec::new();
    let mut kept = None;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += PACE;
        crate::support::wait::pause(due.saturating_duration_since(Instant::now()));
        let connection = match kept.take().map_or_else(|| Connection::open(place.clone()), Ok) {
            Ok(connection) => connection,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
            Err(error) => {
                failures.push(format!("connect: {error}"));
                continue;
            }
        };
        match exchange(connection) {
            Ok(open) => {
                answered.fetch_add(1, Ordering::Relaxed);
                kept = open;
            }
            Err(error) => failures.push(format!("request: {error}")),
        }
    }
    failures
}

/// One request; the connection, if it stays open.
fn exchange(mut connection: Connection) -> io::Result<Option<Connection>> {
    let answer = connection.request("GET", "/", &[], b"")?;
    if (answer.status, answer.complete, answer.text().as_str()) != (200, true, "whole") {
        return Err(io::Error::other(format!("{answer:?}")));
    }
    Ok((answer.header("connection") != Some("close")).then_some(connection))
}
