//! What holds of every fault: one answer or an aborted stream, one outcome counted, the reason and the last words in the log
//! under the request's id, nobody else held up, nothing left.

use std::time::Duration;

use crate::calls::ground::{Calm, detail, function, logged, problem, start_with};
use crate::support::http::Response;
use crate::support::load::{Times, meanwhile};
use crate::support::metrics::Scrape;
use crate::support::wait::STARTS;
use crate::support::{Cofferdam, http};

/// The isolated modes: a name, and the keys of a function that make it run so.
pub const MODES: [(&str, &str); 4] = [
    ("process", ""),
    ("fork", "spawn = \"fork\""),
    ("pool", "mode = \"pool\"\nspares = 1"),
    ("forked pool", "mode = \"pool\"\nspawn = \"fork\"\nspares = 1"),
];

/// Those in which a process serves one call: what a call leaves in it, or in its process group, goes with the call.
pub const ONE_SHOT: [(&str, &str); 2] = [MODES[0], MODES[1]];

/// The keys of a mode, with so many spares.
pub fn with_spares(keys: &str, count: usize) -> String {
    format!("{}\nspares = {count}", keys.replace("\nspares = 1", ""))
}

/// Beside a fault, in a debug build, on a machine that runs other tests.
const NEIGHBOUR_P99: Duration = Duration::from_millis(500);
/// A fault that is seen at once is answered within this, on such a machine.
pub const AT_ONCE: Duration = Duration::from_secs(2);

/// How a fault shows.
#[derive(Clone, Copy, Debug)]
pub struct Shows {
    /// The status of the answer.
    pub status: u16,
    /// The outcome of the call; of a refusal also the reason.
    pub outcome: &'static str,
    /// Within the detail of the problem, or the body of another answer.
    pub told: &'static str,
    /// Longer than this the answer does not take.
    pub within: Duration,
}

/// A 502 with this reason, at once.
pub fn refused(outcome: &'static str, told: &'static str) -> Shows {
    Shows { status: 502, outcome, told, within: AT_ONCE }
}

/// A 504 of a function whose limit is `limit`.
pub fn late(limit: Duration) -> Shows {
    Shows { status: 504, outcome: "timeout", told: "", within: limit + AT_ONCE }
}

/// A 200 with this body, at once.
pub fn fine(told: &'static str) -> Shows {
    Shows { status: 200, outcome: "ok", told, within: AT_ONCE }
}

/// The program, with functions in one of [`MODES`].
pub struct Stage {
    /// It runs.
    pub cofferdam: Cofferdam,
    mode: &'static str,
    calm: Calm,
}

/// `int NAME(void)` of a fixture and its route `/NAME`; `keys` of the function may declare it otherwise.
pub fn fault(fixture: &str, name: &str, keys: &str) -> String {
    let is_declared =
        keys.lines().any(|key| key.starts_with("prototype") || key.starts_with("handler"));
    let main =
        if is_declared { String::new() } else { format!("prototype = \"int {name}(void)\"\n") };
    function(name, fixture, &format!("{main}{keys}"), "")
}

/// Does `body` in each mode; `functions` gets the keys that make it so.
#[track_caller]
pub fn in_each_mode(functions: impl Fn(&str) -> Vec<String>, body: impl Fn(&Stage)) {
    in_each_of(&MODES, functions, body);
}

/// As [`in_each_mode`], in some of them.
#[track_caller]
pub fn in_each_of(
    modes: &[(&'static str, &str)],
    functions: impl Fn(&str) -> Vec<String>,
    body: impl Fn(&Stage),
) {
    for &(mode, keys) in modes {
        let stage = Stage::new(mode, "", &functions(keys));
        body(&stage);
        stage.ends_well();
    }
}

impl Stage {
    /// With these functions; `sections` of the configuration beside.
    #[track_caller]
    pub fn new(mode: &'static str, sections: &str, functions: &[String]) -> Self {
        let cofferdam = start_with(sections, functions);
        let text = functions.concat();
        let wanted = |key: &str| text.lines().filter(|line| *line == key).count() as f64;
        let there = |state| cofferdam.metric("cofferdam_workers", &[("state", state)]);
        eventually!(within STARTS; (there("starting"), there("template")), |now| {
            *now == (0.0, wanted("spawn = \"fork\""))
        });
        let pooled = if text.contains("spares = 1") { wanted("mode = \"pool\"") } else { 0.0 };
        eventually!(there("idle"), |count| *count >= pooled);
        let calm = Calm::of(&cofferdam);
        Self { cofferdam, mode, calm }
    }

    /// Calls `/NAME` beside a neighbour, and holds what came against `shows` and against what holds of any fault. What the
    /// library wrote last, `last words of NAME`, is in the log where it wrote that.
    #[track_caller]
    pub fn call(&self, name: &str, shows: Shows) -> Response {
        let before = self.cofferdam.metrics();
        let (answer, times) = self.beside_a_neighbour(&format!("/{name}"));
        let what = format!("{name}, mode {}: {} {}", self.mode, answer.status, answer.text());
        println!("{what} after {:?}, its neighbours' p99 {:?}", answer.elapsed, times.p99());
        assert!(times.p99() < NEIGHBOUR_P99, "{what}: neighbours {times:?}");
        assert!(answer.complete && answer.status == shows.status, "{what}");
        assert!(answer.elapsed < shows.within, "{what}: after {:?}", answer.elapsed);
        self.calm.returns(&self.cofferdam);
        self.counts(&before, name, shows.outcome, &what);
        if shows.status == 200 {
            assert!(answer.text().contains(shows.told), "{what}");
        } else {
            self.tells(&answer, name, shows);
        }
        answer
    }

    /// Reads the answer to its end or to where it breaks; meanwhile a fast route answers, again and again.
    pub fn beside_a_neighbour(&self, path: &str) -> (Response, Times) {
        let (addr, path) = (self.cofferdam.addr(), path.to_owned());
        let main = move || http::get(addr, &path);
        let (answer, neighbours) =
            meanwhile(Duration::from_millis(1), main, || http::get(addr, "/pong"));
        let after = http::get(self.cofferdam.addr(), "/pong");
        let neighbours = [neighbours, vec![after]].concat();
        assert!(neighbours.iter().all(|answer| answer.text() == "pong\n"));
        (answer, Times::of(neighbours.iter().map(|answer| answer.elapsed)))
    }

    #[track_caller]
    fn tells(&self, answer: &Response, name: &str, shows: Shows) {
        let id = problem(answer, shows.status, shows.outcome);
        let told = detail(answer);
        assert!(told.contains(shows.told), "{name}: {told:?} without {:?}", shows.told);
        logged(&self.cofferdam, &id, &format!("\"reason\":\"{}\"", shows.outcome));
        logged(&self.cofferdam, &id, &format!("last words of {name}"));
    }

    /// A streamed answer that breaks after `begun`: aborted, counted once, told in the log.
    #[track_caller]
    pub fn breaks(&self, name: &str, begun: &str, outcome: &'static str) {
        let before = self.cofferdam.metrics();
        let (answer, _) = self.beside_a_neighbour(&format!("/{name}"));
        let what = format!("{name}, mode {}: {} {}", self.mode, answer.status, answer.text());
        assert!(answer.status == 200 && !answer.complete, "{what}");
        assert!(answer.text().starts_with(begun), "{what}");
        self.calm.returns(&self.cofferdam);
        self.counts(&before, name, outcome, &what);
        let aborted = "cofferdam_http_requests_aborted_total";
        let labels = [("route", name), ("stage", "response")];
        let grown = self.cofferdam.metric(aborted, &labels) - before.metric(aborted, &labels);
        assert_eq!(grown, 1.0, "{what}");
    }

    /// One call of `name` ended by `outcome` since `before`, and nothing else did.
    #[track_caller]
    fn counts(&self, before: &Scrape, name: &str, outcome: &str, what: &str) {
        let wanted = vec![(name.to_owned(), outcome.to_owned(), 1.0)];
        eventually!(grown(before, &self.cofferdam.metrics()), |grown| *grown == wanted);
        assert_eq!(grown(before, &self.cofferdam.metrics()), wanted, "{what}");
    }

    /// Waits until nothing is left.
    #[track_caller]
    pub fn settles(&self) {
        self.calm.returns(&self.cofferdam);
    }

    /// Nothing is left, and it ends when it is told to.
    #[track_caller]
    pub fn ends_well(self) {
        self.settles();
        assert!(self.cofferdam.stop().success());
    }
}

/// The outcomes of calls that were counted between two looks, by function.
fn grown(before: &Scrape, after: &Scrape) -> Vec<(String, String, f64)> {
    let calls = |sample: &&crate::support::metrics::Sample| sample.name == "cofferdam_calls_total";
    let grown = |sample: &crate::support::metrics::Sample| {
        let (function, outcome) = (&sample.labels["function"], &sample.labels["outcome"]);
        let labels = [("function", function.as_str()), ("outcome", outcome.as_str())];
        let more = sample.value - before.metric(&sample.name, &labels);
        (more != 0.0).then(|| (function.clone(), outcome.clone(), more))
    };
    after.samples.iter().filter(calls).filter_map(grown).collect()
}
