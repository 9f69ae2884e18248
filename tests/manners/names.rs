//! `x-request-id`, `traceparent` and `Server-Timing`: the same names in the request, the answer, the log and the library.

use super::{answering, stage};
use crate::support::clib::library;
use crate::support::http::{self, Response};
use crate::support::upstream::Recorded;
use crate::support::{Answer, Cofferdam, Upstream};

const PROXY: &str = "upstream = \"{}\"\n[log.access]\nformat = \"json\"\n";
const TRUSTING: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn asked(stage: &(Upstream, Cofferdam), headers: &[(&str, &str)]) -> (Recorded, Response) {
    let answer = http::request(stage.1.addr(), "GET", "/", headers, b"");
    let seen = stage.0.requests().pop().unwrap();
    (seen, answer)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[test]
fn each_request_has_one_id_everywhere() {
    let answer = Answer::ok("up").header("x-request-id", "the-upstream-s-own");
    let stage = answering(answer, PROXY);
    let (seen, answer) = asked(&stage, &[("x-request-id", "forged"), ("x-request-id", "twice")]);
    let id = answer.header("x-request-id").unwrap();
    assert!(is_hex(id, 32), "{id}");
    assert_eq!(seen.header_all("x-request-id"), [id]);
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "x-request-id").count(), 1);
    let line = format!("\"request_id\":\"{id}\"");
    eventually!(stage.1.stderr(), |lines| lines.iter().any(|l| l.contains(&line)));
    let (_, another) = asked(&stage, &[]);
    assert_ne!(another.header("x-request-id"), Some(id));
}

#[test]
fn a_refusal_has_the_id_of_its_body() {
    let cofferdam = Cofferdam::start("");
    for target in ["/nothing", "/..", "/a%00"] {
        let answer = cofferdam.get(target);
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"), "{target}");
        assert!(is_hex(answer.header("x-request-id").unwrap(), 32), "{target}");
    }
}

#[test]
fn a_trusted_proxy_s_id_is_kept_if_it_is_a_name() {
    let stage = stage(&format!("upstream = \"{{}}\"\n{TRUSTING}"));
    for id in ["7b0f6a4e-5c1d-4d0e-9d6b-1f2e3d4c5b6a", "abc.123", "A"] {
        let (seen, answer) = asked(&stage, &[("x-request-id", id)]);
        assert_eq!(
            (seen.header("x-request-id"), answer.header("x-request-id")),
            (Some(id), Some(id))
        );
    }
    let long = "a".repeat(65);
    for bad in ["", "a b", "a\"b", "<script>", "a,b", "caf\u{e9}", &long] {
        let (seen, answer) = asked(&stage, &[("x-request-id", bad)]);
        let id = answer.header("x-request-id").unwrap();
        assert!(is_hex(id, 32), "{bad:?}: {id}");
        assert_eq!(seen.header_all("x-request-id"), [id], "{bad:?}");
    }
}

#[test]
fn a_trace_goes_on_with_a_span_of_ours() {
    let stage = stage(PROXY);
    for flags in ["01", "00"] {
        let came = format!("00-{TRACE}-{PARENT}-{flags}");
        let (seen, answer) = asked(&stage, &[("traceparent", &came), ("tracestate", "a=1,b=2")]);
        let sent = seen.header("traceparent").unwrap();
        let parts: Vec<_> = sent.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, flags), "{sent}");
        assert!(is_hex(parts[2], 16) && parts[2] != PARENT, "{sent}");
        assert_eq!(seen.header("tracestate"), Some("a=1,b=2"));
        assert_eq!(answer.header("traceparent"), None);
    }
    let line = format!("\"trace_id\":\"{TRACE}\"");
    eventually!(stage.1.stderr(), |lines| lines.iter().any(|l| l.contains(&line)));
}

#[test]
fn what_is_no_trace_begins_one_under_the_request_s_id() {
    let stage = stage(PROXY);
    let good = format!("00-{TRACE}-{PARENT}-01");
    let upper = good.to_uppercase();
    let rows: [&[(&str, &str)]; 5] = [
        &[],
        &[("traceparent", "nonsense"), ("tracestate", "a=1")],
        &[("traceparent", &upper), ("tracestate", "a=1")],
        &[("traceparent", &good), ("traceparent", &good), ("tracestate", "a=1")],
        &[("tracestate", "a=1")],
    ];
    for headers in rows {
        let (seen, answer) = asked(&stage, headers);
        let sent = seen.header_all("traceparent");
        assert_eq!(sent.len(), 1, "{headers:?}");
        let id = answer.header("x-request-id").unwrap();
        assert!(sent[0].starts_with(&format!("00-{id}-")) && sent[0].ends_with("-01"), "{sent:?}");
        assert_eq!(seen.header("tracestate"), None, "{headers:?}");
    }
}

#[test]
fn what_is_switched_off_passes_through() {
    let text = "upstream = \"{}\"\n[trace]\nrequest_id = false\ntraceparent = false\n";
    let stage = answering(Answer::ok("up").header("x-request-id", "own"), text);
    let (seen, answer) = asked(&stage, &[("x-request-id", "mine"), ("traceparent", "any")]);
    assert_eq!(
        (seen.header("x-request-id"), seen.header("traceparent")),
        (Some("mine"), Some("any"))
    );
    assert_eq!(answer.header("x-request-id"), Some("own"));
    let text = "upstream = \"{}\"\n[trace]\nsampled = false\n";
    let (seen, _) = asked(&super::stage(text), &[]);
    assert!(seen.header("traceparent").unwrap().ends_with("-00"));
}

#[test]
fn a_function_gets_them_as_headers() {
    let cofferdam = Cofferdam::start(&format!(
        "[functions.same]\nlibrary = \"{}\"\nprototype = \"int32_t s32(int32_t n)\"\n\
         arguments = {{ n = {{ header = \"x-request-id\" }} }}\n\
         [[routes]]\npath = \"/\"\ncall = \"same\"\n{TRUSTING}",
        library("functions").display()
    ));
    let answer = http::request(cofferdam.addr(), "GET", "/", &[("x-request-id", "41")], b"");
    assert_eq!((answer.status, answer.text().trim()), (200, "-41"));
}

#[test]
fn who_asks_for_the_time_of_a_proxied_request_is_told() {
    let delay = std::time::Duration::from_millis(30);
    let answer = Answer::ok("up").delay(delay).header("server-timing", "db;dur=1");
    let stage = answering(answer, "upstream = \"{}\"\n");
    let (_, plain) = asked(&stage, &[]);
    assert_eq!(plain.header("server-timing"), Some("db;dur=1"));
    let (_, answer) = asked(&stage, &[("server-timing", "1")]);
    let timings: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "server-timing").collect();
    assert_eq!(timings[0].1, "db;dur=1");
    let parts: Vec<f64> = timings[1]
        .1
        .split(", ")
        .zip(["upstream;dur=", "total;dur="])
        .map(|(part, name)| part.strip_prefix(name).unwrap().parse().unwrap())
        .collect();
    assert!(parts[0] >= 30.0 && parts[0] <= parts[1] && parts[1] < 10_000.0, "{parts:?}");
}
