//! One case: all its proxies run at once and take turns under the load, so that what else the machine does hits all alike.

use std::time::{Duration, Instant};

use crate::load::{Load, Order};
use crate::matrix::Case;
use crate::peers::{Peer, Running, Setup};
use crate::support::client::wait_until;
use crate::support::kernel::Machine;
use crate::support::report::ms;

/// How long all of it takes.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Rounds of each proxy, after one that is not counted.
    pub rounds: usize,
    /// Of a round.
    pub seconds: u32,
}

/// What was measured of one proxy.
#[derive(Clone, Copy)]
pub struct Figures {
    /// Requests in a second.
    pub rate: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Microseconds of CPU for each request, user and system, of all its processes.
    pub cpu: f64,
    /// MiB, of all its processes, under load.
    pub memory: f64,
}

/// A case that was run.
pub struct Outcome {
    /// Which.
    pub case: Case,
    /// Percent of the machine that others used meanwhile.
    pub others: f64,
    /// By name: the median of each figure, or what went wrong.
    pub peers: Vec<(String, Result<Figures, String>)>,
}

impl Outcome {
    /// The figures of one proxy, if it took part and nothing went wrong.
    pub fn of(&self, name: &str) -> Option<&Figures> {
        self.peers.iter().find(|(own, _)| own == name)?.1.as_ref().ok()
    }
}

/// Runs a case.
pub fn run(case: &Case, peers: &[Peer], setup: &Setup<'_>, plan: Plan) -> Outcome {
    let machine = Machine::with_children();
    let peers: Vec<&Peer> = peers.iter().filter(|peer| peer.takes(case)).collect();
    let running: Vec<Running> = peers.iter().map(|peer| peer.start(setup)).collect();
    let mut measured: Vec<Result<Vec<Figures>, String>> = vec![Ok(Vec::new()); peers.len()];
    for turn in 0..=plan.rounds {
        let warm = Plan { seconds: 1, ..plan };
        for at in 0..peers.len() {
            // Nobody always comes after the same one.
            let at = (at + turn) % peers.len();
            let Ok(rounds) = &mut measured[at] else { continue };
            match round(case, &running[at], setup, if turn == 0 { warm } else { plan }) {
                Ok(figures) if turn > 0 => rounds.push(figures),
                Ok(_) => {}
                Err(said) => measured[at] = Err(said),
            }
        }
    }
    // Their CPU counts as ours once they were waited for.
    drop(running);
    let (_, others) = Machine::with_children().shares_since(&machine);
    let measured = measured.into_iter().map(|rounds| rounds.map(|rounds| median(&rounds)));
    let names = peers.iter().map(|peer| peer.name.clone());
    Outcome { case: *case, others, peers: names.zip(measured).collect() }
}

fn round(case: &Case, running: &Running, setup: &Setup<'_>, plan: Plan) -> Result<Figures, String> {
    let address = running.door(case.mode);
    let (folder, seconds) = (setup.certificate.folder(), plan.seconds);
    let (before, begun) = (running.cpu(), Instant::now());
    let load = Load::start(Order { case, address, seconds, folder });
    wait_until(begun + Duration::from_secs(seconds.into()).mul_f64(0.7));
    let memory = running.memory();
    let answers = load.finish()?;
    let cpu = (running.cpu() - before).as_secs_f64() * 1e6 / answers.count;
    Ok(Figures { rate: answers.rate, p50: ms(answers.p50), p99: ms(answers.p99), cpu, memory })
}

fn median(rounds: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        f64::midpoint(low, high)
    };
    Figures {
        rate: of(|round| round.rate),
        p50: of(|round| round.p50),
        p99: of(|round| round.p99),
        cpu: of(|round| round.cpu),
        memory: of(|round| round.memory),
    }
}
