//! HTTP/2 from clients, frame by frame: what has no one meaning as HTTP/1.1 never becomes that.

use super::{Stage, bytes};
use crate::support::frames::{self, Frames, Outcome};

/// `name|value`, a byte a character.
type Fields = [&'static str];

/// The fields as bytes.
fn parsed(fields: &[&str]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |field: &&str| {
        let (name, value) = field.split_once('|').unwrap();
        (bytes(name), bytes(value))
    };
    fields.iter().map(pair).collect()
}

const METHOD: &str = ":method|GET";
const SCHEME: &str = ":scheme|http";
const AUTHORITY: &str = ":authority|a.test";
const PATH: &str = ":path|/x";

/// A request on stream 1 of a connection of its own.
fn send(stage: &Stage, fields: &[&str], data: Option<&[u8]>) -> Outcome {
    let mut client = Frames::open(stage.cofferdam.addr());
    begin(&mut client, 1, fields, data.is_none());
    if let Some(data) = data {
        let _is_refused = client.send(frames::DATA, frames::END_STREAM, 1, data);
    }
    client.outcome(1)
}

fn begin(client: &mut Frames, stream: u32, fields: &[&str], is_end: bool) {
    let fields = parsed(fields);
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    let flags = if is_end { frames::END_STREAM } else { 0 };
    let _is_refused = client.head(stream, &fields, flags);
}

fn base(extra: &[&'static str]) -> Vec<&'static str> {
    [&[METHOD, SCHEME, AUTHORITY, PATH], extra].concat()
}

/// Whole heads that nobody may see as a request.
const HEADS: &[&Fields] = &[
    // Pseudo-headers that are missing, doubled, unknown or late.
    &[SCHEME, AUTHORITY, PATH],
    &[METHOD, AUTHORITY, PATH],
    &[METHOD, SCHEME, AUTHORITY],
    &[METHOD, SCHEME, PATH],
    &[],
    &["x-only|1"],
    &[METHOD, METHOD, SCHEME, AUTHORITY, PATH],
    &[METHOD, SCHEME, SCHEME, AUTHORITY, PATH],
    &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH],
    &[METHOD, SCHEME, AUTHORITY, ":authority|b.test", PATH],
    &[METHOD, SCHEME, AUTHORITY, PATH, PATH],
    &[METHOD, SCHEME, AUTHORITY, PATH, ":path|/y"],
    &[METHOD, SCHEME, AUTHORITY, PATH, ":unknown|x"],
    &[METHOD, SCHEME, AUTHORITY, PATH, ":status|200"],
    &[METHOD, SCHEME, AUTHORITY, PATH, ":protocol|websocket"],
    &[METHOD, SCHEME, AUTHORITY, "x-a|1", PATH],
    &["x-a|1", METHOD, SCHEME, AUTHORITY, PATH],
    &[METHOD, SCHEME, AUTHORITY, "x-a|1", ":path|/y"],
    // Methods.
    &[":method|", SCHEME, AUTHORITY, PATH],
    &[":method|G ET", SCHEME, AUTHORITY, PATH],
    &[":method|GET / HTTP/1.1\r\nX: y", SCHEME, AUTHORITY, PATH],
    &[":method|G\u{0}T", SCHEME, AUTHORITY, PATH],
    &[":method|TRACE", SCHEME, AUTHORITY, PATH],
    &[":method|CONNECT", AUTHORITY],
    &[":method|CONNECT", SCHEME, AUTHORITY, PATH],
    &[":method|CONNECT", SCHEME, AUTHORITY, PATH, ":protocol|websocket"],
    // Schemes.
    &[METHOD, ":scheme|", AUTHORITY, PATH],
    &[METHOD, ":scheme|ftp", AUTHORITY, PATH],
    &[METHOD, ":scheme|ht tp", AUTHORITY, PATH],
    &[METHOD, ":scheme|http://evil/?", AUTHORITY, PATH],
    &[METHOD, ":scheme|http\r\nX: y", AUTHORITY, PATH],
    // Authorities.
    &[METHOD, SCHEME, ":authority|", PATH],
    &[METHOD, SCHEME, ":authority|u@a.test", PATH],
    &[METHOD, SCHEME, ":authority|u:p@a.test", PATH],
    &[METHOD, SCHEME, ":authority|@a.test", PATH],
    &[METHOD, SCHEME, ":authority|a b", PATH],
    &[METHOD, SCHEME, ":authority|a.test/x", PATH],
    &[METHOD, SCHEME, ":authority|a.test?x", PATH],
    &[METHOD, SCHEME, ":authority|a.test#x", PATH],
    &[METHOD, SCHEME, ":authority|a,b", PATH],
    &[METHOD, SCHEME, ":authority|a:x", PATH],
    &[METHOD, SCHEME, ":authority|a:65536", PATH],
    &[METHOD, SCHEME, ":authority|[::1", PATH],
    &[METHOD, SCHEME, ":authority|a\r\nX: y", PATH],
    &[METHOD, SCHEME, ":authority|a\u{0}b", PATH],
    &[METHOD, SCHEME, ":authority|\u{e9}", PATH],
    &[METHOD, SCHEME, AUTHORITY, PATH, "host|b.test"],
    &[METHOD, SCHEME, AUTHORITY, PATH, "host|a.test:80"],
    &[METHOD, SCHEME, AUTHORITY, PATH, "host|"],
    &[METHOD, SCHEME, AUTHORITY, PATH, "host|a.test", "host|a.test"],
    &[METHOD, SCHEME, AUTHORITY, PATH, "host|a.test", "host|b.test"],
    &[METHOD, SCHEME, PATH, "host|a.test", "host|b.test"],
    &[METHOD, SCHEME, PATH, "host|a b"],
    &[METHOD, SCHEME, PATH, "host|u@a.test"],
    // Paths.
    &[METHOD, SCHEME, AUTHORITY, ":path|"],
    &[METHOD, SCHEME, AUTHORITY, ":path|x"],
    &[METHOD, SCHEME, AUTHORITY, ":path|*"],
    &[METHOD, SCHEME, AUTHORITY, ":path|http://b.test/"],
    &[METHOD, SCHEME, AUTHORITY, ":path|?x"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a b"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/ HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a\rb"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a\nb"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a\tb"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a\u{0}b"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a\u{7f}b"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/\u{e9}"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/?\r\nX: y"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/?a b"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/%00"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/.."],
    &[METHOD, SCHEME, AUTHORITY, ":path|/..;/x"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a\\b"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a%5cb"],
    &[METHOD, SCHEME, AUTHORITY, ":path|/a%zz"],
];

/// Fields behind a good head.
const FIELDS: &[&str] = &[
    "X-Upper|1",
    "hosT|a.test",
    "connection|close",
    "connection|x-a",
    "Connection|close",
    "keep-alive|timeout=5",
    "proxy-connection|keep-alive",
    "upgrade|h2c",
    "upgrade|websocket",
    "transfer-encoding|chunked",
    "transfer-encoding|identity",
    "Transfer-Encoding|chunked",
    "te|gzip",
    "te|trailers, deflate",
    "te|",
    "|1",
    " x|1",
    "x |1",
    "x y|1",
    "x:y|1",
    ":x|1",
    "x\r\ny|1",
    "x\u{0}|1",
    "x\u{7f}|1",
    "x\u{e9}|1",
    "x(|1",
    "x-a|b\rc",
    "x-a|b\nc",
    "x-a|b\r\nx-b: c",
    "x-a|b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "x-a|b\u{0}c",
    "x-a|b\u{1}c",
    "x-a|b\u{1f}c",
    "x-a|b\u{7f}c",
    "x-a| b",
    "x-a|b ",
    "x-a|\tb",
    "x-a|b\t",
    "content-length|x",
    "content-length|-1",
    "content-length|+1",
    "content-length|0x1",
    "content-length|1, 1",
    "content-length|99999999999999999999",
    "content-length|5",
    "expect|tea",
    "expect|100-continue, tea",
];

#[track_caller]
fn is_refused(stage: &Stage, fields: &[&str], data: Option<&[u8]>) {
    match send(stage, fields, data) {
        Outcome::Answer(400 | 405 | 417 | 431, body) => {
            let problem = String::from_utf8_lossy(&body).into_owned();
            assert!(problem.contains("\"bad_request\""), "{fields:?}: {problem:?}");
        }
        Outcome::Answer(status, _) => panic!("{fields:?}: answered with {status}"),
        Outcome::Reset(_) | Outcome::GoAway(_) | Outcome::Closed => {}
    }
    let seen = stage.tap.seen();
    assert!(seen.bytes.is_empty(), "{fields:?}: {:?}", String::from_utf8_lossy(&seen.bytes));
}

#[test]
fn a_malformed_head_is_refused() {
    let stage = Stage::new();
    for fields in HEADS {
        is_refused(&stage, fields, None);
    }
}

#[test]
fn a_malformed_field_is_refused() {
    let stage = Stage::new();
    for field in FIELDS {
        is_refused(&stage, &base(&[*field]), None);
    }
    is_refused(&stage, &base(&["content-length|1", "content-length|2"]), None);
    is_refused(&stage, &base(&["content-length|1", "content-length|1"]), None);
}

#[test]
fn a_body_that_is_not_as_long_as_announced_is_no_request() {
    let stage = Stage::new();
    let rows: [(&'static str, &[u8]); 5] = [
        ("content-length|5", b"1234"),
        ("content-length|5", b"123456"),
        ("content-length|0", b"1"),
        ("content-length|5", b""),
        ("content-length|1", b"1GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    for (length, data) in rows {
        let fields = [":method|POST", SCHEME, AUTHORITY, PATH, length];
        let outcome = send(&stage, &fields, Some(data));
        assert!(!matches!(outcome, Outcome::Answer(200, _)), "{length} {data:?}: {outcome:?}");
    }
    eventually!(stage.tap.seen().open, |open| *open == 0);
    let seen = stage.tap.seen();
    assert!(seen.requests.is_empty() && seen.faults.is_empty(), "{seen:?}");
}

#[test]
fn a_request_that_announces_no_body_waits_until_none_has_come() {
    let stage = Stage::new();
    for (data, passes) in [(&b""[..], true), (b"1", false)] {
        stage.tap.forget();
        let mut client = Frames::open(stage.cofferdam.addr());
        let fields = [":method|POST", SCHEME, AUTHORITY, PATH, "content-length|0"];
        begin(&mut client, 1, &fields, false);
        begin(&mut client, 3, &[METHOD, SCHEME, AUTHORITY, ":path|/y"], true);
        assert!(matches!(client.outcome(3), Outcome::Answer(200, _)));
        assert_eq!(stage.tap.requests(1)[0].target, "/y", "what came first may be malformed");
        client.send(frames::DATA, frames::END_STREAM, 1, data).unwrap();
        let outcome = client.outcome(1);
        assert_eq!(matches!(outcome, Outcome::Answer(200, _)), passes, "{data:?}: {outcome:?}");
        assert_eq!(stage.tap.seen().requests.len(), 1 + usize::from(passes), "{data:?}");
    }
}

#[test]
fn what_is_clear_passes_as_one_request() {
    let stage = Stage::new();
    let rows: [(&Fields, &str, &str); 9] = [
        (&[METHOD, SCHEME, AUTHORITY, PATH], "/x", "a.test"),
        (&[METHOD, ":scheme|https", AUTHORITY, PATH], "/x", "a.test"),
        (&[PATH, AUTHORITY, SCHEME, METHOD], "/x", "a.test"),
        (&[METHOD, SCHEME, AUTHORITY, PATH, "host|a.test"], "/x", "a.test"),
        (&[METHOD, SCHEME, AUTHORITY, PATH, "host|A.TEST"], "/x", "a.test"),
        (&[METHOD, SCHEME, PATH, "host|b.test:81"], "/x", "b.test:81"),
        (&[METHOD, SCHEME, ":authority|[::1]:80", PATH], "/x", "[::1]:80"),
        (&[METHOD, SCHEME, AUTHORITY, ":path|/a/../%62//c?d=%2e"], "/b/c?d=%2e", "a.test"),
        (&[":method|OPTIONS", SCHEME, AUTHORITY, ":path|*"], "*", "a.test"),
    ];
    for (fields, target, host) in rows {
        stage.tap.forget();
        let outcome = send(&stage, fields, None);
        assert!(matches!(outcome, Outcome::Answer(200, _)), "{fields:?}: {outcome:?}");
        let seen = stage.tap.requests(1).remove(0);
        assert_eq!((seen.target.as_str(), seen.all("host")), (target, vec![host]), "{fields:?}");
    }
}

#[test]
fn fields_pass_or_are_left_behind() {
    let stage = Stage::new();
    let fields = base(&[
        "te|trailers",
        "cookie|a=b",
        "cookie|c=d; e=f",
        "cookie|g=h",
        "x-a|1",
        "x-a|2",
        "x_b|1",
        "x-forwarded-for|6.6.6.6",
        "forwarded|for=6.6.6.6",
        "proxy-authorization|x",
        "trailer|x",
        "expect|100-continue",
        "x-obs|caf\u{e9}",
    ]);
    let outcome = send(&stage, &fields, None);
    assert!(matches!(outcome, Outcome::Answer(200, _)), "{outcome:?}");
    let seen = stage.tap.requests(1).remove(0);
    assert_eq!(seen.all("cookie"), ["a=b; c=d; e=f; g=h"]);
    assert_eq!(seen.all("x-a"), ["1", "2"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert!(seen.all("x_b").is_empty() && seen.all("x-obs").len() == 1);
}

#[test]
fn a_protected_prefix_holds_on_http_2() {
    let stage = Stage::new();
    for path in [
        ":path|/admin",
        ":path|//admin",
        ":path|/x/../admin/",
        ":path|/%61dmin",
        ":path|/x%2f..%2fadmin",
    ] {
        let outcome = send(&stage, &[METHOD, SCHEME, AUTHORITY, path], None);
        assert!(matches!(outcome, Outcome::Answer(403, _)), "{path}: {outcome:?}");
    }
    assert!(stage.tap.seen().bytes.is_empty());
}

#[test]
fn bodies_are_framed_anew_and_trailers_dropped() {
    let stage = Stage::new();
    let mut client = Frames::open(stage.cofferdam.addr());
    let post = [":method|POST", SCHEME, AUTHORITY, PATH];
    begin(&mut client, 1, &post, false);
    client.send(frames::DATA, 0, 1, b"0\r\n\r\n").unwrap();
    client.send(frames::DATA, 0, 1, b"GET /smuggled HTTP/1.1\r\n").unwrap();
    begin(&mut client, 1, &["x-trailer|1", "content-length|0"], true);
    assert_eq!(client.outcome(1), Outcome::Answer(200, b"POST /x".to_vec()));
    let with_length = [&post[..], &["content-length|5"]].concat();
    begin(&mut client, 3, &with_length, false);
    client.send(frames::DATA, frames::END_STREAM, 3, b"hello").unwrap();
    assert_eq!(client.outcome(3), Outcome::Answer(200, b"POST /x".to_vec()));
    let seen = stage.tap.requests(2);
    assert_eq!(seen[0].body, b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n");
    assert_eq!(seen[0].all("transfer-encoding"), ["chunked"]);
    assert_eq!(
        (seen[1].body.as_slice(), seen[1].all("content-length")),
        (&b"hello"[..], vec!["5"])
    );
}

#[test]
fn trailers_that_are_malformed_are_no_end_of_a_request() {
    let stage = Stage::new();
    for trailer in ["X-Upper|1", "connection|close", "x|a\r\nb"] {
        let mut client = Frames::open(stage.cofferdam.addr());
        begin(&mut client, 1, &[":method|POST", SCHEME, AUTHORITY, PATH], false);
        client.send(frames::DATA, 0, 1, b"hello").unwrap();
        begin(&mut client, 1, &[trailer], true);
        let outcome = client.outcome(1);
        assert!(!matches!(outcome, Outcome::Answer(200, _)), "{trailer}: {outcome:?}");
    }
    eventually!(stage.tap.seen().open, |open| *open == 0);
    assert!(stage.tap.seen().requests.is_empty(), "{:?}", stage.tap.seen());
}

/// Frames that break the rules of the connection: it ends, and nothing becomes a request.
#[test]
fn broken_frames_end_the_connection() {
    let stage = Stage::new();
    let (good, stop) = (frames::block(&[(b":method", b"GET")]), u32::MAX.to_be_bytes());
    let flags = frames::END_HEADERS | frames::END_STREAM;
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("DATA on stream 0", frames::frame(frames::DATA, 0, 0, b"x")),
        ("DATA on an idle stream", frames::frame(frames::DATA, 0, 1, b"x")),
        ("HEADERS on stream 0", frames::frame(frames::HEADERS, flags, 0, &good)),
        ("HEADERS on an even stream", frames::frame(frames::HEADERS, flags, 2, &good)),
        ("a broken block", frames::frame(frames::HEADERS, flags, 1, &[0xff; 16])),
        ("an index beyond the table", frames::frame(frames::HEADERS, flags, 1, &[0xfe])),
        ("padding longer than the frame", frames::frame(frames::HEADERS, flags | 8, 1, &[200, 0])),
        ("CONTINUATION without HEADERS", frames::frame(frames::CONTINUATION, 4, 1, &good)),
        ("PING of 7 bytes", frames::frame(frames::PING, 0, 0, &[0; 7])),
        ("PING on a stream", frames::frame(frames::PING, 0, 1, &[0; 8])),
        ("SETTINGS of 5 bytes", frames::frame(frames::SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS on a stream", frames::frame(frames::SETTINGS, 0, 1, &[])),
        ("SETTINGS with an acknowledged payload", frames::frame(frames::SETTINGS, 1, 0, &[0; 6])),
        ("a window of 2^31", frames::frame(frames::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        ("frames of at most 1 byte", frames::frame(frames::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])),
        ("ENABLE_PUSH of 2", frames::frame(frames::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])),
        ("WINDOW_UPDATE of 3 bytes", frames::frame(frames::WINDOW_UPDATE, 0, 0, &[0; 3])),
        ("WINDOW_UPDATE by 0", frames::frame(frames::WINDOW_UPDATE, 0, 0, &[0; 4])),
        (
            "a window that overflows",
            frames::frame(frames::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(2),
        ),
        (
            "WINDOW_UPDATE of an idle stream",
            frames::frame(frames::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        ),
        ("RST_STREAM of an idle stream", frames::frame(frames::RST_STREAM, 0, 1, &[0; 4])),
        ("RST_STREAM on stream 0", frames::frame(frames::RST_STREAM, 0, 0, &[0; 4])),
        ("RST_STREAM of 3 bytes", frames::frame(frames::RST_STREAM, 0, 1, &[0; 3])),
        ("PUSH_PROMISE from a client", frames::frame(frames::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2])),
        (
            "a stream that depends on itself",
            frames::frame(frames::PRIORITY, 0, 1, &[0, 0, 0, 1, 0]),
        ),
        ("a frame over the limit", frames::frame(frames::DATA, 0, 1, &[0; 16_385])),
        ("GOAWAY on a stream", frames::frame(frames::GOAWAY, 0, 1, &[0; 8])),
        ("no HTTP/2 at all", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("a length of 2^24 - 1", [&[0xff, 0xff, 0xff, 0, 0], &stop[..]].concat()),
    ];
    for (what, bytes) in rows {
        let mut client = Frames::open(stage.cofferdam.addr());
        client.raw(&bytes).unwrap();
        let _is_refused = begin_good(&mut client, 101);
        match client.outcome(101) {
            Outcome::GoAway(1..) | Outcome::Closed => {}
            // A fault of one stream only, which was none yet.
            Outcome::Answer(200, _) if what.contains("depends on itself") => stage.tap.forget(),
            other => panic!("{what}: {other:?}"),
        }
        let seen = stage.tap.seen();
        assert!(seen.requests.is_empty() || what.contains("depends"), "{what}: {seen:?}");
    }
}

fn begin_good(client: &mut Frames, stream: u32) -> std::io::Result<()> {
    let fields = parsed(&base(&[]));
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    client.head(stream, &fields, frames::END_STREAM)
}

#[test]
fn a_block_that_another_frame_interrupts_ends_the_connection() {
    let stage = Stage::new();
    for (kind, payload) in
        [(frames::DATA, &[0_u8; 1][..]), (frames::PING, &[0; 8]), (frames::SETTINGS, &[])]
    {
        let mut client = Frames::open(stage.cofferdam.addr());
        let fields = parsed(&base(&[]));
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        let block = frames::block(&fields);
        client.send(frames::HEADERS, frames::END_STREAM, 1, &block[..4]).unwrap();
        let _is_refused = client.send(kind, 0, 0, payload);
        let _is_refused = client.send(frames::CONTINUATION, frames::END_HEADERS, 1, &block[4..]);
        assert!(matches!(client.outcome(1), Outcome::GoAway(1..) | Outcome::Closed));
    }
    let mut client = Frames::open(stage.cofferdam.addr());
    let fields = parsed(&base(&[]));
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    let block = frames::block(&fields);
    client.send(frames::HEADERS, frames::END_STREAM, 1, &block[..4]).unwrap();
    client.send(frames::CONTINUATION, frames::END_HEADERS, 1, &block[4..]).unwrap();
    assert!(matches!(client.outcome(1), Outcome::Answer(200, _)));
    assert_eq!(stage.tap.requests(1).len(), 1);
}

#[test]
fn a_head_beyond_its_limit_is_a_431_or_the_end() {
    let stage = Stage::with("max_header_size = \"16KiB\"");
    let value = "x".repeat(5000);
    let fields: Vec<(&[u8], &[u8])> = vec![
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"a.test"),
        (b":path", b"/x"),
        (b"x-a", value.as_bytes()),
        (b"x-b", value.as_bytes()),
        (b"x-c", value.as_bytes()),
        (b"x-d", value.as_bytes()),
    ];
    let block = frames::block(&fields);
    let mut client = Frames::open(stage.cofferdam.addr());
    client.send(frames::HEADERS, frames::END_STREAM, 1, &block[..16_000]).unwrap();
    let _is_refused = client.send(frames::CONTINUATION, frames::END_HEADERS, 1, &block[16_000..]);
    let outcome = client.outcome(1);
    assert!(!matches!(outcome, Outcome::Answer(200, _)), "{outcome:?}");
    // Many small fields count as they are kept, not as they are sent.
    let many: Vec<(&[u8], &[u8])> =
        fields[..4].iter().copied().chain((0..600).map(|_| (&b"a"[..], &b"b"[..]))).collect();
    let mut client = Frames::open(stage.cofferdam.addr());
    let _is_refused = client.head(1, &many, frames::END_STREAM);
    let outcome = client.outcome(1);
    assert!(!matches!(outcome, Outcome::Answer(200, _)), "{outcome:?}");
    assert!(stage.tap.seen().bytes.is_empty());
}

#[test]
fn a_fault_of_one_stream_leaves_the_others_alone() {
    let stage = Stage::new();
    let mut client = Frames::open(stage.cofferdam.addr());
    for (stream, field) in
        [(1, "connection|close"), (5, "x-a| b"), (9, "te|gzip"), (13, "content-length|5")]
    {
        begin(&mut client, stream, &base(&[field]), true);
        assert!(!matches!(client.outcome(stream), Outcome::Answer(200, _)), "{field}");
        begin_good(&mut client, stream + 2).unwrap();
        let outcome = client.outcome(stream + 2);
        assert_eq!(outcome, Outcome::Answer(200, b"GET /x".to_vec()), "after {field}");
    }
}
