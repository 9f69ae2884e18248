//! `routes` and `check --explain`: the order in which routes are tried, and why each is or is not the one.

use crate::support::program::File;

const TEXT: &str = r#"listen = "127.0.0.1:0"
upstream = "http://127.0.0.1:1"

[[routes]]
prefix = "/static"
respond = { status = 204 }

[[routes]]
name = "blue"
path = "/u/{id}"
methods = ["POST"]
headers = { "x-tenant" = "blue" }
respond = { body = "blue" }

[[routes]]
name = "any"
path = "/u/{id}"
respond = { body = "any" }

[[routes]]
name = "api"
host = "*.api.test"
path = "/files/{*rest}"
proxy = "http://127.0.0.1:2"

[[routes]]
name = "slow"
path = "/slow"
call = "./libslow.so:main"
"#;

/// The words of each line.
fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn routes_are_listed_in_the_order_in_which_they_are_tried() {
    let file = File::of(TEXT);
    let ended = file.run("routes", &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let lines = table(&ended.stdout);
    let names: Vec<_> = lines.iter().map(|line| line[0]).collect();
    assert_eq!(names, ["NAME", "api", "slow", "blue", "any", "static", "upstream"]);
    let path = file.path();
    let at = |line: u32| format!("{path}:{line}");
    assert_eq!(lines[1][1..4], ["*.api.test/files/{*rest}", "proxy", "api"]);
    assert_eq!(lines[2][1..], ["/slow", "call", "slow", &at(26)], "{}", ended.stdout);
    let blue = ["/u/{id}", "POST", "x-tenant:", "blue", "respond", "200", &at(8)];
    assert_eq!(lines[3][1..], blue, "{}", ended.stdout);
    assert_eq!(lines[5][1..4], ["/static/…", "respond", "204"]);
    assert_eq!(lines[6][1..4], ["/…", "proxy", "upstream"]);
}

#[track_caller]
fn explained(request: &str) -> String {
    let ended = File::of(TEXT).run("check", &["--explain", request]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    ended.stdout
}

#[test]
fn a_match_is_shown_after_those_that_were_tried_before() {
    let told = explained("POST http://h/u/7?q=1 -H X-Tenant:blue");
    let lines = table(&told);
    assert_eq!(lines[0], ["no", "api", "another", "host"], "{told}");
    assert_eq!(lines[1], ["no", "slow", "another", "path"], "{told}");
    assert_eq!(lines[2], ["→", "yes", "blue", "respond", "200", "id=7"], "{told}");
    assert_eq!(lines.len(), 3, "{told}");
    assert!(explained("http://x.api.test/files/a/b").contains("rest=a/b"));
}

#[test]
fn what_falls_through_says_why() {
    let told = explained("POST http://h/u/7 -H x-tenant:green");
    assert!(
        told.contains("blue                 a header is missing or has another value"),
        "{told}"
    );
    assert!(told.contains("→ yes  any "), "{told}");
    let told = explained("/u/7");
    assert!(told.contains("blue                 another method"), "{told}");
    let told = explained("DELETE http://h/elsewhere");
    assert!(told.contains("→ yes  upstream "), "{told}");
}

#[test]
fn no_match_is_said() {
    let file = File::of(&TEXT.replace("upstream = \"http://127.0.0.1:1\"\n", ""));
    let ended = file.run("check", &["--explain", "GET http://h/elsewhere"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.ends_with("no route matches: 404 no_route\n"), "{ended:?}");
    assert_eq!(ended.stdout.matches("  no   ").count(), 5, "{ended:?}");
}

#[test]
fn a_request_that_cannot_be_read_is_said_with_its_mend() {
    for (request, mend) in [
        ("", "write \"GET http://host/path\""),
        ("GET", "write \"GET http://host/path\""),
        ("GET /x -H", "-H needs NAME:VALUE"),
        ("GET /x -H nothing", "write NAME:VALUE"),
        ("GET /x y", "write -H NAME:VALUE"),
    ] {
        let ended = File::of(TEXT).run("check", &["--explain", request]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{request}: {ended:?}");
        assert!(ended.stderr.contains(mend), "{request}: {ended:?}");
    }
}

#[test]
fn redirects_files_and_schemes_are_named() {
    let file = File::of(
        "listen = \":0\"\n[[routes]]\nname = \"secure\"\nprefix = \"/\"\nscheme = \"http\"\n\
         redirect = { to = \"https://{host}{path}\", status = 301 }\n\
         [[routes]]\nprefix = \"/static\"\nfiles = { root = \"/srv/public\" }\n",
    );
    let listed = file.run("routes", &[]).stdout;
    let lines = table(&listed);
    assert_eq!(lines[1][..4], ["secure", "http:///…", "redirect", "301"], "{listed}");
    assert_eq!(lines[2][..4], ["static", "/static/…", "files", "/srv/public"], "{listed}");
    let told = |request: &str| file.run("check", &["--explain", request]).stdout;
    let plain = told("GET http://h/static/x");
    assert!(
        plain.contains("→ yes  secure") && plain.contains("redirect 301 https://{host}{path}"),
        "{plain}"
    );
    let secure = told("GET https://h/static/x");
    assert!(secure.contains("secure               another scheme"), "{secure}");
    assert!(secure.contains("→ yes  static") && secure.contains("files /srv/public"), "{secure}");
}
