//! `compress`: what comes out is what went in, for whoever takes it, and never what must not be touched.

use std::io::Read;
use std::time::Duration;

use super::answering;
use crate::support::by_hand::chunk;
use crate::support::http::{self, Connection, Response};
use crate::support::{Answer, ByHand, Cofferdam};

const ROUTE: &str = "[[routes]]\nprefix = \"/\"\nproxy = \"{}\"\ncompress = true\n";

fn text() -> String {
    (0..400).map(|n| format!("line {n} of a text that is compressible\n")).collect()
}

fn decoded(answer: &Response) -> Vec<u8> {
    let body = &answer.body[..];
    let mut out = Vec::new();
    match answer.header("content-encoding") {
        Some("gzip") => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut out).unwrap();
        }
        Some("zstd") => out = zstd::decode_all(body).unwrap(),
        Some("br") => {
            brotli_decompressor::Decompressor::new(body, 4096).read_to_end(&mut out).unwrap();
        }
        other => panic!("{other:?}"),
    }
    out
}

fn get(cofferdam: &Cofferdam, accept: &str) -> Response {
    http::request(cofferdam.addr(), "GET", "/", &[("accept-encoding", accept)], b"")
}

#[test]
fn a_client_gets_what_it_takes() {
    let plain = text();
    let answer = Answer::ok(plain.clone()).header("content-type", "text/plain; charset=utf-8");
    let answer = answer.header("etag", "\"v1\"").header("accept-ranges", "bytes");
    let (upstream, cofferdam) = answering(answer, ROUTE);
    for (accept, expected) in [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("br", "br"),
        ("gzip;q=0.5, br;q=1.0", "br"),
        ("br;q=0, gzip", "gzip"),
    ] {
        let answer = get(&cofferdam, accept);
        assert_eq!(answer.header("content-encoding"), Some(expected), "{accept}");
        assert_eq!(decoded(&answer), plain.as_bytes(), "{accept}");
        assert!(answer.complete && answer.body.len() < plain.len() / 2, "{}", answer.body.len());
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accept}");
        assert_eq!(answer.header("etag"), Some("W/\"v1\""));
        assert_eq!((answer.header("content-length"), answer.header("accept-ranges")), (None, None));
    }
    for accept in ["", "identity", "gzip;q=0", "x-unknown", "identity;q=0", "*;q=0"] {
        let answer = get(&cofferdam, accept);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{accept}");
        assert_eq!(answer.text(), plain, "{accept}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accept}");
        assert_eq!(answer.header("etag"), Some("\"v1\""));
        assert_eq!(answer.header("content-length"), Some(plain.len().to_string().as_str()));
    }
    let head = http::request(cofferdam.addr(), "HEAD", "/", &[("accept-encoding", "gzip")], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(upstream.requests().len(), 12);
    assert_eq!(cofferdam.metric("cofferdam_http_requests_aborted_total", &[]), 0.0);
}

#[test]
fn what_must_not_be_touched_is_not() {
    let text = text();
    let rows: [(&str, Answer); 9] = [
        ("image", Answer::ok(text.clone()).header("content-type", "image/png")),
        ("nothing", Answer::ok(text.clone())),
        ("grpc", Answer::ok(text.clone()).header("content-type", "application/grpc")),
        ("events", Answer::ok(text.clone()).header("content-type", "text/event-stream")),
        ("small", Answer::ok("small").header("content-type", "text/plain")),
        (
            "coded",
            Answer::ok(text.clone())
                .header("content-type", "text/plain")
                .header("content-encoding", "br"),
        ),
        (
            "fixed",
            Answer::ok(text.clone())
                .header("content-type", "text/plain")
                .header("cache-control", "no-transform"),
        ),
        (
            "part",
            Answer::status(206)
                .body(text.clone())
                .header("content-type", "text/plain")
                .header("content-range", "bytes 0-9/100"),
        ),
        ("same", Answer::status(304).header("content-type", "text/plain").header("etag", "\"v\"")),
    ];
    for (name, answer) in rows {
        let coding = (name == "coded").then_some("br");
        let (_upstream, cofferdam) = answering(answer, ROUTE);
        let answer = get(&cofferdam, "gzip, br, zstd");
        assert_eq!(answer.header("content-encoding"), coding, "{name}");
        assert_eq!(answer.header("vary"), None, "{name}");
        let expected = if name == "small" { "small" } else { &text };
        assert_eq!(answer.text(), if name == "same" { "" } else { expected }, "{name}");
    }
}

#[test]
fn it_is_off_by_default() {
    let answer = Answer::ok(text()).header("content-type", "text/plain");
    let (_upstream, cofferdam) = answering(answer, "upstream = \"{}\"\n");
    let answer = get(&cofferdam, "gzip");
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None));
}

#[test]
fn a_large_fixed_answer_is_compressed_and_a_cut_one_stays_cut() {
    let body = text().replace('\n', "\\n");
    let cofferdam = Cofferdam::start(&format!(
        "[[routes]]\npath = \"/\"\ncompress = true\nrespond = {{ body = \"{body}\", content_type = \"application/json\" }}\n"
    ));
    assert_eq!(decoded(&get(&cofferdam, "gzip")), text().as_bytes());

    let cut = Answer::ok(text()).header("content-type", "text/html").cut_after(5000);
    let (_upstream, cofferdam) = answering(cut, ROUTE);
    let answer = get(&cofferdam, "gzip");
    assert_eq!((answer.status, answer.complete), (200, false));
    let aborted = [("stage", "response")];
    eventually!(cofferdam.metric("cofferdam_http_requests_aborted_total", &aborted), |n| *n == 1.0);
}

/// Whoever writes piece by piece wants them read piece by piece.
#[test]
fn a_piece_that_is_written_is_not_held_back() {
    let upstream = ByHand::listen();
    let cofferdam = Cofferdam::start(&ROUTE.replace("{}", &upstream.url()));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    client.send(&http::encode("GET", "/", &[("accept-encoding", "gzip")], b"")).unwrap();
    let (mut app, _) = upstream.request();
    app.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    app.send(&chunk("the first piece\n")).unwrap();
    let head = String::from_utf8(client.head().unwrap()).unwrap();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    client.stream().set_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut packed = Vec::new();
    let mut plain = String::new();
    while plain.is_empty() {
        packed.extend(crate::support::by_hand::read_chunk_bytes(&mut client).unwrap());
        let mut seen = [0; 64];
        let count = flate2::read::GzDecoder::new(&packed[..]).read(&mut seen).unwrap_or(0);
        plain = String::from_utf8_lossy(&seen[..count]).into_owned();
    }
    assert_eq!(plain, "the first piece\n");
    app.send(&chunk("")).unwrap();
    assert!(client.chunked().unwrap().1);
}
