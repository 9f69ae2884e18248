//! What goes in: from body, query, path, header and the file. A bad value is a 400 that costs no worker.

use super::ground::{Calm, detail, function, of, problem, start, starts};
use crate::support::http;

const SCALE: &str = "prototype = \"double scale(double value, float by)\"\n\
                     arguments = { value = { path = \"value\" }, by = { header = \"X-By\", default = 0.5 } }";
const DIVIDE: &str = "prototype = \"void divide(int a, int b, int *quotient, double *exact)\"\n\
                      arguments = { a = { query = \"a\" }, b = { query = \"b\", default = 1 }, quotient = \"out\", exact = \"out\" }\n\
                      response = { body = \"quotient\" }";
const GREET: &str =
    "prototype = \"const char *greet(const char *name)\"\narguments = { name = \"body\" }";
const CONSTANT: &str = "prototype = \"const char *greet(const char *name)\"\n\
                        arguments = { name = { const = \"file\" } }";
const TINY: &str =
    "prototype = \"int8_t s8(int8_t n)\"\narguments = { n = { query = \"n\" } }\nspares = 1";
const FLAG: &str =
    "prototype = \"bool negate(bool value)\"\narguments = { value = { header = \"x-flag\" } }";

fn functions() -> [String; 6] {
    let of = |name, keys, route| function(name, "functions", keys, route);
    [
        of("scale", SCALE, "path = \"/scale/{value}\""),
        of("divide", DIVIDE, ""),
        of("greet", GREET, ""),
        of("constant", CONSTANT, ""),
        of("tiny", TINY, ""),
        of("flag", FLAG, ""),
    ]
}

#[test]
fn arguments_come_from_all_parts_of_a_request() {
    let cofferdam = start(&functions());
    let addr = cofferdam.addr();
    assert_eq!(cofferdam.get("/scale/3").text(), "1.5\n");
    assert_eq!(http::request(addr, "GET", "/scale/%33.5", &[("x-by", "2")], b"").text(), "7.0\n");
    assert_eq!(cofferdam.get("/divide?a=9").text(), "9\n");
    assert_eq!(cofferdam.get("/divide?b=2&a=%39&a=1").text(), "4\n");
    assert_eq!(http::post(addr, "/greet", "Zoë".as_bytes()).text(), "hello Zoë");
    assert_eq!(cofferdam.get("/constant").text(), "hello file");
    assert_eq!(http::request(addr, "GET", "/flag", &[("X-Flag", "1")], b"").text(), "false\n");
}

#[test]
fn a_bad_value_is_named_and_costs_no_worker() {
    let cofferdam = start(&functions());
    eventually!(of(&cofferdam, "workers", "tiny", &[("state", "spare")]), |n| *n == 1.0);
    let calm = Calm::of(&cofferdam);
    let addr = cofferdam.addr();
    for (path, header, body, argument, problem_is) in [
        ("/tiny", "", "", "n", "missing: it is taken from the query parameter `n`"),
        ("/tiny?n=", "", "", "n", "from -128 to 127"),
        ("/tiny?n=128", "", "", "n", "must be a whole number from -128 to 127"),
        ("/tiny?n=-129", "", "", "n", "must be a whole number from -128 to 127"),
        ("/tiny?n=1.0", "", "", "n", "must be a whole number"),
        ("/tiny?n=%FF", "", "", "n", "must be a whole number"),
        ("/divide?b=2", "", "", "a", "missing"),
        ("/divide?a=1&b=two", "", "", "b", "must be a whole number"),
        ("/scale/far", "", "", "value", ""),
        ("/scale/1", "1e39", "", "by", ""),
        ("/scale/nan", "", "", "value", ""),
        ("/flag", "", "", "value", "missing: it is taken from the header `x-flag`"),
        ("/flag", "maybe", "", "value", ""),
        ("/greet", "", "a\0b", "name", "must not contain NUL"),
    ] {
        let headers = [("x-by", header), ("x-flag", header)];
        let headers = if header.is_empty() { &headers[..0] } else { &headers[..] };
        let answer = http::request(addr, "POST", path, headers, body.as_bytes());
        problem(&answer, 400, "bad_argument");
        let told = detail(&answer);
        assert!(told.starts_with(&format!("argument `{argument}`: ")), "{path}: {told}");
        assert!(told.contains(problem_is), "{path}: {told}");
    }
    calm.returns(&cofferdam);
    let now = cofferdam.metrics();
    assert_eq!(now.metric("cofferdam_spare_lookups_total", &[]), 0.0);
    assert_eq!(starts(&cofferdam, "tiny"), 1.0);
    assert_eq!(now.metric("cofferdam_worker_starts_total", &[]), 1.0);
    assert_eq!(now.metric("cofferdam_calls_total", &[]), 0.0);
    let rejected = |route: &str| {
        let labels = [("route", route), ("reason", "bad_argument")];
        now.metric("cofferdam_http_requests_rejected_total", &labels)
    };
    assert_eq!(
        ["tiny", "divide", "scale", "flag", "greet"].map(rejected),
        [6.0, 2.0, 3.0, 2.0, 1.0]
    );
}

/// A function of the fixture `typed`, for POST.
fn typed(name: &str, prototype: &str, arguments: &str) -> String {
    let keys = format!("prototype = \"{prototype}\"\narguments = {arguments}\nspares = 1");
    function(name, "typed", &keys, "methods = [\"POST\"]")
}

fn of_bodies() -> [String; 5] {
    let same = "const char *same(const char *text)";
    [
        typed(
            "json",
            "int fail(int with, int code)",
            "{ with = { json = \"/user/errno\", default = 0 }, code = { json = \"/codes/1\", min = -5, max = 5 } }",
        ),
        typed("name", same, "{ text = { json = \"/user/name\", max_length = \"8B\" } }"),
        typed(
            "form",
            same,
            "{ text = { form = \"text\", default = \"none\", max_length = \"8B\" } }",
        ),
        typed("cookie", same, "{ text = { cookie = \"session\" } }"),
        typed(
            "sum",
            "uint32_t sum(const uint8_t *bytes, size_t n)",
            "{ bytes = { json = \"/data\" }, n = { len = \"bytes\" } }",
        ),
    ]
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn arguments_come_from_json_forms_and_cookies() {
    let cofferdam = start(&of_bodies());
    let post = |path: &str, headers: &[(&str, &str)], body: &str| {
        http::request(cofferdam.addr(), "POST", path, headers, body.as_bytes())
    };
    let json = "{\"user\": {\"name\": \"Zo\\u00eb\", \"errno\": null}, \"codes\": [1, -3], \"data\": \"\\u0000\\u0001a\"}";
    for (path, headers, body, expected) in [
        ("/json", &[][..], json, "-3\n"),
        ("/name", &[], json, "Zoë"),
        ("/sum", &[], json, "98\n"),
        ("/form", &[FORM], "a=1&text=a+b%26c&text=2", "a b&c"),
        ("/form", &[], "text=x", "x"),
        ("/form", &[FORM], "a=1", "none"),
        ("/cookie", &[("cookie", "a=1; session=a%20b; session=c")], "", "a%20b"),
    ] {
        let answer = post(path, headers, body);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{path} {body}");
    }
}

#[test]
fn a_body_that_does_not_fit_names_the_argument_and_costs_no_worker() {
    let cofferdam = start(&of_bodies());
    let spares = || cofferdam.metric("cofferdam_workers", &[("state", "spare")]);
    eventually!(spares(), |n| *n == 5.0);
    let calm = Calm::of(&cofferdam);
    for (path, headers, body, argument, problem_is) in [
        ("/json", &[][..], "{\"codes\": [1", "with", "the body is not JSON: EOF"),
        ("/json", &[], "", "with", "the body is not JSON"),
        ("/json", &[], "{}", "code", "missing: it is taken from `/codes/1` of the JSON body"),
        ("/json", &[], "{\"codes\": [1, \"2\"]}", "code", "must be a whole number"),
        ("/json", &[], "{\"codes\": [1, 6]}", "code", "must be from -5 to 5"),
        ("/json", &[], "{\"codes\": [1, 2.5]}", "code", "must be a whole number"),
        ("/json", &[], "{\"codes\": [1, 99999999999]}", "code", "must be a whole number from"),
        (
            "/json",
            &[],
            "{\"user\": {\"errno\": true}, \"codes\": [1, 2]}",
            "with",
            "must be a whole",
        ),
        ("/name", &[], "{\"user\": {\"name\": \"a\\u0000b\"}}", "text", "must not contain NUL"),
        ("/name", &[], "{\"user\": {\"name\": \"far too long\"}}", "text", "at most 8 bytes"),
        ("/name", &[], "{\"user\": {\"name\": 7}}", "text", "must be a string"),
        ("/form", &[FORM], "text=a%00b", "text", "must not contain NUL"),
        ("/form", &[FORM], "text=far+too+long", "text", "must have at most 8 bytes"),
        (
            "/form",
            &[("content-type", "application/json")],
            "text=x",
            "text",
            "the body is not application/x-www",
        ),
        ("/cookie", &[], "", "text", "missing: it is taken from the cookie `session`"),
    ] {
        let answer = http::request(cofferdam.addr(), "POST", path, headers, body.as_bytes());
        problem(&answer, 400, "bad_argument");
        let told = detail(&answer);
        assert!(told.starts_with(&format!("argument `{argument}`: ")), "{path} {body}: {told}");
        assert!(told.contains(problem_is), "{path} {body}: {told}");
    }
    calm.returns(&cofferdam);
    let now = cofferdam.metrics();
    assert_eq!(now.metric("cofferdam_worker_starts_total", &[]), 5.0);
    assert_eq!(now.metric("cofferdam_spare_lookups_total", &[]), 0.0);
    assert_eq!(now.metric("cofferdam_calls_total", &[]), 0.0);
}
