//! The frames' decoder against what a hostile worker may send: a fixed pseudo-random corpus.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cofferdam::ffi::callee::{Callee, Given, Message, Opening, Returned};
use cofferdam::ffi::signature::{Return, Signature, Slot};
use cofferdam::ffi::success::Success;
use cofferdam::ffi::value::{Scalar, Value};
use cofferdam::wire::codec::{
    decode_from_worker, decode_to_worker, encode_from_worker, encode_to_worker,
};
use cofferdam::wire::{
    CallFrame, Confinement, Entry, FromWorker, Hello, Input, Life, Phase, Ready, Request, Spent,
    ToWorker,
};

/// Counts what each thread has allocated.
struct Counting;

thread_local!(static ALLOCATED: Cell<usize> = const { Cell::new(0) });

// SAFETY: all is left to the system's allocator; counting touches no memory of its own.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATED.try_with(|sum| sum.set(sum.get().saturating_add(layout.size())));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// xorshift64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One of each kind.
pub fn from_worker() -> Vec<FromWorker> {
    let pair = (b"content-type".to_vec(), b"text/plain".to_vec());
    let outputs =
        vec![Value::Bytes(vec![7; 40]), Value::Float(0.5), Value::Void, Value::Bool(true)];
    let message = Some(b"no room".to_vec());
    let returned = Returned { value: Value::Int(-1), outputs, errno: 28, message };
    vec![
        FromWorker::Ready(Ready::default()),
        FromWorker::Failed { phase: Phase::Load, message: "no such symbol".into() },
        FromWorker::Returned { id: 7, returned, spent: Spent::default() },
        FromWorker::Head { id: 7, status: 200, headers: vec![pair; 3] },
        FromWorker::Chunk { id: 7, data: vec![9; 100] },
        FromWorker::End { id: 7, code: -2, spent: Spent::default() },
        FromWorker::Log { level: 3, message: "line".into() },
        FromWorker::File { id: 7, status: 200, headers: vec![], offset: 1, length: 2 },
        FromWorker::Phase { id: 7, at_ns: 1, name: "fetch".into() },
    ]
}

fn to_worker() -> Vec<ToWorker> {
    let slots = vec![Slot::Bytes, Slot::Length { of: 0, scalar: Scalar::U64 }, Slot::Text];
    let signature = Signature { returns: Return::Text, slots };
    let entry = Entry::Function(Box::new(Callee {
        opening: Some(Opening {
            symbol: "open".into(),
            signature: signature.clone(),
            values: vec![Value::Bytes(b"path".to_vec())],
            exit: Some("close".into()),
        }),
        free: Some("free".into()),
        success: Success::parse("!= null or errno == 0", &[]).ok(),
        message: Some(Message { symbol: "why".into(), given: Given::Errno(Scalar::I32) }),
        prints: true,
        ..Callee::plain("resize", signature)
    }));
    let params = vec![("id".into(), "7".into())];
    let request = Request { path: "/a".into(), params, body: vec![1; 50], ..Request::default() };
    vec![
        ToWorker::Hello(Hello {
            version: 1,
            parent: 2,
            name: "n".into(),
            library: b"lib.so".to_vec(),
            search_path: Some(b"/lib".to_vec()),
            entry,
            confinement: Confinement::least(),
            life: Life::Once,
            is_template: false,
            reports: false,
        }),
        ToWorker::Call(CallFrame { id: 7, time_left_ms: 8, input: Input::Request(request) }),
        ToWorker::Body { id: 7, data: vec![3; 100] },
        ToWorker::BodyEnd { id: 7, is_whole: true },
    ]
}

/// Payloads of all messages.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for message in from_worker() {
        let mut frame = Vec::new();
        encode_from_worker(&message, &mut frame);
        seeds.push(frame.split_off(4));
    }
    for message in to_worker() {
        let mut frame = Vec::new();
        encode_to_worker(&message, &mut frame);
        seeds.push(frame.split_off(4));
    }
    seeds
}

/// A seed with some of its bytes changed, cut, lengthened, or with a huge length in it; or plain noise.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut payload = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(payload.len());
        match random.below(6) {
            0 if !payload.is_empty() => payload[at] = random.next() as u8,
            1 if !payload.is_empty() => payload[at] ^= 1 << random.below(8),
            2 => payload.truncate(at),
            3 => payload.extend((0..random.below(9)).map(|n| n as u8)),
            4 if at + 4 <= payload.len() => {
                let huge = [u32::MAX, 1 << 31, 4096, 65535][random.below(4)];
                payload[at..at + 4].copy_from_slice(&huge.to_le_bytes());
            }
            _ => {
                let noise = random.below(200);
                payload = (0..noise).map(|_| random.next() as u8).collect();
            }
        }
    }
    payload
}

/// Bytes allocated by `decode`, and what came of it.
fn weigh<T>(decode: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATED.get();
    let result = decode();
    (ALLOCATED.get() - before, result)
}

#[test]
fn a_hostile_payload_is_refused_or_read_exactly_and_never_allocates_out_of_proportion() {
    let (seeds, mut random) = (seeds(), Random(0x9e37_79b9_7f4a_7c15));
    let mut accepted = 0;
    for _ in 0..100_000 {
        let payload = mutated(&seeds, &mut random);
        let mut again = Vec::new();
        let (from, message) = weigh(|| decode_from_worker(&payload));
        if let Ok(message) = message {
            accepted += 1;
            encode_from_worker(&message, &mut again);
            assert_eq!(&again[4..], payload);
        }
        again.clear();
        let (to, message) = weigh(|| decode_to_worker(&payload));
        if let Ok(message) = message {
            accepted += 1;
            encode_to_worker(&message, &mut again);
            assert_eq!(&again[4..], payload);
        }
        // One byte can stand for one value of 32; a list doubles its memory as it grows.
        assert!(from.max(to) <= 128 * payload.len() + 512, "{from} {to} for {payload:?}");
    }
    assert!(accepted > 1000, "the corpus is all noise: {accepted}");
}
