//! Handlers of `cofferdam.h`, built with it.

use super::*;

/// All frames that answer one request, up to the end.
fn frames(symbol: &str, request: Request) -> Vec<FromWorker> {
    let mut worker = Worker::ready(&library("handlers"), handler(symbol));
    worker.call(Input::Request(request));
    std::iter::from_fn(|| worker.receive()).collect()
}

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// Status, headers and body of a whole answer, and what the handler returned.
fn answer(symbol: &str, request: Request) -> (u16, Headers, String, i32) {
    let mut frames = frames(symbol, request).into_iter();
    let Some(FromWorker::Head { id: 7, status, headers }) = frames.next() else {
        panic!("no head")
    };
    let (mut body, mut returned) = (Vec::new(), None);
    for frame in frames {
        match frame {
            FromWorker::Chunk { id: 7, data } => body.extend(data),
            FromWorker::End { id: 7, code, .. } => returned = Some(code),
            other => panic!("{other:?}"),
        }
    }
    (status, headers, String::from_utf8(body).unwrap(), returned.unwrap())
}

fn with_body(body: &[u8]) -> Request {
    Request { body: body.to_vec(), ..Request::default() }
}

#[test]
fn a_handler_sees_the_request_and_sets_the_answer() {
    let request = Request {
        id: "0af7".into(),
        method: "POST".into(),
        path: "/echo/7".into(),
        query: "a=b".into(),
        peer: "127.0.0.1:9".into(),
        headers: vec![(b"x-a".to_vec(), b"1".to_vec())],
        params: vec![("id".into(), "7".into())],
        body: b"the body".to_vec(),
        is_streamed: false,
    };
    let mut frames = frames("echo", request);
    let log = FromWorker::Log { level: 6, message: "POST /echo/7".into() };
    assert_eq!(frames.remove(0), log);
    let headers = [(&b"Content-Type"[..], &b"text/plain"[..]), (b"x-a", b"1")];
    let headers = headers.map(|(name, value)| (name.to_vec(), value.to_vec())).to_vec();
    assert_eq!(frames.remove(0), FromWorker::Head { id: 7, status: 201, headers });
    let line = b"POST /echo/7?a=b id=7 127.0.0.1:9 0af7\n".to_vec();
    assert_eq!(frames.remove(0), FromWorker::Chunk { id: 7, data: line });
    assert_eq!(frames.remove(0), FromWorker::Chunk { id: 7, data: b"the body".to_vec() });
    assert!(matches!(frames[..], [FromWorker::End { id: 7, code: 0, .. }]), "{frames:?}");
}

#[test]
fn a_body_is_read_in_pieces_and_sent_as_they_are_written() {
    let chunks = frames("stream", with_body(b"ten bytes!"));
    let sizes: Vec<_> = chunks
        .iter()
        .filter_map(|frame| {
            if let FromWorker::Chunk { data, .. } = frame { Some(data.len()) } else { None }
        })
        .collect();
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(answer("stream", with_body(b"ten bytes!")), (200, vec![], "ten bytes!".into(), 0));
}

#[test]
fn a_long_write_is_cut_into_chunks() {
    let (status, _, body, _) = answer("big", Request::default());
    assert_eq!((status, body.len()), (200, 200_000));
    let frames = frames("big", Request::default());
    let chunks = frames.iter().filter(|frame| matches!(frame, FromWorker::Chunk { .. })).count();
    assert_eq!(chunks, 4);
}

#[test]
fn a_returned_status_answers_where_nothing_was_written() {
    assert_eq!(answer("status_only", Request::default()), (404, vec![], String::new(), 404));
}

#[test]
fn an_errno_commits_no_head() {
    let frames = frames("failing", Request::default());
    assert!(matches!(frames[..], [FromWorker::End { id: 7, code: -2, .. }]), "{frames:?}");
}

#[test]
fn what_http_does_not_allow_is_refused_to_the_handler() {
    let (status, headers, body, _) = answer("refusals", Request::default());
    assert_eq!((status, headers, body.as_str()), (200, vec![], "yyyyyyyy"));
}

#[test]
fn a_handler_hears_that_nobody_waits() {
    let mut worker = Worker::ready(&library("handlers"), handler("until_cancelled"));
    worker.call(Input::Request(Request::default()));
    assert!(matches!(worker.receive(), Some(FromWorker::Head { .. })));
    assert!(matches!(worker.receive(), Some(FromWorker::Chunk { .. })));
    worker.control.shutdown(std::net::Shutdown::Both).unwrap();
    crate::support::process::signal_pid(worker.child.id(), rustix::process::Signal::TERM);
    assert_eq!(worker.end().1, "cancelled\n");
}

#[test]
fn a_header_with_a_nul_never_reaches_c() {
    let headers = vec![(b"x".to_vec(), b"a\0b".to_vec())];
    let frames = frames("stream", Request { headers, ..Request::default() });
    assert!(matches!(&frames[..], [FromWorker::Broken { id: 7, .. }]), "{frames:?}");
}
