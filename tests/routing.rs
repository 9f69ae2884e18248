//! Which route answers: the order of precedence, whatever the order in the file; and the values that paths carry.

use std::fmt::Write as _;

use crate::support::clib::library;
use crate::support::http::{self, Response};
use crate::support::{Cofferdam, Http2};

/// One route and its answer: its own lines.
const ROUTES: [&str; 17] = [
    "host = \"api.test\"\npath = \"/a\"",
    "host = \"*.api.test\"\nprefix = \"/\"",
    "host = \"*.test\"\npath = \"/a\"",
    "path = \"/a\"",
    "path = \"/a\"\nmethods = [\"POST\", \"PUT\"]",
    "path = \"/a\"\nheaders = { \"x-tenant\" = \"blue\" }",
    "path = \"/a\"\nheaders = { \"x-tenant\" = \"blue\", \"x-beta\" = \"1\" }",
    "path = \"/u/{id}\"",
    "path = \"/u/me\"",
    "path = \"/u/{id}/posts\"",
    "path = \"/u/{*rest}\"",
    "path = \"/u/{id}/{what}\"",
    "prefix = \"/u/7/posts/old\"",
    "prefix = \"/v1\"",
    "prefix = \"/v1/deep\"",
    "prefix = \"/v1\"\nmethods = [\"DELETE\"]",
    "host = \"only.test\"\npath = \"/only\"\nmethods = [\"GET\"]",
];

/// A request, and the route in [`ROUTES`] that answers it; `None`: none does.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const ROWS: [(Row, Option<usize>); 31] = [
    // Hosts: exact, then the longest wildcard, then any.
    (("GET", "api.test", "/a", &[]), Some(0)),
    (("GET", "API.Test:8080", "/a", &[]), Some(0)),
    (("GET", "x.api.test", "/a", &[]), Some(1)),
    (("GET", "x.y.api.test", "/a", &[]), Some(1)),
    (("GET", "x.test", "/a", &[]), Some(2)),
    (("GET", "other", "/a", &[]), Some(3)),
    (("GET", "test", "/a", &[]), Some(3)),
    // A host that matches and a path that does not falls through to the next host.
    (("GET", "api.test", "/u/me", &[]), Some(8)),
    (("GET", "x.test", "/u/me", &[]), Some(8)),
    (("GET", "x.api.test", "/u/me", &[]), Some(1)),
    // Methods and headers: the more there are the sooner, and the next best where they do not fit.
    (("POST", "other", "/a", &[]), Some(4)),
    (("PUT", "other", "/a", &[("x-tenant", "blue")]), Some(4)),
    (("GET", "other", "/a", &[("x-tenant", "blue")]), Some(5)),
    (("GET", "other", "/a", &[("x-tenant", "blue"), ("x-beta", "1")]), Some(6)),
    (("GET", "other", "/a", &[("x-tenant", "green"), ("x-tenant", "blue")]), Some(5)),
    (("GET", "other", "/a", &[("x-tenant", "green"), ("x-beta", "1")]), Some(3)),
    (("POST", "only.test", "/only", &[]), None),
    // Paths: exact, then patterns segment by segment, then the longest prefix.
    (("GET", "other", "/u/me", &[]), Some(8)),
    (("GET", "other", "/u/7", &[]), Some(7)),
    (("GET", "other", "/u/7/posts", &[]), Some(9)),
    (("GET", "other", "/u/7/likes", &[]), Some(11)),
    (("GET", "other", "/u/7/posts/old", &[]), Some(10)),
    (("GET", "other", "/u", &[]), Some(10)),
    (("GET", "other", "/u/", &[]), Some(10)),
    (("GET", "other", "/v1", &[]), Some(13)),
    (("GET", "other", "/v1/x?query", &[]), Some(13)),
    (("GET", "other", "/v1/deep/er", &[]), Some(14)),
    (("DELETE", "other", "/v1/x", &[]), Some(15)),
    (("DELETE", "other", "/v1/deep", &[]), Some(14)),
    (("GET", "other", "/v10", &[]), None),
    (("GET", "other", "/A", &[]), None),
];

/// The routes in this order; each answers with its number.
fn file(order: &[usize]) -> String {
    let mut text = String::new();
    for number in order {
        let route = ROUTES[*number];
        let _ = writeln!(
            text,
            "[[routes]]\nname = \"r{number}\"\n{route}\nrespond = {{ body = \"{number}\" }}\n"
        );
    }
    text
}

/// Several orders of the same file: as written, reversed, and three that a small generator makes.
fn orders() -> Vec<Vec<usize>> {
    let written: Vec<usize> = (0..ROUTES.len()).collect();
    let mut orders = vec![written.clone(), written.iter().rev().copied().collect()];
    let mut seed = 7_u64;
    for _ in 0..3 {
        let mut order = written.clone();
        for last in (1..order.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = usize::try_from(seed >> 33).unwrap() % (last + 1);
            order.swap(last, place);
        }
        orders.push(order);
    }
    orders
}

fn ask(cofferdam: &Cofferdam, (method, host, path, headers): Row) -> Response {
    let headers: Vec<_> = headers.iter().copied().chain([("host", host)]).collect();
    http::request(cofferdam.addr(), method, path, &headers, b"")
}

#[test]
fn the_best_route_answers_whatever_the_order_in_the_file() {
    for order in orders() {
        let cofferdam = Cofferdam::start(&file(&order));
        for (row, expected) in ROWS {
            let answer = ask(&cofferdam, row);
            match expected {
                Some(number) => assert_eq!(answer.text(), number.to_string(), "{row:?} {order:?}"),
                None => assert_eq!(answer.reason(), "no_route", "{row:?} {order:?}"),
            }
        }
    }
}

#[test]
fn requests_are_counted_under_the_name_of_their_route() {
    let cofferdam = Cofferdam::start(&file(&[0, 3, 7]));
    for path in ["/a", "/u/1", "/u/2", "/nothing"] {
        cofferdam.get(path);
    }
    for (route, count) in [("r0", 0.0), ("r3", 1.0), ("r7", 2.0), ("-", 1.0)] {
        let name = "cofferdam_http_requests_total";
        assert_eq!(cofferdam.metric(name, &[("route", route)]), count, "{route}");
    }
}

#[test]
fn http_2_is_routed_alike() {
    let cofferdam = Cofferdam::start(&file(&orders()[2]));
    let client = Http2::open(cofferdam.addr());
    let rows = ROWS.iter().filter(|((_, host, ..), _)| *host != "API.Test:8080");
    for ((method, host, path, headers), expected) in rows {
        let mut request = Http2::request(method, &format!("http://{host}{path}"), b"");
        for (name, value) in *headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let answer = client.send(request);
        let number = expected.map(|number| number.to_string());
        let found = (answer.status != 404).then(|| answer.text());
        assert_eq!(found, number, "{method} {host} {path} {headers:?}");
    }
}

#[test]
fn values_of_a_path_are_decoded_for_a_call() {
    let cofferdam = Cofferdam::start(&format!(
        "[functions.greet]\nlibrary = \"{}\"\nprototype = \"const char *greet(const char *name)\"\n\
         arguments = {{ name = {{ path = \"name\" }} }}\n\
         [[routes]]\npath = \"/hello/{{name}}\"\ncall = \"greet\"\n",
        library("functions").display()
    ));
    for (path, name) in [
        ("/hello/world", "world"),
        ("/hello/a%20b", "a b"),
        ("/hello/a%2Fb", "a/b"),
        ("/hello/%C3%A9", "é"),
        ("/hello/a+b", "a+b"),
    ] {
        assert_eq!(cofferdam.get(path).text(), format!("hello {name}"), "{path}");
    }
    let nul = cofferdam.get("/hello/a%00b");
    assert_eq!((nul.status, nul.reason().as_str()), (400, "bad_request"), "no path has a NUL");
    assert_eq!(cofferdam.get("/hello/a/b").status, 404);
    assert_eq!(cofferdam.get("/hello/").status, 404);
}
