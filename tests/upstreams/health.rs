//! Active checks: asked for, believed, and taken back.

use std::time::Duration;

use super::{closed, errors, is_logged, named, of, refused, start, urls};
use crate::support::{Answer, Cofferdam, Upstream};

/// Checks that turn a place within some tens of milliseconds.
fn health(more: &str) -> String {
    format!("health = {{ path = \"/healthz\", interval = \"50ms\", rise = 2, fall = 3{more} }}\n")
}

#[track_caller]
fn is_up(cofferdam: &Cofferdam, app: &Upstream) -> f64 {
    of(cofferdam, "up", &[("endpoint", &app.url())])
}

#[test]
fn checks_really_ask() {
    let app = named("app");
    let _cofferdam = start(&format!("url = \"{}\"\n{}", app.url(), health("")));
    let asked = app.wait_for(3);
    let host = app.url().replace("http://", "");
    for request in &asked {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/healthz"));
        assert_eq!(request.header_all("host"), [host.as_str()]);
        assert!(request.header("user-agent").unwrap().starts_with("cofferdam/"));
    }
    assert!(app.connections() >= 3, "each on a connection of its own");
}

#[test]
fn a_check_asks_for_the_host_that_is_written_and_over_unix_sockets_too() {
    let app = Upstream::builder().unix().fallback(Answer::ok("app")).start();
    let more = ", host = \"app.internal\"";
    let cofferdam = start(&format!("url = \"{}\"\n{}", app.url(), health(more)));
    assert_eq!(app.wait_for(1)[0].header_all("host"), ["app.internal"]);
    assert_eq!(is_up(&cofferdam, &app), 1.0);
}

#[test]
fn who_fails_its_checks_gets_nothing_until_they_are_good_again() {
    let apps = ["a", "b"].map(named);
    apps[0].change("/healthz", Answer::status(503));
    let cofferdam = start(&(urls(&[&apps[0].url(), &apps[1].url()]) + &health("")));
    eventually!(is_up(&cofferdam, &apps[0]), |up| *up == 0.0);
    assert!(apps[0].count("/healthz") >= 3, "not before three bad ones");
    assert_eq!(is_up(&cofferdam, &apps[1]), 1.0);
    let words = ["upstream `app`", &apps[0].url(), "is down", "503 Service Unavailable"];
    eventually!(is_logged(&cofferdam, &words));
    let before = apps[0].count("/");
    for _ in 0..10 {
        assert_eq!(cofferdam.get("/").text(), "b");
    }
    assert_eq!(apps[0].count("/"), before);
    apps[0].change("/healthz", Answer::status(204));
    eventually!(is_up(&cofferdam, &apps[0]), |up| *up == 1.0);
    eventually!(is_logged(&cofferdam, &[&apps[0].url(), "is up again"]));
    for _ in 0..10 {
        assert_eq!(cofferdam.get("/").status, 200);
    }
    assert_eq!(apps[0].count("/"), before + 5);
}

#[test]
fn where_all_are_down_the_answer_is_a_502_at_once() {
    let address = closed();
    let cofferdam = start(&format!("url = \"http://{address}\"\n{}", health("")));
    let endpoint = format!("http://{address}");
    eventually!(of(&cofferdam, "up", &[("endpoint", &endpoint)]), |up| *up == 0.0);
    refused(&cofferdam.get("/"), 502, "upstream_connect");
    assert_eq!((errors(&cofferdam, "down"), errors(&cofferdam, "connect")), (1.0, 0.0));
    let back = Upstream::builder().at(address).fallback(Answer::ok("back")).start();
    eventually!(is_up(&cofferdam, &back), |up| *up == 1.0);
    assert_eq!(cofferdam.get("/").text(), "back");
}

#[test]
fn a_check_that_is_not_answered_in_time_is_a_bad_one() {
    let app = named("app");
    let cofferdam = start(&format!("url = \"{}\"\n{}", app.url(), health(", timeout = \"200ms\"")));
    app.wait_for(1);
    assert_eq!(is_up(&cofferdam, &app), 1.0);
    app.change("/healthz", Answer::ok("late").delay(Duration::from_secs(2)));
    eventually!(is_up(&cofferdam, &app), |up| *up == 0.0);
    eventually!(is_logged(&cofferdam, &["is down", "it did not answer the check within 200ms"]));
}

#[test]
fn which_statuses_are_good_is_the_files_choice() {
    let app = named("app");
    app.change("/healthz", Answer::status(302));
    let cofferdam = start(&format!("url = \"{}\"\n{}", app.url(), health(", status = \"200\"")));
    eventually!(is_up(&cofferdam, &app), |up| *up == 0.0);
    eventually!(is_logged(&cofferdam, &["is down", "302 Found"]));
}

#[test]
fn without_health_nothing_is_asked() {
    let app = named("app");
    let cofferdam = start(&format!("url = \"{}\"\n", app.url()));
    assert_eq!(cofferdam.get("/").text(), "app");
    assert_eq!((app.connections(), app.requests().len()), (1, 1));
}
