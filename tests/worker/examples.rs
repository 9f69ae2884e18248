//! The libraries of `c-ext/examples`, called as their comments say.

use std::net::TcpListener;

use super::*;

fn example(name: &str) -> std::path::PathBuf {
    Path::new(env!("COFFERDAM_EXAMPLES")).join(format!("lib{name}.so"))
}

#[test]
fn sleep_sleeps() {
    let mut worker = Worker::ready(&example("sleep"), int_main());
    let Done { returned, spent, .. } = worker.run(&[]);
    assert_eq!(returned, Value::Int(0));
    assert!(spent.ended_ns - spent.started_ns >= 2_000_000_000);
}

#[test]
fn recv_waits_for_what_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let slots = [
        Slot::Text,
        Slot::Scalar(Scalar::I32),
        Slot::Buffer { capacity: 100, is_taken: false, is_text: false },
        Slot::BufferLength { of: 2, scalar: Scalar::U64 },
    ];
    let entry = function("fetch", Return::Scalar(Scalar::I32), &slots);
    let mut worker = Worker::ready(&example("recv"), entry);
    let port = listener.local_addr().unwrap().port();
    worker.call(Input::Values(vec![bytes("127.0.0.1"), Value::Int(port.into())]));
    let (mut client, _) = listener.accept().unwrap();
    client.write_all(b"at last").unwrap();
    drop(client);
    let Some(FromWorker::Returned { returned, .. }) = worker.receive() else { panic!("no answer") };
    assert_eq!((returned.value, returned.outputs), (Value::Int(0), vec![bytes("at last")]));
}

#[test]
fn burn_uses_the_cpu_it_is_asked_for() {
    let entry = function("burn", Return::Scalar(Scalar::U64), &[Slot::Scalar(Scalar::I32)]);
    let spent = Worker::ready(&example("burn"), entry).run(&[Value::Int(20)]).spent;
    assert!(spent.cpu_user_ns + spent.cpu_system_ns >= 20_000_000, "{spent:?}");
}

#[test]
fn chatty_prints() {
    let mut worker = Worker::ready(&example("chatty"), int_main());
    assert_eq!(worker.run(&[]).returned, Value::Int(0));
    let (_, out, err) = worker.end();
    assert_eq!(
        (out.as_str(), err.as_str()),
        ("this is standard output\n", "this is standard error\n")
    );
}

#[test]
fn stream_sends_each_line_as_it_is_written() {
    let mut worker = Worker::ready(&example("stream"), handler("stream"));
    let params = vec![("count".into(), "2".into())];
    worker.call(Input::Request(Request { params, ..Request::default() }));
    assert!(matches!(worker.receive(), Some(FromWorker::Head { status: 200, .. })));
    for line in ["line 1 of 2\n", "line 2 of 2\n"] {
        let data = line.as_bytes().to_vec();
        assert_eq!(worker.receive(), Some(FromWorker::Chunk { id: 7, data }));
    }
    assert!(matches!(worker.receive(), Some(FromWorker::End { code: 0, .. })));
}
