//! What must hold of any bytes: each function panics where it does not. The fuzz targets and, over the seeds in
//! `tests/fixtures/corpus`, the tests run the same.

use std::io::Write;
use std::net::Ipv6Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use cofferdam::app::dossiers::backtrace;
use cofferdam::app::elf::{Elf, compare, dwarf};
use cofferdam::child::control::{Control, ControlError};
use cofferdam::config::Environment;
use cofferdam::server::gate::chunks::Chunks;
use cofferdam::server::gate::head::Limits;
use cofferdam::server::gate::{Gate, Seen};
use cofferdam::server::hygiene::{host, path};
use cofferdam::server::proxy_protocol::{MOST, read};
use cofferdam::wire::FromWorker;
use cofferdam::wire::codec::{HEADER, decode_from_worker, encode_from_worker, frame_len};

const LIMITS: Limits = Limits { size: 4096, count: 50 };

/// A connection's bytes: the gate's verdict does not depend on how they are cut, and what passes is framed as a plain
/// reader frames it.
pub fn gate(data: &[u8]) {
    // An upgrade waits for an answer; here nobody answers.
    let Some(whole) = verdict(data, data.len()) else { return };
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(verdict(data, size), Some(whole), "in pieces of {size}");
    }
    if whole {
        follow(data);
    }
}

/// Whether nothing is refused; `None`: there was a request to upgrade.
fn verdict(data: &[u8], size: usize) -> Option<bool> {
    let mut gate = Gate::new(LIMITS);
    // What a line holds is looked at when it is whole: one more LF ends the last one.
    for piece in data.chunks(size.max(1)).chain([&b"\n"[..]]) {
        match gate.look(piece) {
            Ok(Seen::All) if gate.is_upgrading() => return None,
            Ok(Seen::All) => {}
            Ok(Seen::Until(_)) => return None,
            Err(refusal) => {
                assert!(refusal.at <= piece.len());
                return Some(false);
            }
        }
    }
    Some(true)
}

/// Reads what passed, one request after another, and panics where it can be understood in two ways.
fn follow(mut rest: &[u8]) {
    loop {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        let mut places = [httparse::EMPTY_HEADER; 50];
        let mut request = httparse::Request::new(&mut places);
        let Ok(httparse::Status::Complete(length)) = request.parse(rest) else { return };
        assert!(!rest[..length].windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'));
        let all = |name: &str| {
            let same = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
            request.headers.iter().filter(same).map(|header| header.value).collect::<Vec<_>>()
        };
        let used = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
            ([], []) => Some(0),
            ([digits], []) => str::from_utf8(digits).unwrap().parse().ok(),
            ([], [only]) if only.eq_ignore_ascii_case(b"chunked") => body(&rest[length..]),
            framing => panic!("passed with {framing:?}"),
        };
        match used.and_then(|used| rest.get(length + used..)) {
            Some(next) if !next.is_empty() => rest = next,
            _ => return,
        }
    }
}

/// The length of a chunked body as the RFC has it; `None`: it is not whole.
fn body(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let digits = bytes[at..at + line].split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
        at += line + 2;
        if size == 0 {
            break;
        }
        let end = bytes.get(at.checked_add(size)?..)?.get(..2)?;
        assert_eq!(end, b"\r\n");
        at += size + 2;
    }
    if bytes[at..].starts_with(b"\r\n") {
        return Some(at + 2);
    }
    bytes[at..].windows(4).position(|four| four == b"\r\n\r\n").map(|end| at + end + 4)
}

/// A chunked body: where it ends does not depend on how it is cut, and a plain reader ends it there too.
pub fn chunks(data: &[u8]) {
    let whole = end(data, data.len());
    for size in [1, 2, 5, 17] {
        assert_eq!(end(data, size), whole, "in pieces of {size}");
    }
    if let Ok(Some(end)) = whole {
        assert_eq!(body(data), Some(end));
    }
}

fn end(data: &[u8], size: usize) -> Result<Option<usize>, ()> {
    let mut chunks = Chunks::default();
    let mut before = 0;
    for piece in data.chunks(size.max(1)) {
        match chunks.look(piece) {
            Ok((used, true)) => return Ok(Some(before + used)),
            Ok((used, false)) => assert_eq!(used, piece.len()),
            Err(_) => return Err(()),
        }
        before += piece.len();
    }
    Ok(None)
}

/// A path: its canonical form is canonical, climbs nowhere in either reading, and means the same.
pub fn path(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(canonical) = path::canonical(text) else { return };
    assert_eq!(path::canonical(&canonical).as_deref(), Ok(&*canonical));
    for reading in [Some(canonical.to_string()), path::unslashed(&canonical)].into_iter().flatten()
    {
        assert!(reading.starts_with('/') && !reading.contains("//") && !reading.contains('\\'));
        assert!(reading.bytes().all(|byte| byte.is_ascii_graphic()));
        let name = |segment: &str| segment.replace("%3B", ";").split(';').next().map(str::to_owned);
        let dotted = |segment: &str| matches!(name(segment).as_deref(), Some("." | ".."));
        assert!(!reading.split('/').any(dotted), "{reading}");
    }
    assert_eq!(canonical.contains("%2F"), path::unslashed(&canonical).is_some());
    if !text.contains("//") && !decoded(text).split('/').any(|part| matches!(part, "." | "..")) {
        assert_eq!(decoded(text), decoded(&canonical));
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A host: what is valid has one meaning to everybody who reads it.
pub fn host(data: &[u8]) {
    if !host::is_valid(data) {
        return;
    }
    let text = str::from_utf8(data).unwrap();
    let authority: http::uri::Authority = text.parse().unwrap();
    assert_eq!(authority.as_str(), text);
    assert!(!text.contains(['@', '/', ',', ' ', '?', '#', '\\', '%']));
    let name = authority.host();
    assert!(!name.is_empty() && (name.contains('[') || !name.contains(':')), "{name}");
    if let Some(address) = name.strip_prefix('[') {
        let _is_address: Ipv6Addr = address.trim_end_matches(']').parse().unwrap();
    }
}

/// A configuration file: never a panic, and each error can be shown.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let nothing = |_: &str| None;
    let environment: Environment<'_> = &nothing;
    if let Err(report) =
        cofferdam::config::parse(text, Path::new("/nowhere/fuzz.toml"), environment)
    {
        assert!(!report.to_string().is_empty());
    }
}

/// A prototype: never a panic, each error can be shown, and what is read is read again from its own spelling.
pub fn prototype(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match cofferdam::ffi::prototype::parse(text) {
        Err(problem) => {
            assert!(!problem.to_string().is_empty() && text.get(problem.span).is_some())
        }
        Ok(read) => {
            let shown = read.to_string();
            let again = cofferdam::ffi::prototype::parse(&shown).unwrap();
            assert_eq!((again.returns, again.to_string()), (read.returns, shown));
            for (one, other) in read.parameters.iter().zip(&again.parameters) {
                assert!(text.get(one.span.clone()).is_some_and(|text| text.ends_with(&one.name)));
                assert_eq!((one.ctype, &one.name), (other.ctype, &other.name));
            }
        }
    }
}

/// A shared library: never a panic; what it declares can be shown, and compared with a prototype.
pub fn elf(data: &[u8]) {
    let Ok(elf) = Elf::parse(data) else { return };
    assert!(elf.functions().is_sorted());
    let Ok(declared) = dwarf::declarations(&elf, |_| true) else { return };
    let prototype = "enum e f(struct s *a, const char *b, uint8_t *c, double d, long *e, void *f)";
    let prototype = cofferdam::ffi::prototype::parse(prototype).unwrap();
    for (name, declaration) in &declared {
        let types = declaration.parameters.iter().map(|(_, found)| found);
        for text in
            types.chain([&declaration.returns]).map(ToString::to_string).chain([name.clone()])
        {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        let all = compare::differences(&prototype, declaration);
        assert!(all.len() <= prototype.parameters.len() + 3);
    }
}

/// A header is found where it ends and nowhere before, whatever follows; what is refused stays refused.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = read(bytes);
    let bound = match whole {
        Ok(Some(header)) => header.length,
        _ => bytes.len(),
    };
    assert!(bound <= bytes.len());
    for length in 0..bound {
        match read(&bytes[..length]) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("a header of {length} bytes in one of {bound}: {bytes:?}"),
            Err(_) => assert!(whole.is_err(), "{bytes:?}"),
        }
    }
    match whole {
        Ok(Some(header)) => {
            assert!(header.length <= MOST);
            assert_eq!(read(&bytes[..header.length]), whole);
        }
        Ok(None) => assert!(bytes.len() < MOST),
        Err(_) => assert!(read(&[bytes, b"\r\n"].concat()).is_err()),
    }
}

/// As a small function's answers are capped.
pub const FRAME: usize = 4096;

/// What a worker sends, one frame after another: each is refused, or is written as the same bytes again; what is heard does not
/// depend on how it comes; nothing is heard after what was refused.
pub fn from_worker(data: &[u8]) {
    let whole = frames(data);
    for size in [1, 5, 64, data.len()] {
        assert_eq!(heard(data, size), whole, "in pieces of {size}");
    }
}

/// What a crashed worker tells, or a liar: a bounded number of frames is made of it, whatever it says.
pub fn fault(data: &[u8]) {
    let kinded = [&[12], data].concat();
    let Ok(FromWorker::Fault(fault)) = decode_from_worker(&kinded) else { return };
    let frames = backtrace::backtrace(&fault);
    assert!(frames.len() <= 64);
    let _bounded = backtrace::culprit(&frames, Path::new("/x.so"));
}

/// The frames at the front, and whether what follows is refused.
pub fn frames(mut rest: &[u8]) -> (Vec<FromWorker>, bool) {
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
        let Ok(length) = frame_len(*header, FRAME) else { return (frames, true) };
        assert!(length <= FRAME);
        let Some((payload, behind)) = behind.split_at_checked(length) else { break };
        let Ok(frame) = decode_from_worker(payload) else { return (frames, true) };
        let mut again = Vec::new();
        encode_from_worker(&frame, &mut again);
        assert_eq!(again, rest[..HEADER + length]);
        frames.push(frame);
        rest = behind;
    }
    (frames, false)
}

/// What the proxy's end of the socket makes of it.
fn heard(data: &[u8], size: usize) -> (Vec<FromWorker>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut control = Control::begin(ours, FRAME, Vec::new()).unwrap();
    let mut frames = Vec::new();
    for piece in data.chunks(size.max(1)) {
        theirs.write_all(piece).unwrap();
        loop {
            match control.next_now() {
                Ok(frame) => frames.push(frame),
                // Nothing more for now.
                Err(ControlError::Closed) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}
