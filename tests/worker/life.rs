//! How a worker ends: after its call, with its proxy, and by what a library does.

use std::os::unix::process::ExitStatusExt;

use super::*;

/// What is received after the call of `int main(void)`, and how the process ends.
fn dies(name: &str) -> (Option<FromWorker>, ExitStatus) {
    let mut worker = Worker::ready(&library(name), int_main());
    worker.call(Input::Values(Vec::new()));
    (worker.receive(), worker.end().0)
}

#[test]
fn it_ends_when_the_proxy_hangs_up_before_the_greeting_or_the_call() {
    for worker in [Worker::spawn(), Worker::ready(&library("functions"), int("s32", 1))] {
        worker.control.shutdown(std::net::Shutdown::Both).unwrap();
        let (status, out, err) = worker.end();
        assert_eq!((status.code(), out.as_str(), err.as_str()), (Some(0), "", ""));
    }
}

#[test]
fn it_dies_with_the_thread_that_started_it() {
    let start = || Worker::ready(&library("functions"), int("s32", 1));
    let worker = std::thread::spawn(start).join().unwrap();
    assert_eq!(worker.end().0.signal(), Some(9));
}

#[test]
fn it_ends_after_its_call() {
    let mut worker = Worker::ready(&library("functions"), int("s32", 1));
    assert_eq!(worker.run(&[Value::Int(3)]).returned, Value::Int(-3));
    assert_eq!(worker.receive(), None);
    assert_eq!(worker.end().0.code(), Some(0));
}

#[test]
fn a_crash_or_an_exit_gives_no_reply() {
    for (name, signal, code) in [
        ("segv", Some(11), None),
        ("abort", Some(6), None),
        ("exit0", None, Some(0)),
        ("exit3", None, Some(3)),
        ("thread_exit", None, Some(0)),
    ] {
        let (reply, status) = dies(name);
        assert_eq!(reply, None, "{name}");
        assert_eq!((status.signal(), status.code()), (signal, code), "{name}");
        assert!(!status.core_dumped(), "{name}");
    }
}

#[test]
fn a_closed_control_socket_is_seen_at_once() {
    let mut worker = Worker::ready(&library("close_control"), int_main());
    worker.call(Input::Values(Vec::new()));
    assert_eq!(worker.receive(), None);
    assert_eq!(worker.child.try_wait().unwrap(), None);
}

#[test]
fn a_library_can_write_to_the_control_socket_so_the_proxy_must_check() {
    let mut worker = Worker::ready(&library("garbage"), int_main());
    worker.call(Input::Values(Vec::new()));
    let mut header = [0; 4];
    worker.control.read_exact(&mut header).unwrap();
    let mut payload = vec![0; frame_len(header, 100).unwrap()];
    worker.control.read_exact(&mut payload).unwrap();
    assert!(decode_from_worker(&payload).is_err());

    let mut worker = Worker::ready(&library("garbage"), int("huge", 0));
    worker.call(Input::Values(Vec::new()));
    worker.control.read_exact(&mut header).unwrap();
    assert!(frame_len(header, 16 << 20).is_err());
}

#[test]
fn a_forged_reply_comes_ahead_of_the_second_one() {
    let forge = function("forge", Return::Scalar(Scalar::I32), &[Slot::Scalar(Scalar::U64)]);
    let mut worker = Worker::ready(&library("second_reply"), forge);
    assert_eq!(worker.run(&[Value::Uint(7)]).returned, Value::Int(99));
    let Some(FromWorker::Returned { returned, .. }) = worker.receive() else { panic!() };
    assert_eq!(returned.value, Value::Int(1));
}

#[test]
fn a_grandchild_does_not_delay_the_answer() {
    let mut worker = Worker::ready(&library("grandchild"), int_main());
    let Value::Int(grandchild) = worker.run(&[]).returned else { panic!("no process id") };
    assert!(worker.child.wait().unwrap().success());
    let grandchild = rustix::process::Pid::from_raw(grandchild.try_into().unwrap()).unwrap();
    rustix::process::kill_process(grandchild, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn standard_input_is_at_its_end() {
    let mut worker = Worker::ready(&library("stdin"), int_main());
    assert_eq!(worker.run(&[]).returned, Value::Int(0));
}

#[test]
fn what_the_library_printed_is_not_lost() {
    let mut worker = Worker::ready(&library("unflushed"), int_main());
    assert_eq!(worker.run(&[]).returned, Value::Int(0));
    assert_eq!(worker.end().1, "half a line");

    let mut worker = Worker::ready(&library("flood"), int_main());
    worker.call(Input::Values(Vec::new()));
    let (status, out, _) = worker.end();
    assert_eq!((status.code(), out.len()), (Some(0), 1 << 20));

    let mut worker = Worker::ready(&library("abort"), int_main());
    worker.call(Input::Values(Vec::new()));
    assert_eq!(worker.end().2, "invariant broken\n");
}

#[test]
fn a_full_pipe_does_not_hold_back_the_answer() {
    let mut worker = Worker::ready(&library("full_pipe"), int_main());
    assert_eq!(worker.run(&[]).returned, Value::Int(0));
    assert_eq!(worker.child.try_wait().unwrap(), None);
    let (status, out, _) = worker.end();
    assert!(status.success() && out.ends_with("half a line"));
}
