//! What a scraper gets: two formats, held against strict readers, ours and others'; exemplars; packed where it asks.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;

use crate::calls::ground::{function, start_with};
use crate::support::http::{self, Response};
use crate::support::metrics::Scrape;
use crate::support::openmetrics::{self, Family};
use crate::support::python::python;
use crate::support::{Answer, Cofferdam, Upstream, skip};

const OPEN_METRICS: (&str, &str) = ("accept", "application/openmetrics-text; version=1.0.0");
const GZIP: (&str, &str) = ("accept-encoding", "gzip");

fn scrape(cofferdam: &Cofferdam, headers: &[(&str, &str)]) -> Response {
    let answer = http::request(cofferdam.admin(), "GET", "/metrics", headers, b"");
    assert_eq!((answer.status, answer.header("vary")), (200, Some("accept, accept-encoding")));
    answer
}

fn families(cofferdam: &Cofferdam) -> BTreeMap<String, Family> {
    let answer = scrape(cofferdam, &[OPEN_METRICS]);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(kind));
    openmetrics::parse(&answer.text()).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A function that does nothing, and its route.
fn nothing(name: &str) -> String {
    function(name, "functions", "prototype = \"void nothing(void)\"", "")
}

/// A function, an upstream, a fixed answer; each asked once, and one thing that is not there.
fn busy() -> (Cofferdam, Upstream) {
    let upstream = Upstream::builder().fallback(Answer::ok("hello")).start();
    let sections = format!("[upstreams.app]\nurl = \"{}\"\n", upstream.url());
    let app = "[[routes]]\npath = \"/app\"\nproxy = \"app\"\n".to_owned();
    let cofferdam = start_with(&sections, &[nothing("f"), app]);
    for path in ["/f", "/app", "/pong", "/nowhere"] {
        cofferdam.get(path);
    }
    (cofferdam, upstream)
}

#[test]
fn both_formats_have_the_same_series() {
    let (cofferdam, _upstream) = busy();
    let text = Scrape::parse(&scrape(&cofferdam, &[]).text());
    let open = families(&cofferdam);
    let in_text: BTreeSet<_> = text.samples.iter().map(|one| (&one.name, &one.labels)).collect();
    let samples = || open.values().flat_map(|family| &family.samples);
    let in_open: BTreeSet<_> = samples().map(|one| (&one.name, &one.labels)).collect();
    assert_eq!(in_text, in_open);
    for (name, family) in &open {
        let in_text = if family.kind == "counter" { format!("{name}_total") } else { name.clone() };
        assert_eq!(text.types[&in_text], family.kind, "{name}");
        let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit));
        assert_eq!(family.unit, unit.unwrap_or_default(), "{name}");
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
    }
    let requests = |code| {
        let found = samples()
            .find(|one| one.name == "cofferdam_http_requests_total" && one.labels["code"] == code);
        found.map(|one| one.value)
    };
    assert_eq!(requests("404"), Some(1.0));
}

#[test]
fn exemplars_lead_from_a_bucket_to_a_trace_that_is_recorded() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (cofferdam, _upstream) = busy();
    let before = traces(&families(&cofferdam));
    assert!(before.iter().all(|(_, trace)| trace.len() == 32 && trace != TRACE), "{before:?}");
    let names: BTreeSet<_> = before.iter().map(|(name, _)| name.as_str()).collect();
    let calls = "cofferdam_call_duration_seconds_bucket";
    let requests = "cofferdam_http_request_duration_seconds_bucket";
    assert_eq!(names, BTreeSet::from([calls, requests]), "what begins here is recorded");

    let cofferdam = start_with("", &[nothing("f")]);
    let ask = |path: &str, trace: &str, flags: &str| {
        let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
        let traced = [("traceparent", parent.as_str())];
        assert!(http::request(cofferdam.addr(), "GET", path, &traced, b"").status < 300);
    };
    ask("/pong", &"1".repeat(32), "00");
    assert_eq!(traces(&families(&cofferdam)), [], "nobody records it");
    ask("/f", TRACE, "01");
    eventually!(traces(&families(&cofferdam)), |found| found.len() == 2);
    let found = traces(&families(&cofferdam));
    assert!(found.iter().all(|(_, trace)| trace == TRACE), "{found:?}");
    assert!(!scrape(&cofferdam, &[]).text().contains(TRACE), "the text format has none");
}

/// The traces of all exemplars, by the names of their samples; each is of this minute.
fn traces(families: &BTreeMap<String, Family>) -> Vec<(String, String)> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut found = Vec::new();
    for sample in families.values().flat_map(|family| &family.samples) {
        let Some(exemplar) = &sample.exemplar else { continue };
        let age = now.as_secs_f64() - exemplar.at.unwrap();
        assert!((-1.0..60.0).contains(&age), "{age}");
        found.push((sample.name.clone(), exemplar.labels["trace_id"].clone()));
    }
    found
}

#[test]
fn it_is_packed_for_who_asks() {
    let (cofferdam, _upstream) = busy();
    let plain = scrape(&cofferdam, &[]);
    assert_eq!(plain.header("content-encoding"), None);
    let packed = scrape(&cofferdam, &[GZIP, OPEN_METRICS]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let text = unpacked(&packed.body);
    assert!(packed.body.len() * 5 < text.len(), "{} of {}", packed.body.len(), text.len());
    openmetrics::parse(&text).unwrap();
    let head = http::request(cofferdam.admin(), "HEAD", "/metrics", &[GZIP], b"");
    assert_eq!((head.status, head.header("content-encoding")), (200, Some("gzip")));
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    assert!(length > 100 && head.body.is_empty(), "{length}");
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// The bound is a promise: a scrape that is too large is one that somebody switches off.
#[test]
fn twenty_routes_and_ten_functions_are_25_kb() {
    let upstream = Upstream::builder().fallback(Answer::ok("hello")).start();
    let mut pieces: Vec<String> = (0..10).map(|n| nothing(&format!("function-{n}"))).collect();
    pieces.extend((0..9).map(|n| {
        format!(
            "[[routes]]\nname = \"route-{n}\"\npath = \"/route-{n}\"\nproxy = \"{}\"\n",
            upstream.url()
        )
    }));
    let cofferdam = start_with("", &pieces);
    for n in 0..9 {
        for _ in 0..5 {
            assert_eq!(cofferdam.get(&format!("/function-{n}")).status, 204);
            assert_eq!(cofferdam.get(&format!("/route-{n}")).status, 200);
        }
    }
    let open = scrape(&cofferdam, &[GZIP, OPEN_METRICS]).body;
    let text = unpacked(&open);
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    println!("{series} series, {} bytes, {} packed", text.len(), open.len());
    assert!(open.len() < 25_000, "{}", open.len());
    let plain = scrape(&cofferdam, &[GZIP]).body;
    assert!(plain.len() < 25_000, "{}", plain.len());
}

#[test]
fn promtool_finds_nothing() {
    if Command::new("promtool").arg("--version").output().is_err() {
        return skip("promtool is not installed (Debian: prometheus)");
    }
    let (cofferdam, _upstream) = busy();
    let (is_well, said) =
        piped(Command::new("promtool").args(["check", "metrics"]), &scrape(&cofferdam, &[]).body);
    assert!(is_well && said.is_empty(), "{said}");
}

#[test]
fn the_reader_of_prometheus_own_client_reads_it() {
    let Some(python) = python("prometheus_client") else { return };
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        families = list(read(sys.stdin.read()))\n\
        print(len(families), sum(1 for f in families for s in f.samples if s.exemplar))";
    let (cofferdam, _upstream) = busy();
    let text = scrape(&cofferdam, &[OPEN_METRICS]).body;
    let ours = openmetrics::parse(std::str::from_utf8(&text).unwrap()).unwrap();
    let (is_well, said) = piped(Command::new(python).args(["-c", script]), &text);
    assert!(is_well, "{said}");
    assert_eq!(said.trim(), format!("{} {}", ours.len(), traces(&ours).len()));
}

/// Whether it ended well, and all that it said.
fn piped(command: &mut Command, input: &[u8]) -> (bool, String) {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}
