//! Who gets a request, and who is left out after failures.

use super::{closed, errors, is_logged, named, of, refused, start, urls};
use crate::support::http::{self, Connection, encode};
use crate::support::{Answer, Upstream};

#[test]
fn round_robin_spreads_evenly() {
    let apps = ["a", "b", "c"].map(named);
    let cofferdam = start(&urls(&[&apps[0].url(), &apps[1].url(), &apps[2].url()]));
    let mut client = Connection::open(cofferdam.addr()).unwrap();
    for _ in 0..15 {
        client.request("GET", "/", &[], b"").unwrap();
        cofferdam.get("/");
    }
    assert_eq!(apps.map(|app| app.requests().len()), [10, 10, 10]);
}

#[test]
fn least_connections_avoids_the_busy_one() {
    let apps = ["a", "b"].map(named);
    apps.iter().for_each(|app| app.change("/hang", Answer::hang()));
    let balance = "balance = \"least_connections\"\n";
    let cofferdam = start(&(urls(&[&apps[0].url(), &apps[1].url()]) + balance));
    let mut busy = Connection::open(cofferdam.addr()).unwrap();
    busy.send(&encode("GET", "/hang", &[], b"")).unwrap();
    eventually!(of(&cofferdam, "in_flight", &[]), |count| *count == 1.0);
    eventually!(apps.iter().map(|app| app.count("/hang")).sum::<usize>(), |sum| *sum == 1);
    let (idle, hung) =
        if apps[0].count("/hang") == 1 { (&apps[1], &apps[0]) } else { (&apps[0], &apps[1]) };
    for _ in 0..10 {
        assert_eq!(cofferdam.get("/").status, 200);
    }
    assert_eq!((idle.count("/"), hung.count("/")), (10, 0));
    drop(busy);
    eventually!(of(&cofferdam, "in_flight", &[]), |count| *count == 0.0);
    let left = [("outcome", "left")];
    assert_eq!(of(&cofferdam, "requests_total", &left), 1.0);
    for _ in 0..10 {
        cofferdam.get("/");
    }
    assert_eq!((idle.count("/"), hung.count("/")), (15, 5), "equals take turns again");
}

#[test]
fn a_connect_that_fails_goes_elsewhere_and_then_nobody_asks_there() {
    let (down, app) = (format!("http://{}", closed()), named("app"));
    let cofferdam = start(&urls(&[&down, &app.url()]));
    for _ in 0..20 {
        let answer = http::post(cofferdam.addr(), "/", b"body");
        assert_eq!((answer.status, answer.text().as_str()), (200, "app"));
    }
    assert_eq!((errors(&cofferdam, "connect"), of(&cofferdam, "ejections_total", &[])), (5.0, 1.0));
    assert_eq!(of(&cofferdam, "retries_total", &[]), 5.0);
    assert!(app.requests().iter().all(|request| request.body == b"body"));
    eventually!(is_logged(&cofferdam, &["upstream `app`", &down, "Connection refused"]));
    eventually!(is_logged(&cofferdam, &[&down, "is left out for 10s after 5 failures in a row"]));
}

#[test]
fn who_was_left_out_comes_back() {
    let (address, app) = (closed(), named("app"));
    let eject = "eject = { failures = 2, for = \"300ms\" }\n";
    let cofferdam = start(&(urls(&[&format!("http://{address}"), &app.url()]) + eject));
    eventually!(
        {
            assert_eq!(cofferdam.get("/").text(), "app");
            of(&cofferdam, "ejections_total", &[])
        },
        |count| *count == 1.0
    );
    let back = Upstream::builder().at(address).fallback(Answer::ok("back")).start();
    eventually!(cofferdam.get("/").text(), |text| text == "back");
    assert!(!back.requests().is_empty());
}

#[test]
fn the_last_one_is_never_left_out() {
    let down = [closed(), closed()].map(|address| format!("http://{address}"));
    let cofferdam = start(&(urls(&[&down[0], &down[1]]) + "eject = { failures = 1 }\n"));
    for tried in 1..=4 {
        refused(&cofferdam.get("/"), 502, "upstream_connect");
        assert_eq!(errors(&cofferdam, "connect"), f64::from(2 * tried), "both are tried");
    }
    assert_eq!(of(&cofferdam, "ejections_total", &[]), 1.0);
}

#[test]
fn server_errors_are_failures_where_the_file_says_so() {
    for (key, asked) in [("true", 3), ("false", 10)] {
        let ill = Upstream::builder().fallback(Answer::status(500)).start();
        let app = named("app");
        let eject = format!("eject = {{ failures = 3, server_errors = {key} }}\n");
        let cofferdam = start(&(urls(&[&ill.url(), &app.url()]) + &eject));
        for _ in 0..20 {
            cofferdam.get("/");
        }
        assert_eq!(ill.requests().len(), asked, "server_errors = {key}");
        assert_eq!(app.requests().len(), 20 - asked);
    }
}

#[test]
fn failures_that_are_not_in_a_row_leave_nobody_out() {
    let apps = ["a", "b"].map(named);
    apps[0].change("/cut", Answer::close());
    let eject = "eject = { failures = 2 }\n";
    let cofferdam = start(&(urls(&[&apps[0].url(), &apps[1].url()]) + eject));
    for _ in 0..5 {
        // Not a GET, which would be asked once more elsewhere.
        http::post(cofferdam.addr(), "/cut", b"x");
        (0..3).for_each(|_| drop(cofferdam.get("/")));
    }
    assert_eq!((apps[0].count("/cut"), apps[0].count("/")), (5, 5));
    assert_eq!(of(&cofferdam, "ejections_total", &[]), 0.0);
}
