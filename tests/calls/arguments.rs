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
