//! [`FromWorker`] as bytes.

use super::CodecError;
use super::callee::{put_returned, returned};
use super::fault::{self, fault, put_fault};
use super::reader::Reader;
use super::writer::{Writer, frame};
use crate::wire::{FromWorker, Phase, Ready, Spent};

const READY: u8 = 1;
const FAILED: u8 = 2;
const RETURNED: u8 = 3;
const HEAD: u8 = 4;
const CHUNK: u8 = 5;
const END: u8 = 6;
const LOG: u8 = 7;
const BROKEN: u8 = 8;
const FORKED: u8 = 9;
const FILE: u8 = 10;
const PHASE: u8 = 11;

const PHASES: [Phase; 4] = [Phase::Spawn, Phase::Confine, Phase::Load, Phase::Init];

/// Appends `message` as a whole frame.
pub fn encode_from_worker(message: &FromWorker, out: &mut Vec<u8>) {
    match message {
        FromWorker::Ready(ready) => frame(out, READY, |out| put_ready(out, ready)),
        FromWorker::Forked { pid } => frame(out, FORKED, |out| out.u32(*pid)),
        FromWorker::Failed { phase, message } => frame(out, FAILED, |out| {
            put_phase(out, *phase);
            out.text(message);
        }),
        FromWorker::Returned { id, returned, spent } => frame(out, RETURNED, |out| {
            out.u64(*id);
            put_returned(out, returned);
            put_spent(out, spent);
        }),
        FromWorker::Broken { id, message } => frame(out, BROKEN, |out| {
            out.u64(*id);
            out.text(message);
        }),
        FromWorker::Head { id, status, headers } => frame(out, HEAD, |out| {
            out.u64(*id);
            put_head(out, *status, headers);
        }),
        FromWorker::File { id, status, headers, offset, length } => frame(out, FILE, |out| {
            out.u64(*id);
            put_head(out, *status, headers);
            out.u64(*offset);
            out.u64(*length);
        }),
        FromWorker::Phase { id, at_ns, name } => frame(out, PHASE, |out| {
            out.u64(*id);
            out.u64(*at_ns);
            out.text(name);
        }),
        FromWorker::Chunk { id, data } => encode_chunk(*id, data, out),
        FromWorker::End { id, code, spent } => frame(out, END, |out| {
            out.u64(*id);
            out.i32(*code);
            put_spent(out, spent);
        }),
        FromWorker::Log { level, message } => frame(out, LOG, |out| {
            out.u8(*level);
            out.text(message);
        }),
        FromWorker::Fault(told) => frame(out, fault::KIND, |out| put_fault(out, told)),
    }
}

/// Appends a [`FromWorker::Chunk`] of bytes that are only borrowed.
pub fn encode_chunk(id: u64, data: &[u8], out: &mut Vec<u8>) {
    frame(out, CHUNK, |out| {
        out.u64(id);
        out.bytes(data);
    });
}

/// Reads one payload.
///
/// # Errors
/// Anything but exactly one message is refused.
pub fn decode_from_worker(payload: &[u8]) -> Result<FromWorker, CodecError> {
    Reader::whole(payload, |input| match input.u8()? {
        READY => ready(input).map(FromWorker::Ready),
        FORKED => Ok(FromWorker::Forked { pid: input.u32()? }),
        FAILED => Ok(FromWorker::Failed { phase: phase(input)?, message: input.text()? }),
        RETURNED => Ok(FromWorker::Returned {
            id: input.u64()?,
            returned: returned(input)?,
            spent: spent(input)?,
        }),
        BROKEN => Ok(FromWorker::Broken { id: input.u64()?, message: input.text()? }),
        HEAD => Ok(FromWorker::Head {
            id: input.u64()?,
            status: input.u16()?,
            headers: headers(input)?,
        }),
        FILE => Ok(FromWorker::File {
            id: input.u64()?,
            status: input.u16()?,
            headers: headers(input)?,
            offset: input.u64()?,
            length: input.u64()?,
        }),
        PHASE => {
            Ok(FromWorker::Phase { id: input.u64()?, at_ns: input.u64()?, name: input.text()? })
        }
        CHUNK => Ok(FromWorker::Chunk { id: input.u64()?, data: input.bytes()? }),
        END => Ok(FromWorker::End { id: input.u64()?, code: input.i32()?, spent: spent(input)? }),
        LOG => Ok(FromWorker::Log { level: input.u8()?, message: input.text()? }),
        fault::KIND => Ok(FromWorker::Fault(Box::new(fault(input)?))),
        tag => Err(CodecError::Unknown { what: "kind", tag }),
    })
}

/// Names and values.
type Headers = Vec<(Vec<u8>, Vec<u8>)>;

fn put_head(out: &mut Writer<'_>, status: u16, headers: &Headers) {
    out.u16(status);
    out.list(headers, |out, (name, value)| {
        out.bytes(name);
        out.bytes(value);
    });
}

fn headers(input: &mut Reader<'_>) -> Result<Headers, CodecError> {
    input.list(|input| Ok((input.bytes()?, input.bytes()?)))
}

fn put_phase(out: &mut Writer<'_>, phase: Phase) {
    let tag = PHASES.iter().position(|known| *known == phase);
    out.u8(tag.and_then(|tag| u8::try_from(tag).ok()).unwrap_or(u8::MAX));
}

fn phase(input: &mut Reader<'_>) -> Result<Phase, CodecError> {
    let tag = input.u8()?;
    PHASES.get(usize::from(tag)).copied().ok_or(CodecError::Unknown { what: "phase", tag })
}

fn put_ready(out: &mut Writer<'_>, ready: &Ready) {
    for ns in [ready.load_ns, ready.init_ns, ready.cpu_ns, ready.runqueue_ns] {
        out.u64(ns);
    }
    out.u32(ready.traits);
}

fn ready(input: &mut Reader<'_>) -> Result<Ready, CodecError> {
    Ok(Ready {
        load_ns: input.u64()?,
        init_ns: input.u64()?,
        cpu_ns: input.u64()?,
        runqueue_ns: input.u64()?,
        traits: input.u32()?,
    })
}

fn put_spent(out: &mut Writer<'_>, spent: &Spent) {
    let Spent { started_ns, ended_ns, cpu_user_ns, cpu_system_ns, runqueue_ns } = *spent;
    for ns in [started_ns, ended_ns, cpu_user_ns, cpu_system_ns, runqueue_ns] {
        out.u64(ns);
    }
}

fn spent(input: &mut Reader<'_>) -> Result<Spent, CodecError> {
    Ok(Spent {
        started_ns: input.u64()?,
        ended_ns: input.u64()?,
        cpu_user_ns: input.u64()?,
        cpu_system_ns: input.u64()?,
        runqueue_ns: input.u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::callee::Returned;
    use crate::ffi::value::Value;
    use crate::wire::{Fault, Module};

    fn messages() -> Vec<FromWorker> {
        let spent = Spent {
            started_ns: 1,
            ended_ns: u64::MAX,
            cpu_user_ns: 2,
            cpu_system_ns: 3,
            runqueue_ns: 4,
        };
        let failed = |phase| FromWorker::Failed { phase, message: "no such symbol".into() };
        let mut messages = PHASES.map(failed).to_vec();
        messages.extend([
            FromWorker::Ready(Ready {
                load_ns: 1,
                init_ns: 2,
                cpu_ns: 3,
                runqueue_ns: 4,
                traits: 5,
            }),
            FromWorker::Forked { pid: 7 },
            FromWorker::Returned {
                id: 7,
                returned: Returned { value: Value::Void, outputs: vec![], errno: 0, message: None },
                spent,
            },
            FromWorker::Returned {
                id: 7,
                returned: Returned {
                    value: Value::Int(-1),
                    outputs: vec![Value::Bytes(b"png".to_vec()), Value::Uint(3)],
                    errno: -5,
                    message: Some(b"no room".to_vec()),
                },
                spent,
            },
            FromWorker::Head { id: 7, status: 201, headers: vec![(b"x".to_vec(), b"y".to_vec())] },
            FromWorker::Chunk { id: 7, data: vec![0; 300] },
            FromWorker::File {
                id: 7,
                status: 200,
                headers: vec![(b"x".to_vec(), b"y".to_vec())],
                offset: 3,
                length: u64::MAX,
            },
            FromWorker::Phase { id: 7, at_ns: 1, name: "fetch".into() },
            FromWorker::End { id: 7, code: -22, spent },
            FromWorker::Broken { id: 7, message: "overrun".into() },
            FromWorker::Log { level: 6, message: "decoded".into() },
            FromWorker::Fault(Box::new(Fault {
                signal: 11,
                registers: vec![1, 2],
                modules: vec![Module { path: b"/x.so".to_vec(), ..Module::default() }],
                stack: vec![3; 9],
                ..Fault::default()
            })),
        ]);
        messages
    }

    #[test]
    fn messages_survive_the_journey() {
        for message in messages() {
            let mut bytes = Vec::new();
            encode_from_worker(&message, &mut bytes);
            assert_eq!(u32::to_le_bytes((bytes.len() - 4) as u32), bytes[..4]);
            assert_eq!(decode_from_worker(&bytes[4..]), Ok(message));
        }
    }

    #[test]
    fn every_cut_and_every_extension_is_refused() {
        for message in messages() {
            let mut bytes = Vec::new();
            encode_from_worker(&message, &mut bytes);
            for end in 4..bytes.len() {
                assert!(decode_from_worker(&bytes[4..end]).is_err(), "{message:?} cut at {end}");
            }
            bytes.push(0);
            assert_eq!(decode_from_worker(&bytes[4..]), Err(CodecError::Trailing { extra: 1 }));
        }
    }

    #[test]
    fn unknown_kinds_and_hostile_text_are_refused() {
        let unknown = |what, tag| Err(CodecError::Unknown { what, tag });
        assert_eq!(decode_from_worker(&[0]), unknown("kind", 0));
        assert_eq!(decode_from_worker(&[13]), unknown("kind", 13));
        assert_eq!(decode_from_worker(&[FAILED, 4, 0, 0, 0, 0]), unknown("phase", 4));
        assert_eq!(decode_from_worker(&[LOG, 6, 1, 0, 0, 0, 0xff]), Err(CodecError::Text));
    }
}
