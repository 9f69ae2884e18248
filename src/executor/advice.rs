//! What an operator should know of functions before they run: what a mode endangers, and what it asks of a function that
//! nobody promises.

use std::thread::available_parallelism;

use crate::config::Function;
use crate::config::function::Mode;
use crate::executor::life;
use crate::ffi::traits::Traits;
use crate::telemetry::log::counted;
use crate::wire::Life;

/// Of a function that has these traits.
#[must_use]
pub fn advice(function: &Function, traits: Traits) -> Vec<String> {
    let place = format!("function `{}` has mode = \"{}\"", function.name, function.mode.word());
    let mut advice = Vec::new();
    if !function.mode.is_isolated() {
        advice.push(format!(
            "{place}: its library runs in the proxy itself, without any sandbox, and a crash, an exit or a leak of it is \
             the proxy's; mode = \"pool\" is nearly as fast and ends alone"
        ));
    }
    if life(function.mode) == Life::Many && !traits.has(Traits::REUSABLE) {
        advice.push(format!(
            "{place}, and nobody says that one process may call it again and again: what a call leaves behind \
             (memory, globals, descriptors) the next call finds; if that is fine, {}",
            declare(function, "reusable", "COF_REUSABLE")
        ));
    }
    if function.retry > 0 && function.mode.is_isolated() && !traits.has(Traits::IDEMPOTENT) {
        advice.push(format!(
            "function `{}` has `retry`, and nobody says that a call of it may run twice: none does; if it may, {}",
            function.name,
            declare(function, "idempotent", "COF_IDEMPOTENT")
        ));
    }
    if !function.mode.is_isolated() && !traits.overlap() && function.max_concurrency > 1 {
        advice.push(format!(
            "{place} and max_concurrency = {}, and nobody says that it may be called again before it has returned: its \
             calls run one at a time; if it may, {}",
            function.max_concurrency,
            declare(function, "reentrant", "COF_REENTRANT")
        ));
    }
    if traits.has(Traits::CPU_BOUND) {
        let cores = available_parallelism().map_or(1, usize::from);
        advice.extend(of_cpu_bound(function, &place, cores));
    }
    advice
}

/// More calls at once than cores make each slower, and the event loops wait with them.
fn of_cpu_bound(function: &Function, place: &str, cores: usize) -> Option<String> {
    if function.mode == Mode::Inline {
        return Some(format!(
            "{place} and computes: while it does, every other request on its event loop waits; mode = \"pool\" or \
             \"thread\" lets them pass"
        ));
    }
    (function.max_concurrency > cores).then(|| {
        format!(
            "function `{}` computes, and has max_concurrency = {} on {}: more calls at once than cores make each slower, \
             and the proxy with them; write max_concurrency = {cores}",
            function.name,
            function.max_concurrency,
            counted(cores, "core"),
        )
    })
}

/// Of functions that run in the proxy at once, when they are of one library; `functions` have their traits beside them.
#[must_use]
pub fn of_neighbours(functions: &[(&Function, Traits)]) -> Vec<String> {
    let mut advice = Vec::new();
    let mut rest = functions;
    while let [(function, traits), others @ ..] = rest {
        rest = others;
        let meets = |(other, _): &&(&Function, Traits)| {
            other.library == function.library && !other.mode.is_isolated()
        };
        let Some((other, theirs)) = others.iter().find(meets) else { continue };
        if function.mode.is_isolated()
            || traits.has(Traits::THREADSAFE) && theirs.has(Traits::THREADSAFE)
        {
            continue;
        }
        advice.push(format!(
            "functions `{}` and `{}` of {} run in the proxy at once, and nobody says that functions of this library may; \
             if they may, {}",
            function.name,
            other.name,
            function.library.display(),
            declare(function, "threadsafe", "COF_THREADSAFE")
        ));
    }
    advice
}

fn declare(function: &Function, word: &str, bit: &str) -> String {
    format!(
        "declare it by `traits = [\"{word}\"]`, or by {bit} in the library's `{}_traits`",
        function.entry.symbol()
    )
}
