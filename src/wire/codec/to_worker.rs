//! [`ToWorker`] as bytes.

use super::CodecError;
use super::callee::{callee, put_callee};
use super::confinement::{confinement, put_confinement};
use super::reader::Reader;
use super::value::{put_value, value};
use super::writer::{Writer, frame};
use crate::wire::{CallFrame, Entry, Hello, Input, Life, Request, ToWorker};

const HELLO: u8 = 1;
const CALL: u8 = 2;
const FORK: u8 = 3;
const BODY: u8 = 4;
const BODY_END: u8 = 5;

/// Appends `message` as a whole frame.
pub fn encode_to_worker(message: &ToWorker, out: &mut Vec<u8>) {
    match message {
        ToWorker::Hello(hello) => frame(out, HELLO, |out| put_hello(out, hello)),
        ToWorker::Call(call) => frame(out, CALL, |out| put_call(out, call)),
        ToWorker::Fork { mark } => frame(out, FORK, |out| out.u64(*mark)),
        ToWorker::Body { id, data } => encode_body(*id, data, out),
        ToWorker::BodyEnd { id, is_whole } => frame(out, BODY_END, |out| {
            out.u64(*id);
            out.u8(u8::from(*is_whole));
        }),
    }
}

/// Appends a [`ToWorker::Body`] of bytes that are only borrowed.
pub fn encode_body(id: u64, data: &[u8], out: &mut Vec<u8>) {
    frame(out, BODY, |out| {
        out.u64(id);
        out.bytes(data);
    });
}

/// Reads one payload.
///
/// # Errors
/// Anything but exactly one message is refused.
pub fn decode_to_worker(payload: &[u8]) -> Result<ToWorker, CodecError> {
    Reader::whole(payload, |input| match input.u8()? {
        HELLO => hello(input).map(ToWorker::Hello),
        CALL => call(input).map(ToWorker::Call),
        FORK => Ok(ToWorker::Fork { mark: input.u64()? }),
        BODY => Ok(ToWorker::Body { id: input.u64()?, data: input.bytes()? }),
        BODY_END => Ok(ToWorker::BodyEnd { id: input.u64()?, is_whole: flag(input)? }),
        tag => Err(CodecError::Unknown { what: "kind", tag }),
    })
}

/// The version in a payload that may be a [`Hello`] of another one: its place never changes.
#[must_use]
pub fn hello_version(payload: &[u8]) -> Option<u32> {
    let (HELLO, rest) = payload.split_first().map(|(kind, rest)| (*kind, rest))? else {
        return None;
    };
    Reader::new(rest).u32().ok()
}

fn put_hello(out: &mut Writer<'_>, hello: &Hello) {
    out.u32(hello.version);
    out.u32(hello.parent);
    out.text(&hello.name);
    out.bytes(&hello.library);
    out.list(hello.search_path.as_slice(), |out, path| out.bytes(path));
    put_entry(out, &hello.entry);
    put_confinement(out, &hello.confinement);
    out.u8(u8::from(hello.life == Life::Many));
    out.u8(u8::from(hello.is_template));
    out.u8(u8::from(hello.reports));
}

fn hello(input: &mut Reader<'_>) -> Result<Hello, CodecError> {
    Ok(Hello {
        version: input.u32()?,
        parent: input.u32()?,
        name: input.c_text()?,
        library: input.bytes()?,
        search_path: input.list(Reader::bytes)?.pop(),
        entry: entry(input)?,
        confinement: confinement(input)?,
        life: if flag(input)? { Life::Many } else { Life::Once },
        is_template: flag(input)?,
        reports: flag(input)?,
    })
}

fn flag(input: &mut Reader<'_>) -> Result<bool, CodecError> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        tag => Err(CodecError::Unknown { what: "flag", tag }),
    }
}

fn put_entry(out: &mut Writer<'_>, entry: &Entry) {
    match entry {
        Entry::Function(callee) => {
            out.u8(0);
            put_callee(out, callee);
        }
        Entry::Handler { symbol } => {
            out.u8(1);
            out.text(symbol);
        }
    }
}

fn entry(input: &mut Reader<'_>) -> Result<Entry, CodecError> {
    Ok(match input.u8()? {
        0 => Entry::Function(Box::new(callee(input)?)),
        1 => Entry::Handler { symbol: input.c_text()? },
        tag => return Err(CodecError::Unknown { what: "entry", tag }),
    })
}

fn put_call(out: &mut Writer<'_>, call: &CallFrame) {
    out.u64(call.id);
    out.u64(call.time_left_ms);
    match &call.input {
        Input::Values(values) => {
            out.u8(0);
            out.list(values, put_value);
        }
        Input::Request(request) => {
            out.u8(1);
            put_request(out, request);
        }
    }
}

fn call(input: &mut Reader<'_>) -> Result<CallFrame, CodecError> {
    Ok(CallFrame {
        id: input.u64()?,
        time_left_ms: input.u64()?,
        input: match input.u8()? {
            0 => Input::Values(input.list(value)?),
            1 => Input::Request(request(input)?),
            tag => return Err(CodecError::Unknown { what: "input", tag }),
        },
    })
}

fn put_request(out: &mut Writer<'_>, request: &Request) {
    for text in [&request.id, &request.method, &request.path, &request.query, &request.peer] {
        out.text(text);
    }
    out.list(&request.headers, |out, (name, value)| {
        out.bytes(name);
        out.bytes(value);
    });
    out.list(&request.params, |out, (name, value)| {
        out.text(name);
        out.text(value);
    });
    out.bytes(&request.body);
    out.u8(u8::from(request.is_streamed));
}

fn request(input: &mut Reader<'_>) -> Result<Request, CodecError> {
    Ok(Request {
        id: input.c_text()?,
        method: input.c_text()?,
        path: input.c_text()?,
        query: input.c_text()?,
        peer: input.c_text()?,
        headers: input.list(|input| Ok((input.bytes()?, input.bytes()?)))?,
        params: input.list(|input| Ok((input.c_text()?, input.c_text()?)))?,
        body: input.bytes()?,
        is_streamed: flag(input)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::callee::Callee;
    use crate::ffi::signature::{Return, Signature, Slot};
    use crate::ffi::value::{Scalar, Value};
    use crate::sys::landlock::Rules;
    use crate::sys::limits::Resource;
    use crate::wire::{Confinement, Group};

    fn everything() -> Confinement {
        Confinement {
            groups: vec![Group {
                folder: "/sys/fs/cgroup/a".into(),
                settings: vec![("pids.max".into(), "3".into())],
            }],
            limits: vec![(Resource::Cpu, 1), (Resource::Processes, u64::MAX)],
            oom_score: 500,
            user: Some((1, 2)),
            capabilities: Some(3),
            reach: Rules {
                read: Some(vec!["/usr".into()]),
                write: Some(Vec::new()),
                connect: Some(vec![443]),
                bind: None,
                own_signals: true,
                own_sockets: false,
            },
            deny: vec![0; 8],
            seal: vec![2; 24],
            allow: vec![1; 16],
        }
    }

    fn messages() -> Vec<ToWorker> {
        let signature = Signature {
            returns: Return::Scalar(Scalar::I32),
            slots: vec![Slot::Bytes, Slot::Text],
        };
        let entries = [
            Entry::Function(Box::new(Callee::plain("resize", signature))),
            Entry::Handler { symbol: "thumb".into() },
        ];
        let request = Request {
            id: "0af7".into(),
            method: "POST".into(),
            path: "/a/b%20c".into(),
            query: "x=1&y=ü".into(),
            peer: "127.0.0.1:4711".into(),
            headers: vec![(b"x-a".to_vec(), b"\xff".to_vec()), (b"x-a".to_vec(), Vec::new())],
            params: vec![("id".into(), "7".into())],
            body: b"\0\0binary".to_vec(),
            is_streamed: true,
        };
        let inputs = [
            Input::Values(Vec::new()),
            Input::Values(vec![Value::Int(-4), Value::Bytes(b"text".to_vec())]),
            Input::Request(Request::default()),
            Input::Request(request),
        ];
        let hello = |(entry, confinement)| {
            ToWorker::Hello(Hello {
                version: 1,
                parent: 4711,
                name: "cof:resize".into(),
                library: b"./\xffslow.so".to_vec(),
                search_path: Some(b"/lib".to_vec()),
                entry,
                confinement,
                life: Life::Many,
                is_template: true,
                reports: true,
            })
        };
        let call = |input| ToWorker::Call(CallFrame { id: 9, time_left_ms: u64::MAX, input });
        let hellos = entries.into_iter().zip([Confinement::least(), everything()]).map(hello);
        let frames = hellos.chain(inputs.into_iter().map(call));
        let body = ToWorker::Body { id: 9, data: b"piece".to_vec() };
        let ends = [true, false].map(|is_whole| ToWorker::BodyEnd { id: 9, is_whole });
        frames.chain([ToWorker::Fork { mark: 7 }, body]).chain(ends).collect()
    }

    #[test]
    fn messages_survive_the_journey() {
        for message in messages() {
            let mut bytes = Vec::new();
            encode_to_worker(&message, &mut bytes);
            assert_eq!(u32::to_le_bytes((bytes.len() - 4) as u32), bytes[..4]);
            assert_eq!(decode_to_worker(&bytes[4..]), Ok(message));
        }
    }

    #[test]
    fn the_version_is_found_whatever_follows() {
        assert_eq!(hello_version(&[HELLO, 7, 0, 0, 0, 99]), Some(7));
        assert_eq!(hello_version(&[HELLO, 7, 0, 0]), None);
        assert_eq!(hello_version(&[CALL, 7, 0, 0, 0]), None);
        assert_eq!(hello_version(&[]), None);
    }

    #[test]
    fn every_cut_and_every_extension_is_refused() {
        for message in messages() {
            let mut bytes = Vec::new();
            encode_to_worker(&message, &mut bytes);
            for end in 4..bytes.len() {
                assert!(decode_to_worker(&bytes[4..end]).is_err(), "{message:?} cut at {end}");
            }
            bytes.push(0);
            assert_eq!(decode_to_worker(&bytes[4..]), Err(CodecError::Trailing { extra: 1 }));
        }
    }
}
