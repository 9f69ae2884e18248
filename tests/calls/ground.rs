//! What the tests of calls share: a configuration by functions, the form of a problem, the calm before and after.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::support::clib::library;
use crate::support::http::Response;
use crate::support::load::meanwhile;
use crate::support::wait::STARTS;
use crate::support::{Cofferdam, http, process};

/// A function of a fixture, and its route `/NAME`. `keys` are of the function; without a `prototype` or `handler`
/// among them it is `int main(void)`. `route` are keys of the route.
pub fn function(name: &str, fixture: &str, keys: &str, route: &str) -> String {
    function_of(name, &library(fixture), keys, route)
}

/// As [`function`], of any library.
pub fn function_of(name: &str, library: &Path, keys: &str, route: &str) -> String {
    let has = |text: &str, key: &str| text.lines().any(|line| line.trim_start().starts_with(key));
    let is_declared = has(keys, "prototype") || has(keys, "handler");
    let main = if is_declared { "" } else { "prototype = \"int main(void)\"\n" };
    let path = if has(route, "path") { String::new() } else { format!("path = \"/{name}\"\n") };
    let library = library.display();
    format!(
        "[functions.{name}]\nlibrary = \"{library}\"\n{main}{keys}\n\n\
         [[routes]]\nname = \"{name}\"\n{path}call = \"{name}\"\n{route}\n\n"
    )
}

/// The program with these functions, without spares but where a function asks for them, and with the fast route
/// `/pong` beside.
#[track_caller]
pub fn start(functions: &[String]) -> Cofferdam {
    start_with("", functions)
}

/// As [`start`], with more sections.
#[track_caller]
pub fn start_with(sections: &str, functions: &[String]) -> Cofferdam {
    let functions = functions.concat();
    Cofferdam::start(&format!(
        "[defaults]\nspares = \"off\"\n\n{sections}\n{functions}\
         [[routes]]\npath = \"/pong\"\nrespond = {{ body = \"pong\\n\" }}\n"
    ))
}

/// `GET path` on a thread of its own.
pub fn ask(cofferdam: &Cofferdam, path: &str) -> JoinHandle<Response> {
    let (addr, path) = (cofferdam.addr(), path.to_owned());
    std::thread::spawn(move || http::get(addr, &path))
}

/// Does `main`; meanwhile a fast route answers, again and again.
#[track_caller]
pub fn beside_a_neighbour<T: Send + 'static>(
    cofferdam: &Cofferdam,
    main: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> T {
    let addr = cofferdam.addr();
    let (result, neighbour) =
        meanwhile(Duration::from_millis(2), move || main(addr), move || http::get(addr, "/pong"));
    for answer in &neighbour {
        assert_eq!((answer.status, answer.text().as_str()), (200, "pong\n"));
        assert!(answer.elapsed < Duration::from_secs(1), "{:?}", answer.elapsed);
    }
    result
}

/// Holds an answer against the form of a problem (RFC 9457, RFC 9209); gives back its `request_id`.
#[track_caller]
pub fn problem(answer: &Response, status: u16, reason: &str) -> String {
    let text = answer.text();
    assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{text}");
    assert!(answer.complete);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let told = answer.header("proxy-status").unwrap();
    assert!(told.starts_with("cofferdam; error="), "{told}");
    assert!(told.ends_with(&format!("; details=\"{reason}\"")), "{told}");
    assert_eq!(answer.header("retry-after").is_some(), status == 503, "{text}");
    let problem = json(answer);
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:cofferdam:problem:{reason}"));
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
    let id = problem["request_id"].as_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    id
}

/// The body as JSON.
#[track_caller]
pub fn json(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}

/// What a problem says in its own words.
#[track_caller]
pub fn detail(answer: &Response) -> String {
    json(answer)["detail"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the log has a line with this request id and this text in it.
#[track_caller]
pub fn logged(cofferdam: &Cofferdam, id: &str, text: &str) {
    let has = |line: &String| line.contains(id) && line.contains(text);
    eventually!(cofferdam.stderr(), |lines| lines.iter().any(has));
}

/// `cofferdam_calls_total` of one outcome.
#[track_caller]
pub fn calls(cofferdam: &Cofferdam, function: &str, outcome: &str) -> f64 {
    let labels = [("function", function), ("outcome", outcome)];
    cofferdam.metric("cofferdam_calls_total", &labels)
}

/// One number of one function; labels left out are summed over.
#[track_caller]
pub fn of(cofferdam: &Cofferdam, metric: &str, function: &str, labels: &[(&str, &str)]) -> f64 {
    let labels = [&[("function", function)], labels].concat();
    cofferdam.metric(&format!("cofferdam_{metric}"), &labels)
}

/// Workers that were started so far, on demand or as spares.
#[track_caller]
pub fn starts(cofferdam: &Cofferdam, function: &str) -> f64 {
    of(cofferdam, "worker_starts_total", function, &[])
}

/// How many descriptors and children the program has when nothing happens.
#[derive(Debug)]
pub struct Calm {
    pid: u32,
    descriptors: usize,
    children: usize,
}

impl Calm {
    /// As it is now: call it before anything happens.
    #[track_caller]
    pub fn of(cofferdam: &Cofferdam) -> Self {
        let pid = cofferdam.pid();
        // Each event loop opens its own share of the listeners, some of them after the program says that it is ready.
        let beats = "cofferdam_event_loop_lag_seconds_count";
        let turns =
            || cofferdam.metrics().matching(beats, &[]).iter().all(|loop_| loop_.value > 0.0);
        eventually!(turns());
        assert_eq!(cofferdam.get("/pong").status, 200);
        Self {
            pid,
            descriptors: process::descriptors(pid).len(),
            children: process::children(pid).len(),
        }
    }

    /// Waits until there is no more than before: no descriptor, no child, no zombie, no slot taken, nobody waiting.
    #[track_caller]
    pub fn returns(&self, cofferdam: &Cofferdam) {
        eventually!(
            (
                process::descriptors(self.pid).len(),
                process::children(self.pid).len(),
                process::zombies(self.pid)
            ),
            |now| now.0 <= self.descriptors && now.1 <= self.children && now.2 == 0
        );
        let gauge = |name: &str, labels: &[(&str, &str)]| cofferdam.metric(name, labels);
        eventually!(
            within STARTS;
            (
                gauge("cofferdam_slots_in_use", &[]),
                gauge("cofferdam_queue_depth", &[]),
                gauge("cofferdam_workers", &[("state", "busy")]),
                gauge("cofferdam_workers", &[("state", "starting")])
            ),
            |now| *now == (0.0, 0.0, 0.0, 0.0)
        );
    }
}
