//! `metrics --list` and the number that `check` says: what there is at /metrics, before anybody asks.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::clib::library;
use crate::support::cofferdam::Builder;
use crate::support::program::cofferdam;
use crate::support::{Authority, Cofferdam};

fn root(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).unwrap()
}

fn listed() -> Vec<Value> {
    let ended = cofferdam(["metrics", "--list", "--format", "json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&ended.stdout).unwrap()
}

/// The cells of the rows of the page's tables whose first one is a metric.
fn documented() -> Vec<Vec<String>> {
    let page = root("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// What stands before what is in brackets, between backticks.
fn labels(cell: &str) -> Vec<String> {
    let (mut depth, mut bare) = (0, String::new());
    for c in cell.chars() {
        depth += i32::from(c == '(');
        if depth == 0 {
            bare.push(c);
        }
        depth -= i32::from(c == ')');
    }
    bare.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_list_and_the_page_agree_in_type_labels_and_unit() {
    let (listed, documented) = (listed(), documented());
    assert!(listed.len() > 60 && listed.len() == documented.len(), "{}", listed.len());
    for one in &listed {
        let name = one["name"].as_str().unwrap();
        let row = documented.iter().find(|row| row[1] == format!("`{name}`"));
        let row = row.unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(one["type"], row[2], "{name}");
        assert_eq!(one["labels"], Value::from(labels(&row[3])), "{name}");
        if let Some(unit) = one["unit"].as_str() {
            assert_eq!(unit, row[4], "{name}");
        }
        assert!(one["help"].as_str().unwrap().ends_with('.'), "{name}");
    }
}

/// Labels whose values the page lists one by one, and nothing but them.
fn closed(cell: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    for piece in cell.split(')') {
        let Some((label, values)) = piece.rsplit_once(" (") else { continue };
        let is_list = |(place, text): (usize, &str)| place % 2 == 1 || text.trim().is_empty();
        if values.split('`').enumerate().all(is_list) {
            let label = label.rsplit('`').nth(1).unwrap().to_owned();
            found.push((label, values.split_whitespace().map(|v| v.replace('`', "")).collect()));
        }
    }
    found
}

#[test]
fn what_the_page_lists_stands_at_0_from_the_start() {
    let library = library("functions");
    let cofferdam = Cofferdam::start(&format!(
        "upstream = \"http://127.0.0.1:1\"\n[functions.f]\nlibrary = {library:?}\n\
         prototype = \"void nothing(void)\"\n[[routes]]\npath = \"/f\"\ncall = \"f\"\n"
    ));
    let scrape = cofferdam.metrics();
    let mut compared = 0;
    for row in documented() {
        let name = row[1].trim_matches('`');
        for (label, mut values) in closed(&row[3]) {
            let samples = scrape.samples.iter().filter(|one| one.name.starts_with(name));
            let there: BTreeSet<_> = samples.filter_map(|one| one.labels.get(&label)).collect();
            // They come with their first event; this one has no listener with TLS.
            if label == "method" || there.is_empty() && name.starts_with("cofferdam_tls_") {
                continue;
            }
            if label == "code_class" {
                values.remove("1xx");
            }
            assert_eq!(there, values.iter().collect(), "{name}: {label}");
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared}");
}

#[test]
fn the_list_is_what_is_scraped() {
    let running = Cofferdam::start("[[routes]]\nprefix = \"/\"\nproxy = \"http://127.0.0.1:1\"\n");
    running.get("/");
    let scraped = running.metrics();
    let listed = listed();
    for (name, kind) in &scraped.types {
        let one = listed.iter().find(|one| one["name"] == *name).unwrap();
        assert_eq!(one["type"], *kind, "{name}");
        let sample = scraped.samples.iter().find(|sample| sample.name.starts_with(name)).unwrap();
        for label in sample.labels.keys().filter(|label| *label != "le") {
            let known = one["labels"].as_array().unwrap();
            assert!(known.contains(&Value::from(label.as_str())), "{name}: {label}");
        }
    }
}

#[test]
fn a_table_for_people() {
    let ended = cofferdam(["metrics", "--list"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let head: Vec<_> = lines[0].split_whitespace().collect();
    assert_eq!(head, ["NAME", "TYPE", "LABELS", "UNIT", "MEANING"]);
    assert_eq!(lines.len(), listed().len() + 1);
    let wait = lines.iter().find(|line| line.starts_with("cofferdam_queue_wait_seconds ")).unwrap();
    let words: Vec<_> = wait.split_whitespace().take(4).collect();
    assert_eq!(words[1..], ["histogram", "function,outcome", "seconds"]);
    assert_eq!(cofferdam(["metrics"]).code, Some(2));
}

/// The number in the line of `check`, and how many lines the first scrape of the same file has.
fn said_and_scraped(builder: Builder) -> (usize, usize) {
    let running = builder.start();
    let scraped = running.metrics().samples.len();
    let ended = cofferdam(["check".as_ref(), running.beside("cofferdam.toml").as_os_str()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (_, functions) = ended.stdout.split_once(" function").unwrap();
    let (_, rest) = functions.split_once(", ").unwrap();
    let (series, _) = rest.split_once(" series at /metrics)\n").unwrap();
    (series.parse().unwrap(), scraped)
}

/// As they ship, but for the places of this machine that they name.
#[test]
fn check_knows_how_many_series_there_will_be() {
    let library = library("complete").display().to_string();
    let authority = Authority::new();
    let pair = authority.issue();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let complete = root("config/complete.toml")
        .replace("127.0.0.1:${PORT:-8080}", "127.0.0.1:0")
        .replace("\":8443\"", "\"127.0.0.1:0\"")
        .replace("127.0.0.1:9180", "127.0.0.1:0")
        .replace("/run/cofferdam/http.sock", &place("http.sock"))
        .replace("/var/log/cofferdam/access.log", &place("access.log"))
        .replace("\"public\"", &format!("{:?}", folder.path()));
    let names = ["./libresize.so", "./libusers.so", "libthumb.so", "./libslow.so"];
    let complete = names.iter().fold(complete, |text, name| text.replace(name, &library));
    let mut builder = Cofferdam::builder().config(&complete);
    for name in ["cert.pem", "client.pem"] {
        builder = builder.file(name, &pair.certificate);
    }
    for name in ["key.pem", "client.key"] {
        builder = builder.file(name, &pair.key);
    }
    for name in ["ca.pem", "clients.pem"] {
        builder = builder.file(name, authority.pem());
    }
    let (said, scraped) = said_and_scraped(builder);
    assert!(said > 2000 && said == scraped, "complete.toml: {said} said, {scraped} scraped");

    let demo = root("config/demo.toml")
        .replace("${COFFERDAM_DEMO_LISTEN:-127.0.0.1:8080}", "127.0.0.1:0")
        .replace("${COFFERDAM_DEMO_APP:-http://127.0.0.1:5000}", "http://127.0.0.1:1")
        .replace("${COFFERDAM_EXAMPLES:-../target/release/c-ext}/libsleep.so", &library);
    let (said, scraped) = said_and_scraped(Cofferdam::builder().config(&demo));
    assert!(said > 500 && said == scraped, "demo.toml: {said} said, {scraped} scraped");

    let inline = format!(
        "[functions.f]\nlibrary = {library:?}\nprototype = \"int main(void)\"\nmode = \"inline\"\n\
         [functions.g]\nlibrary = {library:?}\nprototype = \"int main(void)\"\nmode = \"detached\"\n\
         [[routes]]\npath = \"/f\"\ncall = \"f\"\n[[routes]]\npath = \"/g\"\ncall = \"g\"\n"
    );
    let (said, scraped) = said_and_scraped(Cofferdam::builder().config(&inline));
    assert_eq!(said, scraped, "the modes that need more");
}
