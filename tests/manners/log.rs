//! `[log.access]`: each format as its readers expect it, no secret in it, no line that a client could forge, and a file that may
//! be moved away.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::answering;
use crate::support::http::{self, Connection};
use crate::support::{Answer, Cofferdam, Http2, quiet};

const TRUSTING: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";

/// The access lines: whatever the program itself says begins otherwise.
fn lines(cofferdam: &Cofferdam, part: &str) -> Vec<String> {
    cofferdam.stderr().into_iter().filter(|line| line.contains(part)).collect()
}

/// A combined line as the readers of Apache's and nginx's logs take it apart.
fn parsed(line: &str) -> Option<[String; 7]> {
    let (client, rest) = line.split_once(" - - [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let (status, rest) = rest.split_once(' ')?;
    let (bytes, rest) = rest.split_once(" \"")?;
    let (referer, rest) = rest.split_once("\" \"")?;
    let agent = rest.strip_suffix('"').filter(|agent| !agent.contains('"'))?;
    Some([client, time, request, status, bytes, referer, agent].map(str::to_owned))
}

#[test]
fn combined_is_what_apache_and_nginx_write() {
    let config = format!("upstream = \"{{}}\"\n[log.access]\nformat = \"combined\"\n{TRUSTING}");
    let (_upstream, cofferdam) = answering(Answer::ok("twelve bytes"), &config);
    let headers = [
        ("x-forwarded-for", "192.0.2.7"),
        ("referer", "https://a.example/?token=t&q=1"),
        ("user-agent", "Mozilla/5.0 (X11)"),
    ];
    http::request(cofferdam.addr(), "GET", "/a/../b?q=1&password=p", &headers, b"");
    http::request(cofferdam.addr(), "HEAD", "/head", &[], b"");
    eventually!(lines(&cofferdam, " - - ["), |lines| lines.len() == 2);
    let lines = lines(&cofferdam, " - - [");
    let [client, time, request, status, bytes, referer, agent] = parsed(&lines[0]).unwrap();
    assert_eq!((client.as_str(), status.as_str(), bytes.as_str()), ("192.0.2.7", "200", "12"));
    assert_eq!(request, "GET /b?q=1&password=[redacted] HTTP/1.1");
    assert_eq!(referer, "https://a.example/?token=[redacted]&q=1");
    assert_eq!(agent, "Mozilla/5.0 (X11)");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert!(shape.starts_with("99/") && shape.ends_with("/9999:99:99:99 +9999"), "{time}");
    let [client, _, request, status, bytes, referer, agent] = parsed(&lines[1]).unwrap();
    assert_eq!((client.as_str(), status.as_str(), bytes.as_str()), ("127.0.0.1", "200", "0"));
    assert_eq!(
        (request.as_str(), referer.as_str(), agent.as_str()),
        ("HEAD /head HTTP/1.1", "-", "-")
    );
}

#[test]
fn json_has_all_that_is_known() {
    let config = format!("upstream = \"{{}}\"\n[log.access]\nformat = \"json\"\n{TRUSTING}");
    let (_upstream, cofferdam) = answering(Answer::ok("up"), &config);
    let headers = [
        ("host", "app.example:80"),
        ("x-forwarded-for", "192.0.2.7"),
        ("referer", "https://a.example/"),
        ("user-agent", "agent/1"),
    ];
    http::request(cofferdam.addr(), "POST", "/p?a=b&SIG=s", &headers, b"12345");
    eventually!(lines(&cofferdam, "\"/p\""), |lines| lines.len() == 1);
    let line: Value = serde_json::from_str(&lines(&cofferdam, "\"/p\"")[0]).unwrap();
    for (key, value) in [
        ("peer", "127.0.0.1"),
        ("client", "192.0.2.7"),
        ("method", "POST"),
        ("host", "app.example:80"),
        ("path", "/p"),
        ("query", "a=b&SIG=[redacted]"),
        ("protocol", "HTTP/1.1"),
        ("route", "upstream"),
        ("upstream", "upstream"),
        ("referer", "https://a.example/"),
        ("user_agent", "agent/1"),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert_eq!((line["bytes_received"].as_u64(), line["bytes_sent"].as_u64()), (Some(5), Some(2)));
    let (waited, took) = (line["upstream_seconds"].as_f64(), line["seconds"].as_f64());
    assert!(waited > Some(0.0) && waited <= took, "{line}");
    assert_eq!(line["reason"], Value::Null);

    let request = Http2::request("GET", "http://two.example/none?x", b"");
    Http2::open(cofferdam.addr()).send(request);
    eventually!(lines(&cofferdam, "\"/none\""), |lines| lines.len() == 1);
    let line: Value = serde_json::from_str(&lines(&cofferdam, "\"/none\"")[0]).unwrap();
    assert_eq!((&line["protocol"], &line["host"]), (&"HTTP/2.0".into(), &"two.example".into()));
}

#[test]
fn the_operator_chooses_what_is_a_secret() {
    let cofferdam = Cofferdam::start(
        "[log.access]\nformat = \"text\"\nredact = [\"Card\"]\n[[routes]]\nprefix = \"/\"\nrespond = { body = \"pong\" }\n",
    );
    cofferdam.get("/x?card=1234&token=t");
    eventually!(lines(&cofferdam, " GET "), |lines| lines.len() == 1);
    let line = &lines(&cofferdam, " GET ")[0];
    assert!(line.contains(" 127.0.0.1 GET /x?card=[redacted]&token=t 200 root - "), "{line}");
    assert!(line.contains(" 4B "), "{line}");
}

/// Bytes with which a client would end its line, or a field of it, and begin another.
#[test]
fn a_client_forges_no_line() {
    for format in ["text", "json", "combined"] {
        let cofferdam = Cofferdam::start(&format!(
            "[log.access]\nformat = \"{format}\"\n[[routes]]\nprefix = \"/\"\nrespond = {{}}\n"
        ));
        let targets = [
            "/a?\"%20200%205%20\"-\"%20\"x\"",
            "/b?x=%0aforged%20-%20-%20[",
            "/c?\\\"\\",
            "/d?{\"forged\":1}",
            "/e?\u{e9}\u{85}\u{2028}",
        ];
        let agents: [&[u8]; 4] =
            [b"a\" \"b", b"\\", b"\xff\xfe\x80\x9b31m", b"x\tforged - - [\"GET / HTTP/1.1\" 200 0"];
        for (place, target) in targets.iter().enumerate() {
            let mut request =
                format!("GET {target} HTTP/1.1\r\nhost: h\r\nuser-agent: ").into_bytes();
            request.extend_from_slice(agents[place % agents.len()]);
            request.extend_from_slice(b"\r\nreferer: \"\\\x9b\r\nconnection: close\r\n\r\n");
            let mut connection = Connection::open(cofferdam.addr()).unwrap();
            connection.send(&request).unwrap();
            connection.rest().unwrap();
        }
        cofferdam.get("/last");
        eventually!(lines(&cofferdam, "/last"), |lines| lines.len() == 1);
        let written: Vec<_> =
            lines(&cofferdam, "GET").into_iter().filter(|l| !l.contains("/last")).collect();
        assert!(!written.is_empty() && written.len() <= targets.len(), "{format}: {written:#?}");
        for line in &written {
            assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{format}: {line:?}");
            let is_well_formed = match format {
                "json" => {
                    serde_json::from_str::<Value>(line).is_ok_and(|line| line["method"] == "GET")
                }
                "combined" => {
                    let parts = parsed(line).unwrap_or_else(|| panic!("{line}"));
                    line.is_ascii() && parts[0] == "127.0.0.1" && parts[2].ends_with(" HTTP/1.1")
                }
                _ => line.contains(" 127.0.0.1 GET /"),
            };
            assert!(is_well_formed, "{format}: {line}");
        }
    }
}

fn file_config(file: &Path) -> String {
    format!(
        "[log.access]\nformat = \"combined\"\nfile = \"{}\"\n[[routes]]\nprefix = \"/\"\nrespond = {{ body = \"pong\" }}\n",
        file.display()
    )
}

#[test]
fn a_file_is_opened_anew_when_it_was_moved_away() {
    let folder = tempfile::tempdir().unwrap();
    let (file, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let mut cofferdam = Cofferdam::start(&file_config(&file));
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
    cofferdam.get("/one");
    eventually!(text(&file), |text| text.contains("/one"));
    fs::rename(&file, &moved).unwrap();
    cofferdam.get("/two");
    eventually!(text(&moved), |text| text.contains("/two"));
    cofferdam.signal(Signal::USR1);
    eventually!(file.exists(), |exists| *exists);
    cofferdam.get("/three");
    eventually!(text(&file), |text| text.contains("/three"));
    assert!(!text(&moved).contains("/three") && !text(&file).contains("/two"));
    assert!(lines(&cofferdam, "/three").is_empty(), "it stands on standard error too");
    for number in 0..200 {
        cofferdam.get(&format!("/many/{number}"));
    }
    cofferdam.signal(Signal::TERM);
    assert_eq!(cofferdam.wait(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(text(&file).matches("/many/").count(), 200, "the end lost lines");
}

#[test]
fn the_signal_ends_nothing_where_there_is_no_file() {
    let cofferdam = Cofferdam::start("[[routes]]\npath = \"/\"\nrespond = { body = \"pong\" }\n");
    cofferdam.signal(Signal::USR1);
    for _ in 0..5 {
        assert_eq!(cofferdam.get("/").text(), "pong");
    }
}

#[test]
fn a_file_that_cannot_be_opened_stops_the_start() {
    let file = crate::support::program::File::of(
        "listen = \"127.0.0.1:0\"\n[admin]\naddress = \"off\"\n[log.access]\nformat = \"json\"\nfile = \"/nowhere/access.log\"\n",
    );
    let ended = file.run("run", &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("[log.access] /nowhere/access.log: No such file"), "{ended:?}");
}

/// A FIFO that is open and never read: as a disk that stands still.
#[test]
fn a_file_that_takes_nothing_costs_lines_and_no_request() {
    let _alone = quiet::alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    // Opened for both, so that neither open waits.
    let _never_read = fs::OpenOptions::new().read(true).write(true).open(&file).unwrap();
    let cofferdam = Cofferdam::start(&file_config(&file));
    let dropped = || cofferdam.metric("cofferdam_log_lines_dropped_total", &[]);
    let mut connection = Connection::open(cofferdam.addr()).unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..40 {
        for _ in 0..250 {
            let answer = connection.request("GET", "/", &[], b"").unwrap();
            assert_eq!(answer.text(), "pong");
            slowest = slowest.max(answer.elapsed);
        }
        if dropped() > 0.0 {
            break;
        }
    }
    assert!(dropped() > 0.0, "nothing was dropped");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
