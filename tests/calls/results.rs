//! What comes back: return values, outputs, statuses, and what a function calls a failure.

use super::ground::{Calm, calls, detail, function, of, problem, start, starts};
use crate::support::http;

/// `TYPE NAME(TYPE n)` of the fixture `functions`, `n` from the query.
fn unary(name: &str, returns: &str, takes: &str) -> String {
    let keys = format!(
        "prototype = \"{returns} {name}({takes} n)\"\narguments = {{ n = {{ query = \"n\" }} }}"
    );
    function(name, "functions", &keys, "")
}

#[test]
fn an_int_main_answers_with_its_return_value_as_json() {
    let cofferdam = start(&[function("zero", "stdin", "", "")]);
    let calm = Calm::of(&cofferdam);
    let answer = cofferdam.get("/zero");
    assert_eq!((answer.status, answer.text().as_str()), (200, "0\n"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("server-timing"), None);
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "zero", "ok"), 1.0);
    assert_eq!(starts(&cofferdam, "zero"), 1.0);
    assert_eq!(of(&cofferdam, "worker_exits_total", "zero", &[("reason", "done")]), 1.0);
}

#[test]
fn scalars_of_every_width_go_in_and_come_out() {
    let cofferdam = start(&[
        unary("s8", "int8_t", "int8_t"),
        unary("s16", "short", "int16_t"),
        unary("s32", "int", "int32_t"),
        unary("s64", "long long", "int64_t"),
        unary("u8", "uint8_t", "unsigned char"),
        unary("u16", "uint16_t", "unsigned short"),
        unary("u32", "unsigned int", "uint32_t"),
        unary("u64", "size_t", "uint64_t"),
        unary("f32", "float", "float"),
        unary("negate", "bool", "bool"),
    ]);
    let calm = Calm::of(&cofferdam);
    for (path, expected) in [
        ("/s8?n=127", "-127\n"),
        ("/s8?n=-127", "127\n"),
        ("/s16?n=32767", "-32767\n"),
        ("/s32?n=2147483647", "-2147483647\n"),
        ("/s64?n=9223372036854775807", "-9223372036854775807\n"),
        ("/u8?n=254", "255\n"),
        ("/u8?n=255", "0\n"),
        ("/u16?n=65534", "65535\n"),
        ("/u32?n=4294967294", "4294967295\n"),
        ("/u64?n=18446744073709551614", "18446744073709551615\n"),
        ("/f32?n=0.5", "0.25\n"),
        ("/f32?n=-1e3", "-500.0\n"),
        ("/negate?n=true", "false\n"),
        ("/negate?n=0", "true\n"),
    ] {
        let answer = cofferdam.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{path}");
    }
    calm.returns(&cofferdam);
}

#[test]
fn a_void_function_answers_with_no_content() {
    let nothing = "prototype = \"void nothing(void)\"";
    let cofferdam = start(&[function("nothing", "functions", nothing, "")]);
    let answer = cofferdam.get("/nothing");
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(calls(&cofferdam, "nothing", "ok"), 1.0);
}

#[test]
fn a_string_answers_as_text_and_a_null_pointer_as_json() {
    let greet = "prototype = \"const char *greet(const char *name)\"\n\
                 arguments = { name = { query = \"name\", default = \"you\" } }";
    let cofferdam = start(&[function("greet", "functions", greet, "")]);
    for (path, expected, content_type) in [
        ("/greet", "hello you", "text/plain; charset=utf-8"),
        ("/greet?name=J%C3%BCrgen+1", "hello Jürgen 1", "text/plain; charset=utf-8"),
        ("/greet?name=", "null\n", "application/json"),
    ] {
        let answer = cofferdam.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{path}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
    }
}

#[test]
fn a_buffer_answers_with_the_length_that_was_set() {
    let upper = "prototype = \"int upper(const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)\"\n\
                 arguments = { in = \"body\", n = { len = \"in\" }, out = { buffer = \"1KiB\" }, out_len = { len = \"out\" } }\n\
                 success = \"== 0\"\n\
                 response = { body = \"out\", content_type = \"text/x-upper\", status = 201 }\n\
                 failure = { status = 422 }";
    let cofferdam = start(&[function("upper", "functions", upper, "methods = [\"POST\"]")]);
    let calm = Calm::of(&cofferdam);
    let answer = http::post(cofferdam.addr(), "/upper", b"bytes \0\xff");
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"BYTES \0\xff"[..]));
    assert_eq!(answer.header("content-type"), Some("text/x-upper"));
    let empty = http::post(cofferdam.addr(), "/upper", b"");
    assert_eq!((empty.status, empty.body.len()), (201, 0));

    let refused = http::post(cofferdam.addr(), "/upper", &[b'x'; 1025]);
    problem(&refused, 422, "failed");
    assert_eq!(detail(&refused), "the function returned -1");
    calm.returns(&cofferdam);
    assert_eq!(calls(&cofferdam, "upper", "ok"), 2.0);
    assert_eq!(calls(&cofferdam, "upper", "failed"), 1.0);
    let rejected = [("route", "upper"), ("reason", "failed")];
    assert_eq!(cofferdam.metric("cofferdam_http_requests_rejected_total", &rejected), 1.0);
}

#[test]
fn a_scalar_that_the_function_sets_answers() {
    let divide = |name: &str, body: &str| {
        let keys = format!(
            "prototype = \"void divide(int a, int b, int *quotient, double *exact)\"\n\
             arguments = {{ a = {{ query = \"a\" }}, b = 2, quotient = \"out\", exact = \"out\" }}\n\
             response = {{ body = \"{body}\" }}"
        );
        function(name, "functions", &keys, "")
    };
    let cofferdam = start(&[divide("quotient", "quotient"), divide("exact", "exact")]);
    assert_eq!(cofferdam.get("/quotient?a=7").text(), "3\n");
    assert_eq!(cofferdam.get("/exact?a=7").text(), "3.5\n");
}

#[test]
fn a_failure_is_500_unless_told() {
    let keys = "prototype = \"int s32(int n)\"\narguments = { n = { query = \"n\" } }\n\
                success = \"< 0\"";
    let cofferdam = start(&[function("s32", "functions", keys, "")]);
    assert_eq!(cofferdam.get("/s32?n=1").text(), "-1\n");
    problem(&cofferdam.get("/s32?n=0"), 500, "failed");
}
