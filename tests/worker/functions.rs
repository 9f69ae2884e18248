//! Plain C functions: every kind of parameter and return, what is refused, and what a call took.

use super::*;

/// One call of `symbol` in the library of functions.
fn call(symbol: &str, returns: Return, slots: &[Slot], values: &[Value]) -> Done {
    Worker::ready(&library("functions"), function(symbol, returns, slots)).run(values)
}

#[test]
fn scalars_of_every_width_go_there_and_come_back() {
    use Scalar::*;
    let cases = [
        ("negate", Bool, Value::Bool(true), Value::Bool(false)),
        ("s8", I8, Value::Int(127), Value::Int(-127)),
        ("s16", I16, Value::Int(32767), Value::Int(-32767)),
        ("s32", I32, Value::Int(i32::MAX.into()), Value::Int(-i64::from(i32::MAX))),
        ("s64", I64, Value::Int(i64::MAX), Value::Int(-i64::MAX)),
        ("u8", U8, Value::Uint(255), Value::Uint(0)),
        ("u16", U16, Value::Uint(65535), Value::Uint(0)),
        ("u32", U32, Value::Uint(u32::MAX.into()), Value::Uint(0)),
        ("u64", U64, Value::Uint(u64::MAX - 1), Value::Uint(u64::MAX)),
        ("f32", F32, Value::Float(-1.5), Value::Float(-0.75)),
    ];
    for (symbol, scalar, given, expected) in cases {
        let done = call(symbol, Return::Scalar(scalar), &[Slot::Scalar(scalar)], &[given]);
        assert_eq!(done.returned, expected, "{symbol}");
    }
}

#[test]
fn floats_texts_and_void() {
    let double = Return::Scalar(Scalar::F64);
    let slots = [Slot::Scalar(Scalar::F64), Slot::Scalar(Scalar::F32)];
    let done = call("scale", double, &slots, &[Value::Float(3.0), Value::Float(0.5)]);
    assert_eq!(done.returned, Value::Float(1.5));
    for (name, expected) in [("you", bytes("hello you")), ("", Value::Null)] {
        assert_eq!(call("greet", Return::Text, &[Slot::Text], &[bytes(name)]).returned, expected);
    }
    assert_eq!(call("nothing", Return::Void, &[], &[]).returned, Value::Void);
}

#[test]
fn bytes_go_in_and_a_buffer_comes_out() {
    let int = Return::Scalar(Scalar::I32);
    let slots = [
        Slot::Bytes,
        Slot::Length { of: 0, scalar: Scalar::U64 },
        Slot::Buffer { capacity: 1 << 20, is_taken: false, is_text: false },
        Slot::BufferLength { of: 2, scalar: Scalar::U64 },
    ];
    for given in [String::new(), "shout".into(), "x".repeat(1 << 20)] {
        let done = call("upper", int, &slots, &[bytes(&given)]);
        assert_eq!(done.returned, Value::Int(0));
        assert!(done.outputs == [bytes(&given.to_uppercase())]);
    }
    let done = call("upper", int, &slots, &[bytes(&"x".repeat((1 << 20) + 1))]);
    assert_eq!(done.returned, Value::Int(-1));
}

#[test]
fn scalars_are_set_through_pointers() {
    let int = Slot::Scalar(Scalar::I32);
    let slots = [int, int, Slot::Out(Scalar::I32), Slot::Out(Scalar::F64)];
    let done = call("divide", Return::Void, &slots, &[Value::Int(-7), Value::Int(2)]);
    assert_eq!(done.outputs, [Value::Int(-3), Value::Float(-3.5)]);
}

#[test]
fn a_call_that_cannot_be_made_or_breaks_its_prototype_says_so() {
    let buffer = [
        Slot::Buffer { capacity: 8, is_taken: false, is_text: false },
        Slot::BufferLength { of: 0, scalar: Scalar::U64 },
    ];
    let overrun = function("overrun", Return::Scalar(Scalar::I32), &buffer);
    let cases = [
        (overrun, Input::Values(vec![]), "beyond its 8 bytes"),
        (int("s32", 1), Input::Values(vec![]), "0 values for 1 parameters"),
        (int("s32", 1), Input::Values(vec![bytes("1")]), "does not fit its type"),
        (int("s32", 1), Input::Request(Request::default()), "called with values, not a request"),
    ];
    for (entry, input, expected) in cases {
        let mut worker = Worker::ready(&library("functions"), entry);
        worker.call(input);
        match worker.receive() {
            Some(FromWorker::Broken { id: 7, message }) => {
                assert!(message.contains(expected), "{message}");
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}

/// Wall, CPU, run-queue and blocked nanoseconds.
fn parts(spent: Spent) -> (u64, u64, u64, u64) {
    let wall = spent.ended_ns - spent.started_ns;
    let cpu = spent.cpu_user_ns + spent.cpu_system_ns;
    (wall, cpu, spent.runqueue_ns, wall - cpu - spent.runqueue_ns)
}

#[test]
fn a_sleep_is_blocked_and_a_loop_is_cpu_and_run_queue() {
    let mut sleeper = Worker::ready(&library("times"), int("sleep_ms", 1));
    let mut spinner = Worker::ready(&library("times"), int("spin_ms", 1));
    let mut both = Worker::ready(&library("times"), int("mixed", 2));

    let (wall, cpu, _, blocked) = parts(sleeper.run(&[Value::Int(200)]).spent);
    assert!(wall >= 200_000_000 && cpu < 2_000_000, "wall {wall} cpu {cpu}");
    assert!(blocked >= 200_000_000, "blocked {blocked} of {wall}");

    let (wall, cpu, runqueue, _) = parts(spinner.run(&[Value::Int(200)]).spent);
    assert!(cpu >= 200_000_000, "cpu {cpu}");
    assert!((cpu + runqueue) * 100 >= wall * 99, "cpu {cpu} runqueue {runqueue} of {wall}");

    let (_, cpu, _, blocked) = parts(both.run(&[Value::Int(100), Value::Int(100)]).spent);
    assert!(cpu >= 100_000_000 && blocked >= 100_000_000, "cpu {cpu} blocked {blocked}");
}
