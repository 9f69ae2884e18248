//! `cofferdam call FILE FUNCTION --compare`: one function in each mode, side by side, and which one to take. Modes that run it
//! in this program come last, and only where it did no harm in the others.

use std::future::poll_fn;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::app::AppError;
use crate::app::demo::spread::Spread;
use crate::call::{Accounting, Answer, Call, Feed, Outcome, RequestId};
use crate::child::meters::CallOutcome;
use crate::child::run::verdict::of_outcome;
use crate::config::Function;
use crate::config::function::{Mode, Recycle, Spawn};
use crate::executor::{self, Executor, Resources};
use crate::ffi::request::Input;
use crate::sys::clock::{monotonic_ns, process_cpu_ns};
use crate::sys::process::has_children;
use crate::telemetry::Metrics;

/// Of each mode, at most: calls, and time for all of them.
const CALLS: usize = 200;
const TIME: Duration = Duration::from_secs(3);
/// Between two calls: for the spare that takes the place of one that was used.
const PAUSE: Duration = Duration::from_millis(5);
/// To reap the workers of a mode.
const REAPED: Duration = Duration::from_secs(2);
/// A call on the event loop must not take longer.
const INLINE: Duration = Duration::from_millis(1);

/// A way to run it: how it is written, how it is isolated.
struct Way {
    name: &'static str,
    isolation: &'static str,
    mode: Mode,
    spawn: Spawn,
}

const PROCESS: &str = "a process for each call";
const WAYS: [Way; 5] = [
    Way { name: "process", isolation: PROCESS, mode: Mode::Process, spawn: Spawn::Exec },
    Way { name: "process, fork", isolation: PROCESS, mode: Mode::Process, spawn: Spawn::Fork },
    Way {
        name: "pool",
        isolation: "a process for many calls",
        mode: Mode::Pool(Recycle::DEFAULT),
        spawn: Spawn::Exec,
    },
    Way { name: "thread", isolation: "none", mode: Mode::Thread, spawn: Spawn::Exec },
    Way { name: "inline", isolation: "none", mode: Mode::Inline, spawn: Spawn::Exec },
];

/// What came of one way.
#[derive(Clone, Debug)]
struct Row {
    spread: Spread,
    /// Of one call, of all processes.
    cpu: Duration,
    /// The median time inside the function; `None`: it streams.
    inside: Option<Duration>,
    /// Calls that did not end with an answer of their own.
    harm: usize,
}

/// Runs `function` with `input` in each mode and prints what it cost.
///
/// # Errors
/// Standard output.
pub async fn compare(
    function: &Function,
    input: &Input,
    resources: &Resources,
) -> Result<(), AppError> {
    print(&format!(
        "{:14} {:24} {:>9} {:>9} {:>12}",
        "mode", "isolation", "p50, ms", "p99, ms", "CPU/call, ms"
    ))?;
    let mut rows = Vec::new();
    for way in WAYS {
        let row = match too_risky(&way, &rows).or(impossible(&way, function)) {
            Some(why) => Err(why),
            None => measure(&way, function, input, resources).await,
        };
        print(&line(&way, &row))?;
        rows.push(row.ok());
    }
    print(&format!("\n{}", recommendation(&rows)))
}

fn print(text: &str) -> Result<(), AppError> {
    writeln!(io::stdout(), "{text}").map_err(AppError::runtime)
}

fn line(way: &Way, row: &Result<Row, String>) -> String {
    let head = format!("{:14} {:24}", way.name, way.isolation);
    match row {
        Ok(Row { spread, cpu, harm, .. }) => {
            let [p50, p99] = [50.0, 99.0].map(|percent| ms(spread.percentile(percent)));
            let harm = match harm {
                0 => String::new(),
                harm => format!(
                    "   {harm} of {} crashed, were cut or broke the protocol",
                    spread.count()
                ),
            };
            format!("{head} {p50:>9.3} {p99:>9.3} {:>12.3}{harm}", ms(*cpu))
        }
        Err(why) => format!("{head} not run: {why}"),
    }
}

/// Why a way does not go with the function.
fn impossible(way: &Way, function: &Function) -> Option<String> {
    let has_group = function.sandbox.memory.or(function.sandbox.pids).is_some();
    (way.spawn == Spawn::Fork && has_group)
        .then(|| "its sandbox limits memory or processes by a control group".to_owned())
}

/// Why a way would endanger this program.
fn too_risky(way: &Way, rows: &[Option<Row>]) -> Option<String> {
    if way.mode.is_isolated() {
        return None;
    }
    let Some(Some(process)) = rows.first() else {
        return Some("it does not run in a process of its own".into());
    };
    if process.harm > 0 {
        return Some("it would end this program, and there the proxy".into());
    }
    let inside = process.inside.unwrap_or(process.spread.percentile(50.0));
    let holds = way.mode == Mode::Inline && inside > INLINE;
    holds.then(|| format!("a call of {:.1} ms would hold an event loop", ms(inside)))
}

async fn measure(
    way: &Way,
    function: &Function,
    input: &Input,
    resources: &Resources,
) -> Result<Row, String> {
    let (mode, spawn) = (way.mode, way.spawn);
    let function = Arc::new(Function { mode, spawn, spares: 4, ..function.clone() });
    let metrics = Metrics::new().map_err(|problem| problem.to_string())?;
    let resources = Resources { metrics: metrics.clone(), ..resources.clone() };
    let executor = executor::build(&function, &resources).map_err(|problem| problem.to_string())?;
    // The start of whatever is started ahead is no call's.
    once(&*executor, &function, input).await;
    sleep(PAUSE * 10).await;
    let (before, starts_before) = (process_cpu_ns(), starts(&metrics, &function.name));
    let calls = calls(&*executor, &function, input).await;
    executor.drain();
    drop(executor);
    let begun = Instant::now();
    while has_children() && begun.elapsed() < REAPED {
        sleep(PAUSE).await;
    }
    let started = starts(&metrics, &function.name) - starts_before;
    let cpu = Duration::from_nanos(process_cpu_ns() - before);
    row(&calls, cpu, started as usize).ok_or_else(|| "no call".to_owned())
}

/// Workers that were started for calls.
fn starts(metrics: &Metrics, name: &str) -> u64 {
    let of = |kind| metrics.worker_starts.with_label_values(&[name, kind]).get();
    of("demand") + of("spare")
}

/// One call: how long it took, what it is called, where its time went.
type Called = (Duration, CallOutcome, Option<Accounting>);

async fn calls(executor: &dyn Executor, function: &Function, input: &Input) -> Vec<Called> {
    let begun = Instant::now();
    let mut calls = Vec::new();
    while calls.len() < CALLS && begun.elapsed() < TIME {
        calls.push(once(executor, function, input).await);
        sleep(PAUSE).await;
    }
    calls
}

async fn once(executor: &dyn Executor, function: &Function, input: &Input) -> Called {
    let now = monotonic_ns();
    let call = Call {
        id: RequestId::next(),
        trace: None,
        route: "-".into(),
        input: input.clone(),
        feed: Feed::default(),
        arrived_ns: now,
        granted_ns: now,
        deadline_ns: None,
        hold: Arc::new(()),
        kept: None,
        suspect: None,
    };
    let begun = Instant::now();
    let outcome = executor.execute(call).await;
    let word = of_outcome(function, &outcome);
    let accounting = whole(outcome).await;
    (begun.elapsed(), word, accounting)
}

/// Reads an answer to its end.
async fn whole(outcome: Outcome) -> Option<Accounting> {
    match outcome.ok()? {
        Answer::Returned { accounting, .. }
        | Answer::File { accounting, .. }
        | Answer::Code { accounting, .. } => Some(accounting),
        Answer::Streaming { mut body, .. } => {
            while poll_fn(|context| body.poll_next(context)).await.is_some() {}
            None
        }
    }
}

fn row(calls: &[Called], cpu: Duration, started: usize) -> Option<Row> {
    let spread = Spread::of(calls.iter().map(|(took, ..)| *took).collect())?;
    let own = |(.., accounting): &Called| {
        let accounting = accounting.as_ref()?;
        let outside = accounting.queue_ns + accounting.start_ns;
        Some(Duration::from_nanos(accounting.wall_ns - outside))
    };
    let inside = Spread::of(calls.iter().filter_map(own).collect());
    let harmless = |word: &CallOutcome| matches!(word, CallOutcome::Ok | CallOutcome::Failed);
    Some(Row {
        cpu: cpu / u32::try_from(calls.len().max(started)).unwrap_or(1),
        inside: inside.map(|inside| inside.percentile(50.0)),
        harm: calls.iter().filter(|(_, word, _)| !harmless(word)).count(),
        spread,
    })
}

/// In one sentence, from what was measured in the order of [`WAYS`].
fn recommendation(rows: &[Option<Row>]) -> String {
    let row = |place: usize| rows.get(place).and_then(Option::as_ref);
    let Some(process) = row(0) else {
        return "Take none: the function does not run in a process of its own.".into();
    };
    if process.harm > 0 {
        return "Take mode = \"process\" (the default): calls of this function crash, hang or break the protocol, and there each \
                of them costs its own request only."
            .into();
    }
    let inside = process.inside.unwrap_or(process.spread.percentile(50.0));
    let fork = row(1).filter(|fork| fork.harm == 0 && fork.cpu * 10 < process.cpu * 8);
    let mut text = match fork {
        _ if inside > process.cpu * 10 => format!(
            "Take mode = \"process\" (the default): a call takes {:.1} ms, of which its process is a small part.",
            ms(inside)
        ),
        Some(fork) => format!(
            "Take mode = \"process\" with spawn = \"fork\": each call has a process that no other has had, for {:.2} ms of CPU instead of {:.2}.",
            ms(fork.cpu),
            ms(process.cpu)
        ),
        None => "Take mode = \"process\" (the default): a fork is no cheaper here.".into(),
    };
    let pool = row(2).filter(|pool| pool.harm == 0 && pool.cpu * 2 < process.cpu);
    if let Some(pool) = pool {
        text += &format!(
            " Where the library may be called again in one process, mode = \"pool\" takes {:.3} ms of CPU.",
            ms(pool.cpu)
        );
    }
    text
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(cpu_us: u64, inside_us: u64, harm: usize) -> Option<Row> {
        let inside = Duration::from_micros(inside_us);
        let spread = Spread::of(vec![inside; 10]).unwrap();
        Some(Row { spread, cpu: Duration::from_micros(cpu_us), inside: Some(inside), harm })
    }

    #[test]
    fn what_is_recommended_follows_from_what_was_measured() {
        let cases = [
            (vec![None, None, None], "Take none"),
            (vec![took(900, 5, 3), took(300, 5, 0), took(20, 5, 0)], "costs its own request only"),
            (vec![took(900, 50_000, 0), took(300, 50_000, 0), None], "a small part"),
            (vec![took(900, 5, 0), took(300, 5, 0), took(20, 5, 0)], "spawn = \"fork\""),
            (vec![took(900, 5, 0), took(300, 5, 0), took(20, 5, 0)], "takes 0.020 ms"),
            (vec![took(900, 5, 0), took(850, 5, 0), took(800, 5, 0)], "no cheaper"),
            (vec![took(900, 5, 0), None, None], "no cheaper"),
        ];
        for (rows, expected) in cases {
            let text = recommendation(&rows);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn what_does_harm_or_takes_long_does_not_run_in_this_program() {
        let [.., thread, inline] = &WAYS;
        assert!(too_risky(&WAYS[2], &[took(9, 5, 3)]).is_none(), "isolated");
        assert!(too_risky(thread, &[took(9, 5, 3)]).is_some());
        assert!(too_risky(thread, &[None]).is_some());
        assert!(too_risky(thread, &[took(9, 5_000, 0)]).is_none());
        assert!(too_risky(inline, &[took(9, 5_000, 0)]).unwrap().contains("5.0 ms"));
        assert!(too_risky(inline, &[took(9, 5, 0)]).is_none());
    }
}
