//! Calls of functions in this very program: what crosses, and what is refused.

use std::ffi::c_char;

use super::*;

const I32: Slot = Slot::Scalar(Scalar::I32);

fn invoke(
    function: *const c_void,
    returns: Return,
    slots: &[Slot],
    values: &[Value],
) -> Result<(Value, Vec<Value>), InvokeError> {
    let signature = Signature { returns, slots: slots.to_vec() };
    let mut invocation = Invocation::new(&signature, values.to_vec(), &Ground::default())?;
    // SAFETY: each test gives a function of the signature it names.
    unsafe {
        invocation.call(Function(function))?;
        invocation.finish()
    }
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

extern "C" fn negative8() -> i8 {
    -1
}
extern "C" fn big16() -> u16 {
    0xffff
}
extern "C" fn negative32() -> i32 {
    -5
}
extern "C" fn yes() -> bool {
    true
}
extern "C" fn half() -> f32 {
    0.5
}
extern "C" fn nothing() {}
extern "C" fn null() -> *const c_char {
    std::ptr::null()
}
extern "C" fn greeting() -> *const c_char {
    c"hello".as_ptr()
}

#[test]
fn every_kind_of_return_comes_back() {
    let scalar = Return::Scalar;
    let cases = [
        (negative8 as *const c_void, scalar(Scalar::I8), Value::Int(-1)),
        (big16 as *const c_void, scalar(Scalar::U16), Value::Uint(0xffff)),
        (negative32 as *const c_void, scalar(Scalar::I32), Value::Int(-5)),
        (yes as *const c_void, scalar(Scalar::Bool), Value::Bool(true)),
        (half as *const c_void, scalar(Scalar::F32), Value::Float(0.5)),
        (nothing as *const c_void, Return::Void, Value::Void),
        (null as *const c_void, Return::Text, Value::Null),
        (greeting as *const c_void, Return::Text, bytes("hello")),
    ];
    for (function, returns, expected) in cases {
        assert_eq!(invoke(function, returns, &[], &[]), Ok((expected, vec![])));
    }
}

extern "C" fn scale(value: f64, by: f32, negate: bool, add: i8) -> f64 {
    let scaled = value * f64::from(by) + f64::from(add);
    if negate { -scaled } else { scaled }
}

#[test]
fn scalars_cross_by_value() {
    let slots = [Scalar::F64, Scalar::F32, Scalar::Bool, Scalar::I8].map(Slot::Scalar);
    let values = [Value::Float(3.0), Value::Float(0.5), Value::Bool(true), Value::Int(-1)];
    let result = invoke(scale as *const c_void, Return::Scalar(Scalar::F64), &slots, &values);
    assert_eq!(result, Ok((Value::Float(-0.5), vec![])));
}

/// Copies `n` bytes to `out`, reports `*out_len + extra` and the capacity that it was told.
unsafe extern "C" fn copy(
    input: *const u8,
    n: u16,
    out: *mut u8,
    out_len: *mut usize,
    told: *mut u32,
    report: i32,
) {
    // SAFETY: the tests pass buffers of at least `n` bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(input, out, n.into());
        *told = *out_len as u32;
        *out_len = if report < 0 { usize::MAX } else { report as usize };
    }
}

const COPY: [Slot; 6] = [
    Slot::Bytes,
    Slot::Length { of: 0, scalar: Scalar::U16 },
    Slot::Buffer { capacity: 8, is_taken: false, is_text: false },
    Slot::BufferLength { of: 2, scalar: Scalar::U64 },
    Slot::Out(Scalar::U32),
    I32,
];

#[test]
fn buffers_are_zeroed_and_cut_to_the_reported_length() {
    for (report, expected) in [(3, "abc"), (5, "abc\0\0"), (8, "abc\0\0\0\0\0"), (0, "")] {
        let values = [bytes("abc"), Value::Int(report)];
        let result = invoke(copy as *const c_void, Return::Void, &COPY, &values);
        assert_eq!(result, Ok((Value::Void, vec![bytes(expected), Value::Uint(8)])));
    }
}

#[test]
fn a_reported_overrun_is_an_error() {
    for report in [9, -1] {
        let values = [bytes(""), Value::Int(report)];
        let result = invoke(copy as *const c_void, Return::Void, &COPY, &values);
        assert_eq!(result, Err(InvokeError::Overrun { slot: 2, capacity: 8 }));
    }
}

unsafe extern "C" fn length(text: *const c_char) -> usize {
    // SAFETY: a text parameter is NUL-terminated.
    unsafe { libc::strlen(text) }
}

#[test]
fn texts_and_bytes_end_in_a_nul() {
    for slot in [Slot::Text, Slot::Bytes] {
        for (text, expected) in [("", 0), ("four", 4)] {
            let returns = Return::Scalar(Scalar::U64);
            let result = invoke(length as *const c_void, returns, &[slot], &[bytes(text)]);
            assert_eq!(result, Ok((Value::Uint(expected), vec![])));
        }
    }
}

#[test]
fn misfits_are_refused_before_the_call() {
    let long = Value::Bytes(vec![0; 256]);
    let small = Slot::Length { of: 0, scalar: Scalar::U8 };
    let cases: [(&[Slot], Vec<Value>, InvokeError); 9] = [
        (&[I32], vec![], InvokeError::Count { given: 0, taken: 1 }),
        (&[], vec![Value::Int(1)], InvokeError::Count { given: 1, taken: 0 }),
        (&[I32], vec![Value::Int(1 << 40)], InvokeError::Mismatch { slot: 0 }),
        (&[I32], vec![bytes("1")], InvokeError::Mismatch { slot: 0 }),
        (&[Slot::Text], vec![bytes("a\0b")], InvokeError::Mismatch { slot: 0 }),
        (&[Slot::Bytes], vec![Value::Null], InvokeError::Mismatch { slot: 0 }),
        (&[Slot::Bytes, small], vec![long], InvokeError::Length { slot: 1 }),
        (&[small], vec![], InvokeError::Length { slot: 0 }),
        (
            &[Slot::Buffer { capacity: u64::MAX, is_taken: false, is_text: false }],
            vec![],
            InvokeError::Memory { slot: 0, capacity: u64::MAX },
        ),
    ];
    for (slots, values, expected) in cases {
        let signature = Signature { returns: Return::Void, slots: slots.to_vec() };
        let laid = Invocation::new(&signature, values, &Ground::default());
        assert_eq!(laid.err(), Some(expected), "{slots:?}");
    }
}

unsafe extern "C" fn step(value: *mut i16, by: *mut f64, null: *const u8, left: i16) -> i32 {
    // SAFETY: the tests pass scalars of these types.
    unsafe {
        *value += 1;
        *by /= 2.0;
        *libc::__errno_location() = libc::ENOENT;
    }
    if null.is_null() { left.into() } else { -1 }
}

#[test]
fn scalars_go_in_and_out_by_address_and_errno_is_kept() {
    let slots = [
        Slot::InOut(Scalar::I16),
        Slot::InOut(Scalar::F64),
        Slot::Null,
        Slot::TimeLeft(Scalar::I16),
    ];
    let signature = Signature { returns: Return::Scalar(Scalar::I32), slots: slots.to_vec() };
    for (time_left_ms, told) in [(250, 250), (u64::MAX, 32767)] {
        let ground = Ground { time_left_ms, ..Ground::default() };
        let values = vec![Value::Int(-3), Value::Float(1.0)];
        let mut invocation = Invocation::new(&signature, values, &ground).unwrap();
        // SAFETY: `step` is of this signature.
        let result = unsafe {
            invocation.call(Function(step as *const c_void)).unwrap();
            invocation.finish()
        };
        let outputs = vec![Value::Int(-2), Value::Float(0.5)];
        assert_eq!(result, Ok((Value::Int(told), outputs)));
        assert_eq!(invocation.errno(), libc::ENOENT);
    }
    assert_eq!(invoke(nothing as *const c_void, Return::Void, &[], &[]), Ok((Value::Void, vec![])));
}

extern "C" fn address(handle: *mut c_void) -> usize {
    handle.expose_provenance()
}

unsafe extern "C" fn open(kind: i32, out: *mut usize) -> i32 {
    // SAFETY: the test passes a place for a handle.
    unsafe { *out = 0x1000 };
    kind
}

extern "C" fn make(at: usize) -> usize {
    at
}

#[test]
fn a_handle_is_made_and_handed_on() {
    let made = |function: *const c_void, returns, slots: &[Slot], value| {
        let signature = Signature { returns, slots: slots.to_vec() };
        let ground = Ground::default();
        let mut invocation = Invocation::new(&signature, vec![value], &ground).unwrap();
        // SAFETY: the functions are of these signatures.
        unsafe { invocation.call(Function(function)) }.unwrap();
        invocation.handle()
    };
    let int = Return::Scalar(Scalar::I32);
    let out = [I32, Slot::HandleOut];
    let (open, make) = (open as *const c_void, make as *const c_void);
    assert_eq!(made(open, int, &out, Value::Int(0)).addr(), 0x1000);
    assert!(made(open, int, &out, Value::Int(1)).is_null());
    let word = [Slot::Scalar(Scalar::U64)];
    assert_eq!(made(make, Return::Pointer, &word, Value::Uint(0x2000)).addr(), 0x2000);
    assert!(made(make, Return::Pointer, &word, Value::Uint(0)).is_null());

    let handle = std::ptr::without_provenance_mut(0x3000);
    let ground = Ground { handle, ..Ground::default() };
    let signature = Signature { returns: Return::Scalar(Scalar::U64), slots: vec![Slot::Handle] };
    let mut invocation = Invocation::new(&signature, vec![], &ground).unwrap();
    // SAFETY: `address` is of this signature.
    let result = unsafe {
        invocation.call(Function(address as *const c_void)).unwrap();
        invocation.finish()
    };
    assert_eq!(result, Ok((Value::Uint(0x3000), vec![])));
}

/// Reports `report` bytes, returns `text`, and puts it where `put` points.
unsafe extern "C" fn hand_out(
    text: *const c_char,
    report: i32,
    length: *mut i32,
    put: *mut *const c_char,
    put_length: *mut i32,
) -> *const c_char {
    // SAFETY: the tests pass places for all of them.
    unsafe {
        *length = report;
        *put_length = report;
        *put = text;
    }
    text
}

const HAND_OUT: [Slot; 5] = [
    Slot::Text,
    I32,
    Slot::ReturnLength(Scalar::I32),
    Slot::PutBytes,
    Slot::BufferLength { of: 3, scalar: Scalar::I32 },
];

#[test]
fn bytes_of_the_library_s_are_as_long_as_it_says() {
    let beyond = i64::try_from(MAX_BYTES).unwrap() + 1;
    for (report, expected) in [(2, Ok("ab")), (0, Ok("")), (3, Ok("abc"))]
        .into_iter()
        .chain([-1, i64::from(i32::MIN), beyond].map(|report| (report, Err(InvokeError::Bytes))))
    {
        let expected = expected.map(|text| (bytes(text), vec![bytes(text)]));
        let values = [bytes("abc"), Value::Int(report)];
        let result = invoke(hand_out as *const c_void, Return::Bytes, &HAND_OUT, &values);
        assert_eq!(result, expected, "{report}");
    }
    let mut slots = HAND_OUT;
    slots[0] = Slot::Null;
    let result = invoke(hand_out as *const c_void, Return::Bytes, &slots, &[Value::Int(-1)]);
    assert_eq!(result, Ok((Value::Null, vec![Value::Null])));
}

/// Turns the first byte of `data` to `x`; gives back what it was told.
unsafe extern "C" fn change(
    data: *mut u8,
    n: i32,
    size: i32,
    length: *mut i32,
    report: i32,
) -> i32 {
    // SAFETY: the tests pass at least one byte.
    unsafe {
        *data = b'x';
        assert_eq!(n, *length);
        *length = report;
    }
    n * 100 + size
}

fn change_slots(is_text: bool) -> [Slot; 5] {
    [
        Slot::Buffer { capacity: 4, is_taken: true, is_text },
        Slot::Length { of: 0, scalar: Scalar::I32 },
        Slot::Capacity { of: 0, scalar: Scalar::I32 },
        Slot::BufferLength { of: 0, scalar: Scalar::I32 },
        I32,
    ]
}

#[test]
fn a_buffer_is_changed_in_place() {
    let i32 = Return::Scalar(Scalar::I32);
    let call = |is_text, input: &str, report| {
        let values = [bytes(input), Value::Int(report)];
        invoke(change as *const c_void, i32, &change_slots(is_text), &values)
    };
    for (is_text, input, report, expected) in [
        (false, "abc", 3, (304, "xbc")),
        (false, "abcd", 1, (404, "x")),
        (false, "", 4, (4, "x\0\0\0")),
        (true, "abc", 2, (304, "xb")),
    ] {
        let (code, text) = expected;
        assert_eq!(call(is_text, input, report), Ok((Value::Int(code), vec![bytes(text)])));
    }
    for report in [5, -1] {
        let overrun = InvokeError::Overrun { slot: 0, capacity: 4 };
        assert_eq!(call(false, "a", report), Err(overrun));
    }
    for (is_text, input) in [(false, "abcde"), (true, "abcd"), (true, "a\0")] {
        assert_eq!(call(is_text, input, 0), Err(InvokeError::Mismatch { slot: 0 }), "{input:?}");
    }
}

unsafe extern "C" fn fill(text: *mut u8, n: usize) {
    // SAFETY: the tests pass four bytes.
    unsafe { text.write_bytes(b'y', n) };
}

#[test]
fn without_a_length_a_string_ends_at_its_nul_and_bytes_where_they_ended() {
    let of = |is_taken, is_text, n| {
        let slots = [Slot::Buffer { capacity: 4, is_taken, is_text }, Slot::Scalar(Scalar::U64)];
        let input = is_taken.then(|| bytes("ab"));
        let values: Vec<_> = input.into_iter().chain([Value::Uint(n)]).collect();
        invoke(fill as *const c_void, Return::Void, &slots, &values).unwrap().1.remove(0)
    };
    for (is_taken, is_text, n, expected) in [
        (false, false, 2, "yy\0\0"),
        (false, true, 2, "yy"),
        (false, true, 4, "yyyy"),
        (true, false, 1, "yb"),
        (true, false, 3, "yy"),
        (true, true, 1, "yb"),
        (true, true, 3, "yyy"),
    ] {
        assert_eq!(of(is_taken, is_text, n), bytes(expected), "{is_taken} {is_text} {n}");
    }
}
