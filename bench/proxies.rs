//! nginx, HAProxy and Cofferdam side by side in one run: requests, latency, CPU and memory, as ratios to nginx.
//! `cargo bench --bench proxies -- --help`

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "a measurement ends by panicking"
)]

mod floor;
mod load;
mod matrix;
mod options;
mod peers;
mod rounds;
mod support;
mod table;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use floor::Floor;
use matrix::{Case, Mode};
use options::Options;
use peers::{Certificate, Peer, Program, Setup};
use rounds::{Outcome, Plan};
use support::kernel::Machine;
use support::system::{find, version};

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some((floor, upstream)) = options.floor_to_be() {
        floor.be(upstream);
        return ExitCode::SUCCESS;
    }
    if find("nginx").is_none() {
        println!(
            "skipped: nginx, which is also the app behind all, is missing (Debian: nginx-light)"
        );
        return ExitCode::SUCCESS;
    }
    let certificate = Certificate::create();
    let (peers, cases) = (peers(&options, &certificate), cases(&options));
    assert!(!peers.is_empty() && !cases.is_empty(), "nothing to measure");
    let plan = options.plan();
    let machine = Machine::with_children();
    println!("\n{}", table::head().trim_end());
    let outcomes = measure(&cases, &peers, &certificate, plan);
    println!();
    Machine::with_children().report_since(&machine);
    let failed = verdict::failures(&outcomes);
    if options.write && failed == 0 {
        table::write(&note(plan), &outcomes);
    }
    let verdict = verdict::of(&outcomes, &peers);
    if failed == 0 { verdict } else { ExitCode::FAILURE }
}

fn measure(cases: &[Case], peers: &[Peer], certificate: &Certificate, plan: Plan) -> Vec<Outcome> {
    let app = peers::start_app();
    let app = app.door(Mode::Http1);
    let run = |case: &Case| {
        let setup = Setup { workers: case.workers, app, certificate };
        let outcome = rounds::run(case, peers, &setup, plan);
        print!("{}", table::rows(&outcome));
        outcome
    };
    cases.iter().map(run).collect()
}

/// Who takes part; who cannot is named with the reason.
fn peers(options: &Options, certificate: &Certificate) -> Vec<Peer> {
    let mut peers = vec![Peer { name: table::BASE.to_owned(), program: Program::Nginx }];
    for (name, path) in options.builds() {
        let tls = peers::knows_tls(&path, certificate);
        if let Err(reason) = &tls {
            println!("skipped: TLS of {name}: {reason}");
        }
        peers.push(Peer { name, program: Program::Cofferdam(path, tls.is_ok()) });
    }
    if find("haproxy").is_some() {
        peers.push(Peer { name: "haproxy".to_owned(), program: Program::Haproxy });
    } else {
        println!("skipped: haproxy is missing (Debian: haproxy)");
    }
    if options.floor {
        let peer =
            |floor: Floor| Peer { name: floor.name().to_owned(), program: Program::Floor(floor) };
        peers.extend(Floor::ALL.map(peer));
    }
    let unknown = options.peers.iter().find(|name| peers.iter().all(|peer| peer.name != **name));
    assert!(unknown.is_none(), "no proxy of this run is called {unknown:?}");
    peers.retain(|peer| options.wants(&peer.name));
    peers
}

/// What is measured; what cannot be is named with the reason.
fn cases(options: &Options) -> Vec<Case> {
    let mut cases = Case::all(options.quick);
    cases.retain(|case| {
        options.case.is_empty() || options.case.iter().any(|words| case.fits(words))
    });
    for (client, package) in [("wrk", "wrk"), ("h2load", "nghttp2-client")] {
        if find(client).is_none() {
            println!("skipped: all that {client} asks for: it is missing (Debian: {package})");
            cases.retain(|case| load::program(case.mode) != client);
        }
    }
    cases
}

/// Where the machine was, for who reads the tables later.
fn note(plan: Plan) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    format!(
        "{cores} cores, Linux {}; nginx {}, HAProxy {}, Cofferdam {}; median of {} rounds of {} s.\n",
        kernel.split(['-', '\n']).next().unwrap(),
        version("nginx", "nginx/"),
        version("haproxy", "version "),
        env!("CARGO_PKG_VERSION"),
        plan.rounds,
        plan.seconds
    )
}
