//! One act of the experiment: clients at once on the blocking endpoint, and one that keeps asking the fast one meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::DemoError;
use super::client::{ClientError, Connection};
use super::screen::Screen;
use super::spread::Spread;

const BLOCKING: &str = "/sleep";
const FAST: &str = "/fast";
/// Between an answer of the fast endpoint and the next request to it.
const ASK_EVERY: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(100);

/// What an act took.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the first request to the last answer.
    pub total: Duration,
    /// Each blocking call, as its client saw it.
    pub calls: Spread,
    /// Each request to the fast endpoint that was begun meanwhile.
    pub fast: Spread,
}

/// Sends `clients` requests at once to `address` and waits for every answer.
///
/// # Errors
/// [`DemoError::Client`] for the first request that had no 200; [`DemoError::Output`].
pub async fn play(
    name: &str,
    address: SocketAddr,
    clients: usize,
    screen: &Screen,
) -> Result<Measured, DemoError> {
    let (over, is_over) = watch::channel(false);
    let mut asking = Connection::open(address).await?;
    let asked = tokio::spawn(async move { ask_until(&mut asking, is_over).await });
    let begun = Instant::now();
    let calls = call_at_once(name, address, clients, screen).await?;
    let total = begun.elapsed();
    over.send_replace(true);
    let fast = asked.await??;
    match (Spread::of(calls), Spread::of(fast)) {
        (Some(calls), Some(fast)) => Ok(Measured { total, calls, fast }),
        _ => Err(DemoError::Interrupted),
    }
}

async fn call_at_once(
    name: &str,
    address: SocketAddr,
    clients: usize,
    screen: &Screen,
) -> Result<Vec<Duration>, DemoError> {
    let mut calls = JoinSet::new();
    for _ in 0..clients {
        calls.spawn(async move { Connection::open(address).await?.time(BLOCKING).await });
    }
    let begun = Instant::now();
    let mut tick = interval(TICK);
    let mut answered = Vec::with_capacity(clients);
    while answered.len() < clients {
        tokio::select! {
            Some(call) = calls.join_next() => answered.push(call??),
            _ = tick.tick() => {}
        }
        screen.progress(name, answered.len(), clients, begun.elapsed())?;
    }
    Ok(answered)
}

/// Asks at least once, the first time when the calls are under way.
async fn ask_until(
    connection: &mut Connection,
    over: watch::Receiver<bool>,
) -> Result<Vec<Duration>, ClientError> {
    let mut answers = Vec::new();
    sleep(ASK_EVERY).await;
    while answers.is_empty() || !*over.borrow() {
        answers.push(connection.time(FAST).await?);
        sleep(ASK_EVERY).await;
    }
    Ok(answers)
}
