//! What an operator asks of routes besides an answer: names, paths, headers, redirects, files, compression, limits, logs.

mod compress;
mod files;
mod headers;
mod log;
mod names;
mod paths;
mod rate;
mod redirects;

use crate::support::{Answer, Cofferdam, Upstream};

/// A proxy with one route to a recording upstream that answers everything; `{}` in these lines is its URL.
fn stage(lines: &str) -> (Upstream, Cofferdam) {
    answering(Answer::ok("up"), lines)
}

/// As [`stage`], with this answer.
fn answering(answer: Answer, lines: &str) -> (Upstream, Cofferdam) {
    let upstream = Upstream::builder().fallback(answer).start();
    let cofferdam = Cofferdam::start(&lines.replace("{}", &upstream.url()));
    (upstream, cofferdam)
}
