//! What well-formed files come to mean.

use std::path::PathBuf;
use std::time::Duration;

use cofferdam::config::function::{
    Bounds, Entry, Failing, FairBy, Input, OnDisconnect, Order, ResponseBody, Source, Target,
};
use cofferdam::config::upstream::{Balance, Protocol};
use cofferdam::config::{
    Action, Address, Function, HostMatch, Origin, PathMatch, Priority, Segment,
};
use cofferdam::ffi::callee::{Given, Message};
use cofferdam::ffi::signature::{Return, Slot};
use cofferdam::ffi::success::Success;
use cofferdam::ffi::value::{Scalar, Value};

use super::{complete, parse};

#[test]
fn the_smallest_file_is_a_listener() {
    let config = parse("listen = \":8080\"").unwrap();
    assert_eq!(config.server.listeners[0].name, "http");
    assert_eq!(config.server.listeners[0].address, Address::Tcp(([0, 0, 0, 0], 8080).into()));
    assert!(config.server.workers > 0);
    assert!(config.admin.unwrap().is_default);
    assert!(config.routes.is_empty());
}

#[test]
fn a_listener_may_speak_tls_and_expect_the_proxy_protocol() {
    let config = parse(
        r#"
[[server.listeners]]
name = "https"
address = ":8443"
tls = { certificate = "cert.pem", key = "/keys/key.pem", client_ca = "../ca.pem" }
[[server.listeners]]
name = "balanced"
address = ":8444"
proxy_protocol = true
"#,
    )
    .unwrap();
    let [https, balanced] = &config.server.listeners[..] else { panic!("{config:?}") };
    let tls = https.tls.as_ref().unwrap();
    assert_eq!(tls.defined_at, "/etc/cofferdam/cofferdam.toml:5");
    assert_eq!(tls.certificate, PathBuf::from("/etc/cofferdam/cert.pem"));
    assert_eq!(tls.key, PathBuf::from("/keys/key.pem"));
    let client = tls.client.as_ref().unwrap();
    assert_eq!((client.ca.clone(), client.is_required), ("/etc/cofferdam/../ca.pem".into(), true));
    assert_eq!((https.proxy_protocol, balanced.proxy_protocol), (false, true));
    assert!(balanced.tls.is_none());
}

#[test]
fn the_top_level_upstream_is_a_route() {
    let config = parse(
        r#"
listen = ":1"
upstream = "http://localhost:5000"
"#,
    )
    .unwrap();
    let route = &config.routes[0];
    assert_eq!((route.name.as_str(), &route.path), ("upstream", &PathMatch::Prefix("/".into())));
    assert_eq!(route.defined_at, "/etc/cofferdam/cofferdam.toml:3");
    let Action::Proxy(upstream) = &route.action else { panic!("{route:?}") };
    assert_eq!(upstream.origins, [Origin::Tcp { host: "localhost".into(), port: 5000 }]);
    assert_eq!(config.upstreams.len(), 1);
}

#[test]
fn an_upstream_says_how_it_is_spoken_to() {
    let config = complete();
    let cluster = config.upstreams.iter().find(|one| one.name == "cluster").unwrap();
    let urls: Vec<_> = cluster.origins.iter().map(|origin| cluster.url(origin)).collect();
    assert_eq!(urls, ["https://a.internal:8443", "https://b.internal:8443"]);
    assert_eq!((cluster.protocol, cluster.balance), (Protocol::Http2, Balance::LeastConnections));
    let limit = cluster.limit.unwrap();
    assert_eq!((limit.max_connections, limit.queue_length), (64, 100));
    let tls = cluster.tls.as_ref().unwrap();
    assert!(tls.verify && tls.ca.as_ref().unwrap().ends_with("config/ca.pem"));
    assert!(tls.identity.as_ref().unwrap().key.is_absolute());
    assert!(tls.defined_at.contains("complete.toml:"), "{}", tls.defined_at);
    assert_eq!(cluster.health.as_ref().unwrap().status, 200..=399);
    assert_eq!(cluster.eject.unwrap().lasts, Duration::from_secs(10));
}

#[test]
fn what_an_upstream_does_not_say_is_plain() {
    let text = "listen = \":1\"\n[upstreams.a]\nurl = \"https://a\"\nresponse_timeout = \"7s\"\n\
                eject = \"off\"\n[upstreams.b]\nurl = \"http://[::1]:5000/\"\n";
    let config = parse(text).unwrap();
    let [a, b] = config.upstreams.as_slice() else { panic!() };
    assert_eq!(
        (a.url(&a.origins[0]), b.url(&b.origins[0])),
        ("https://a:443".into(), "http://[::1]:5000".into())
    );
    assert_eq!(a.response_idle_timeout, Some(Duration::from_secs(7)));
    assert!(a.tls.as_ref().is_some_and(|tls| tls.verify && tls.ca.is_none()) && b.tls.is_none());
    assert_eq!((a.eject, b.eject.unwrap().failures), (None, 5));
    assert_eq!((b.protocol, b.balance), (Protocol::Http1, Balance::RoundRobin));
    assert!(b.limit.is_none() && b.health.is_none());
    assert_eq!(b.resolve, Some(Duration::from_secs(10)));
}

#[test]
fn one_origin_is_one_upstream() {
    let config = parse(
        r#"
listen = ":1"
upstream = "http://a:1"
[[routes]]
path = "/x"
proxy = "http://a:1"
[[routes]]
path = "/y"
proxy = "upstream"
[[routes]]
path = "/z"
proxy = "unix:z.sock"
[[routes]]
path = "/s"
proxy = "https://a:1"
"#,
    )
    .unwrap();
    assert_eq!(config.upstreams.len(), 3);
    assert_eq!(config.upstreams[1].origins, [Origin::Unix("/etc/cofferdam/z.sock".into())]);
    assert_eq!(config.upstreams[1].name, "z");
    assert!(config.upstreams[2].tls.is_some(), "TLS makes another upstream of it");
}

#[test]
fn a_short_call_is_a_function_named_after_its_route() {
    let config = parse(
        r#"
listen = ":1"
[defaults]
spares = 7
[[routes]]
path = "/slow"
call = "./lib/../libslow.so:main"
"#,
    )
    .unwrap();
    let function = &config.functions[0];
    assert_eq!(function.name, "slow");
    assert_eq!(function.library, PathBuf::from("/etc/cofferdam/lib/../libslow.so"));
    assert_eq!(function.spares, 7);
    let Entry::Function(bound) = &function.entry else { panic!("{function:?}") };
    assert_eq!(
        (bound.callee.symbol.as_str(), bound.callee.signature.returns),
        ("main", Return::Scalar(Scalar::I32))
    );
}

fn function<'c>(config: &'c cofferdam::config::Config, name: &str) -> &'c Function {
    config.functions.iter().find(|function| function.name == name).unwrap()
}

#[test]
fn every_form_of_argument_is_bound() {
    let config = complete();
    let Entry::Function(bound) = &function(&config, "resize").entry else { panic!() };
    let expected = [
        Slot::Bytes,
        Slot::Length { of: 0, scalar: Scalar::U64 },
        Slot::Scalar(Scalar::I32),
        Slot::Scalar(Scalar::I32),
        Slot::Text,
        Slot::Text,
        Slot::Scalar(Scalar::I32),
        Slot::Buffer { capacity: 4 << 20, is_taken: false, is_text: false },
        Slot::BufferLength { of: 7, scalar: Scalar::U64 },
        Slot::Out(Scalar::I32),
    ];
    assert_eq!(bound.callee.signature.slots, expected);
    assert_eq!(bound.inputs.len(), expected.iter().filter(|slot| slot.is_taken()).count());
    assert_eq!(bound.outputs, ["out", "colours"]);
    let width = Input {
        parameter: "w".into(),
        target: Target::Scalar(Scalar::I32),
        source: Source::Query("w".into()),
        bounds: Bounds { least: Some(Value::Int(1)), most: Some(Value::Int(4096)), length: None },
        default: Some(Value::Int(320)),
    };
    assert_eq!(bound.inputs[1], width);
    assert_eq!(bound.inputs[2].source, Source::Path("height".into()));
    assert_eq!(bound.inputs[3].source, Source::Constant(Value::Bytes(b"lanczos".to_vec())));
    assert_eq!(bound.inputs[5].source, Source::Constant(Value::Int(85)));
    assert_eq!(bound.callee.success, Success::parse("== 0", &[]).ok());
    assert_eq!(bound.response.body, ResponseBody::Output(0));
    assert_eq!(bound.response.headers[0].0, "cache-control");
    assert_eq!(bound.failure.status.map(|status| status.as_u16()), Some(422));
    let message = Message { symbol: "resize_strerror".into(), given: Given::Returned(Scalar::I32) };
    assert_eq!(bound.callee.message, Some(message));
}

#[test]
fn a_handle_is_made_by_init() {
    let config = complete();
    let Entry::Function(bound) = &function(&config, "find").entry else { panic!() };
    let slots = [
        Slot::Handle,
        Slot::Text,
        Slot::Text,
        Slot::InOut(Scalar::I32),
        Slot::TimeLeft(Scalar::I64),
        Slot::Text,
        Slot::Null,
    ];
    assert_eq!(bound.callee.signature.slots, slots);
    assert_eq!(bound.inputs[0].source, Source::Json("/user/name".into()));
    assert_eq!(bound.inputs[0].bounds.length, Some(64));
    assert_eq!(bound.inputs[1].source, Source::Cookie("session".into()));
    assert_eq!(bound.inputs[2].source, Source::Json("/limit".into()));
    assert_eq!(bound.inputs[3].source, Source::RequestId);
    assert_eq!(bound.outputs, ["limit"]);
    let opening = bound.callee.opening.as_ref().unwrap();
    assert_eq!(opening.signature.slots, [Slot::Text, Slot::HandleOut]);
    assert_eq!(opening.values, [Value::Bytes(b"/var/lib/users.db".to_vec())]);
    assert_eq!(opening.exit.as_deref(), Some("db_close"));
    assert_eq!(bound.callee.free.as_deref(), Some("free"));
    assert_eq!(bound.failure, Failing { status: None, tells_errno: true });
}

#[test]
fn a_function_s_own_keys_win_over_the_defaults_key_by_key() {
    let config = parse(
        r#"
listen = ":1"
[defaults]
timeout = "off"
max_concurrency = 5
queue = { length = 9, order = "lifo" }
[functions.f]
library = "libf.so"
handler = "f"
max_concurrency = 6
queue = { length = "off" }
kill_grace = "off"
slow_log = "off"
on_disconnect = "finish"
"#,
    )
    .unwrap();
    let function = function(&config, "f");
    assert_eq!((function.timeout, function.max_concurrency), (None, 6));
    assert_eq!((function.queue.length, function.queue.order), (0, Order::Lifo));
    assert_eq!(function.queue.timeout, Some(Duration::from_secs(5)));
    assert_eq!(
        (function.kill_grace, function.on_disconnect),
        (Duration::ZERO, OnDisconnect::Finish)
    );
    assert_eq!(function.slow_log, None);
    assert_eq!(function.library, PathBuf::from("libf.so"));
}

#[test]
fn routes_are_named_by_their_paths() {
    let route = |line: &str| format!("[[routes]]\n{line}\nrespond = {{}}\n");
    let text = [
        "path = \"/\"",
        "path = \"/a/{id}\"",
        "prefix = \"/a/id\"",
        "path = \"/x\"\nname = \"a-id-2\"",
        "path = \"/A-id\"",
    ];
    let text = format!("listen = \":1\"\n{}", text.map(route).join(""));
    let config = parse(&text).unwrap();
    let names: Vec<_> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["root", "a-id", "a-id-3", "a-id-2", "a-id-4"]);
}

#[test]
fn a_route_s_match_is_held_canonically() {
    let config = complete();
    let route = config.routes.iter().find(|route| route.name == "resize").unwrap();
    assert_eq!(route.host, HostMatch::Exact("api.example.com".into()));
    let segments = vec![Segment::Literal("resize".into()), Segment::Param("height".into())];
    assert_eq!(route.path, PathMatch::Pattern(segments));
    assert_eq!(route.headers[0].0, "x-tenant");
    assert_eq!(route.timeout, Some(Duration::from_secs(25)));
}

#[test]
fn routes_that_differ_in_any_way_live_together() {
    let differing = [
        "",
        "host = \"a.example\"\n",
        "host = \"*.example\"\n",
        "methods = [\"GET\"]\n",
        "headers = { x = \"1\" }\n",
        "headers = { x = \"2\" }\n",
    ];
    let routes =
        differing.map(|line| format!("[[routes]]\npath = \"/{{id}}\"\n{line}respond = {{}}\n"));
    let config = parse(&format!("listen = \":1\"\n{}", routes.join(""))).unwrap();
    assert_eq!(config.routes.len(), differing.len());
}

#[test]
fn constants_may_come_from_the_environment() {
    let config = parse(
        r#"
listen = ":1"
[functions.f]
library = "f.so"
prototype = "int f(int w)"
arguments = { w = { const = "${WIDTH:-320}" } }
"#,
    )
    .unwrap();
    let Entry::Function(bound) = &function(&config, "f").entry else { panic!() };
    assert_eq!(bound.inputs[0].source, Source::Constant(Value::Int(320)));
}

#[test]
fn a_void_function_answers_204_and_a_reference_to_a_handler_may_say_call() {
    let config = parse(
        r#"
listen = ":1"
[functions.f]
library = "f.so"
prototype = "void f(void)"
[functions.g]
library = "f.so"
handler = "g"
[[routes]]
path = "/f"
call = "f"
[[routes]]
path = "/g"
call = "g"
[[routes]]
path = "/h"
handler = "./h.so:h"
"#,
    )
    .unwrap();
    let Entry::Function(bound) = &function(&config, "f").entry else { panic!() };
    assert_eq!((bound.response.status.as_u16(), &bound.response.body), (204, &ResponseBody::Empty));
    assert!(
        matches!(&function(&config, "h").entry, Entry::Handler { symbol, is_streamed: false } if symbol == "h")
    );
}

#[test]
fn a_queue_a_breaker_and_spares_say_what_they_are() {
    let config = parse(
        r#"
listen = ":1"
[defaults]
max_concurrency = 40
queue = { order = "deadline", fair_by = "client" }
breaker = { crashes = 7, for = "1m" }
[functions.a]
library = "liba.so"
handler = "a"
spares = "auto"
[functions.b]
library = "libb.so"
handler = "b"
queue = { fair_by = { header = "X-Tenant" } }
spares = { max = 9 }
breaker = "off"
[functions.c]
library = "libc.so"
handler = "c"
queue = { fair_by = "off" }
spares = { min = "off" }
breaker = {}
[[routes]]
path = "/a"
call = "a"
priority = "low"
"#,
    )
    .unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| function(&config, name));
    assert_eq!((a.queue.order, a.queue.fair_by.clone()), (Order::Deadline, Some(FairBy::Client)));
    assert_eq!(b.queue.fair_by, Some(FairBy::Header(http::HeaderName::from_static("x-tenant"))));
    assert_eq!((b.queue.order, &c.queue.fair_by), (Order::Deadline, &None));
    let spares = [a, b, c].map(|function| (function.spares, function.most_spares));
    assert_eq!(spares, [(1, 40), (1, 9), (0, 40)]);
    let breaker = a.breaker.unwrap();
    assert_eq!((breaker.crashes, breaker.starts), (7, 5));
    assert_eq!((breaker.within.as_secs(), breaker.lasts.as_secs()), (10, 60));
    assert_eq!((b.breaker, c.breaker.unwrap().crashes), (None, 50));
    assert_eq!(config.routes[0].filters.priority, Priority::Low);
}
