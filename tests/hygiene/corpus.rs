//! What `fuzz/` holds against any bytes, over its seeds and over seeds that were tampered with: the same tampering each
//! time.

use std::fs;
use std::path::Path;

use cofferdam::wire::codec::{HEADER, encode_from_worker};
use cofferdam::wire::{Fault, FromWorker, Module};
use object::Object;

use crate::support::Dice;
use crate::support::clib::library;

#[path = "../../fuzz/checks.rs"]
mod checks;

#[path = "../../fuzz/exchange.rs"]
mod exchange;

/// Of each seed.
const MUTANTS: u64 = 300;

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Bytes that mean something to one reader or another.
const TELLING: &[u8] = b"\r\n \t:;,/.%?#@[]\\\"0159afx\0\x7f\xff";

fn tamper(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let (from, to) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
    let (from, to) = (from.min(to), from.max(to));
    match dice.below(6) {
        0 if from < bytes.len() => bytes[from] ^= 1 << dice.below(8),
        1 if from < bytes.len() => bytes[from] = TELLING[dice.below(TELLING.len())],
        2 => bytes.insert(from, TELLING[dice.below(TELLING.len())]),
        3 => drop(bytes.drain(from..to.min(from + 4))),
        4 => bytes.extend_from_within(from..to),
        _ => drop(bytes.splice(from..to, other[dice.below(other.len())..].iter().copied())),
    }
}

fn hold(name: &str, check: fn(&[u8])) {
    hold_all(name, &seeds(name), check);
}

fn hold_all(name: &str, seeds: &[Vec<u8>], check: fn(&[u8])) {
    assert!(seeds.len() >= 5, "{name}: {} seeds", seeds.len());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for seed in seeds {
        check(seed);
        for _ in 0..MUTANTS {
            let mut bytes = seed.clone();
            for _ in 0..=dice.below(4) {
                let other = &seeds[dice.below(seeds.len())];
                tamper(&mut bytes, other, &mut dice);
            }
            bytes.truncate(8192);
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let held = std::panic::catch_unwind(|| check(&bytes));
            assert!(held.is_ok(), "{name}: {shown:?}");
        }
    }
}

#[test]
fn the_gate_reads_as_others_do_however_the_bytes_are_cut() {
    hold("gate", checks::gate);
}

#[test]
fn a_chunked_body_ends_where_it_ends() {
    hold("chunks", checks::chunks);
}

#[test]
fn a_canonical_path_is_one() {
    hold("path", checks::path);
}

#[test]
fn a_valid_host_is_one_to_everybody() {
    hold("host", checks::host);
}

#[test]
fn a_configuration_never_panics() {
    hold("config", checks::config);
}

#[test]
fn a_prototype_never_panics() {
    hold("prototype", checks::prototype);
}

#[test]
fn a_proxy_header_ends_where_it_ends() {
    hold("proxy_protocol", checks::proxy_protocol);
}

#[test]
fn a_proxy_header_with_one_byte_changed_ends_where_it_ends() {
    let seeds = seeds("proxy_protocol");
    assert!(seeds.len() >= 12, "{} seeds", seeds.len());
    for seed in seeds {
        for at in 0..seed.len().min(64) {
            for change in [0x01, 0x20, 0x80, 0xff] {
                let mut changed = seed.clone();
                changed[at] ^= change;
                checks::proxy_protocol(&changed);
            }
        }
    }
}

#[test]
fn a_library_that_was_tampered_with_never_panics() {
    let (seed, other) = (library("typed"), library("functions"));
    let (seed, other) = (fs::read(seed).unwrap(), fs::read(other).unwrap());
    checks::elf(&seed);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..MUTANTS {
        let mut bytes = seed.clone();
        for _ in 0..=dice.below(24) {
            match dice.below(8) {
                0 => tamper(&mut bytes, &other, &mut dice),
                _ => {
                    let place = dice.below(bytes.len());
                    bytes[place] = dice.below(256) as u8;
                }
            }
        }
        checks::elf(&bytes);
    }
}

/// One of each kind, as bytes.
fn frames() -> Vec<Vec<u8>> {
    let encode = |frame: &FromWorker| {
        let mut bytes = Vec::new();
        encode_from_worker(frame, &mut bytes);
        bytes
    };
    crate::codec::from_worker().iter().map(encode).collect()
}

/// One frame, and several one after the other, as a worker sends them and as it should not.
#[test]
fn what_a_worker_says_is_bounded_and_whole() {
    let frames = frames();
    let turned = |by: usize| [&frames[by..], &frames[..by]].concat().concat();
    let sequences = (0..frames.len()).map(turned);
    let seeds: Vec<_> = frames.iter().cloned().chain(sequences).collect();
    hold_all("from_worker", &seeds, checks::from_worker);
}

/// The frames behind steps of every kind; the first steps take no files, the later ones do.
#[test]
fn an_exchange_hears_the_same_however_it_comes_about() {
    let frames = frames();
    let script = |seed: u64| {
        let mut dice = Dice(seed | 1);
        let steps = (0..40).flat_map(|_| [dice.below(256) as u8, dice.below(256) as u8]);
        std::iter::once(40).chain(steps).collect::<Vec<u8>>()
    };
    let seeds = (0..frames.len()).map(|by| {
        let stream = [&frames[by..], &frames[..by]].concat().concat();
        [script(by as u64 * 77 + 1), stream].concat()
    });
    hold_all("exchange", &seeds.collect::<Vec<_>>(), exchange::exchange);
}

/// A worker that lies about its stack, over a library that was tampered with.
#[test]
fn what_a_worker_tells_of_its_crash_ends_soon() {
    const BASE: u64 = 0x7f00_0000_0000;
    let seed = fs::read(library("deaths")).unwrap();
    let file = object::File::parse(&*seed).unwrap();
    let build_id = file.build_id().unwrap().unwrap_or_default().to_vec();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tampered.so");
    let mut dice = Dice(0x1234_5678_9abc_def0);
    for round in 0..MUTANTS {
        if round % 16 == 0 {
            let mut bytes = seed.clone();
            for _ in 0..dice.below(24) {
                let place = dice.below(bytes.len());
                bytes[place] = dice.below(256) as u8;
            }
            fs::write(&path, bytes).unwrap();
        }
        let module = Module {
            path: path.to_str().unwrap().into(),
            base: BASE,
            start: BASE,
            end: BASE + seed.len() as u64,
            build_id: build_id.clone(),
        };
        let mut word = || match dice.below(4) {
            0 => BASE + dice.below(seed.len()) as u64,
            1 => 0x7ffd_0000_0000 + dice.below(4096) as u64,
            2 => dice.below(64) as u64,
            _ => u64::MAX - dice.below(4096) as u64,
        };
        let fault = Fault {
            pc: word(),
            registers: (0..17).map(|_| word()).collect(),
            stack: (0..512).flat_map(|_| word().to_le_bytes()).collect(),
            modules: vec![module],
            stack_at: 0x7ffd_0000_0000,
            ..Fault::default()
        };
        let mut frame = Vec::new();
        encode_from_worker(&FromWorker::Fault(Box::new(fault)), &mut frame);
        checks::fault(&frame[HEADER + 1..]);
    }
}
