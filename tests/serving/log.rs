//! What is logged of requests, and that a log which nobody reads holds nobody.

use std::time::Duration;

use super::PONG;
use crate::support::http::Connection;
use crate::support::{Cofferdam, quiet};

#[test]
fn an_access_line_names_the_request_in_json() {
    let cofferdam = Cofferdam::start(&format!("[log.access]\nformat = \"json\"\n{PONG}"));
    let refused = crate::support::http::request(cofferdam.addr(), "GET", "/a?secret=1", &[], b"");
    assert_eq!(refused.status, 200);
    let find = |lines: &Vec<String>| {
        let parsed = lines.iter().filter_map(|l| serde_json::from_str(l).ok());
        parsed.into_iter().find(|line: &serde_json::Value| line["path"] == "/a")
    };
    eventually!(cofferdam.stderr(), |lines| find(lines).is_some());
    let line = find(&cofferdam.stderr()).unwrap();
    for (key, value) in [("method", "GET"), ("route", "root"), ("peer", "127.0.0.1")] {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(
        (line["status"].as_u64(), line["whole"].as_bool()),
        (Some(200), Some(true)),
        "{line}"
    );
    assert!(line["request_id"].is_string() && line["seconds"].is_f64(), "{line}");
}

#[test]
fn an_access_line_has_the_reason_and_the_id_of_a_refusal() {
    let cofferdam = Cofferdam::start(
        "[log.access]\nformat = \"text\"\n[[routes]]\npath = \"/only\"\nrespond = { status = 200 }\n",
    );
    let answer = cofferdam.get("/other");
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let id = problem["request_id"].as_str().unwrap().to_owned();
    let fits = move |line: &String| {
        [" GET /other 404 - no_route ", &id].iter().all(|part| line.contains(part))
    };
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(&fits));
}

#[test]
fn a_log_that_nobody_reads_holds_no_request() {
    let _alone = quiet::alone();
    let text = format!("[log.access]\nformat = \"text\"\n{PONG}");
    let mut cofferdam = Cofferdam::builder().config(&text).unread_log().start();
    let dropped =
        |cofferdam: &Cofferdam| cofferdam.metric("cofferdam_log_lines_dropped_total", &[]);
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    let mut slowest = Duration::ZERO;
    // A pipe and the proxy's own queue take some thousand lines.
    for _ in 0..20 {
        for _ in 0..500 {
            let answer = connection.request("GET", "/", &[], b"").unwrap();
            assert_eq!(answer.text(), "pong\n");
            slowest = slowest.max(answer.elapsed);
        }
        if dropped(&cofferdam) > 0.0 {
            break;
        }
    }
    assert!(dropped(&cofferdam) > 0.0, "nothing was dropped");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    cofferdam.signal(rustix::process::Signal::TERM);
    assert_eq!(cofferdam.wait(Duration::from_secs(5)).code(), Some(0));
}
