//! `cofferdam call FILE FUNCTION [ARG=VALUE…]`: one call from the shell, with its accounting.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use crate::app::AppError;
use crate::app::compare::compare;
use crate::app::run::{control_runtime, load, resources};
use crate::call::{Accounting, Answer, AnswerBody, Call, Feed, Outcome, RequestId};
use crate::config::Function;
use crate::config::function::{Bound, Entry, Source};
use crate::executor::{self, Resources};
use crate::ffi::callee::Returned;
use crate::ffi::request::{Input, Request};
use crate::ffi::value::Value;
use crate::handler::arguments::convert;
use crate::sys::clock::monotonic_ns;
use crate::telemetry::Metrics;

/// Runs the function once and prints its result and accounting; or, where it `compares`, many times in each mode.
///
/// # Errors
/// No such function, an argument that does not fit, a call that failed.
pub fn call(
    file: &Path,
    worker: Option<&Path>,
    name: &str,
    arguments: &[String],
    compares: bool,
) -> Result<(), AppError> {
    let config = load(file)?;
    let function = config.functions.iter().find(|function| function.name == name);
    let function = function.ok_or_else(|| unknown(name, &config.functions))?;
    let input = input(function, arguments).map_err(AppError::Usage)?;
    let metrics = Metrics::new().map_err(AppError::runtime)?;
    let resources = resources(&config, metrics, worker)?;
    let runtime = control_runtime()?;
    if compares {
        return runtime.block_on(compare(function, &input, &resources));
    }
    runtime.block_on(run(function, &resources, input))
}

fn unknown(name: &str, functions: &[Arc<Function>]) -> AppError {
    let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    AppError::Usage(format!("there is no function `{name}`: the file has {}", names.join(", ")))
}

async fn run(
    function: &Arc<Function>,
    resources: &Resources,
    input: Input,
) -> Result<(), AppError> {
    let outcome = once(function, resources, input).await?;
    show(function, outcome).await
}

/// One call by an executor of its own.
///
/// # Errors
/// A library that is to run in this program cannot be loaded.
pub async fn once(
    function: &Arc<Function>,
    resources: &Resources,
    input: Input,
) -> Result<Outcome, AppError> {
    let executor = executor::build(function, resources).map_err(AppError::runtime)?;
    let now = monotonic_ns();
    let call = Call {
        id: RequestId::next(),
        trace: None,
        route: "-".into(),
        input,
        feed: Feed::default(),
        arrived_ns: now,
        granted_ns: now,
        deadline_ns: None,
        hold: Arc::new(()),
        kept: None,
        suspect: None,
    };
    let outcome = executor.execute(call).await;
    executor.drain();
    Ok(outcome)
}

async fn show(function: &Function, outcome: Outcome) -> Result<(), AppError> {
    match outcome.map_err(AppError::runtime)? {
        Answer::Returned { returned, accounting } => {
            print_values(function, &returned).map_err(AppError::runtime)?;
            print_accounting(&accounting).map_err(AppError::runtime)
        }
        Answer::Code { code, accounting, .. } => {
            println!("code       {code}");
            print_accounting(&accounting).map_err(AppError::runtime)
        }
        Answer::Streaming { status, headers, body, .. } => {
            print_stream(status, &headers, body).await
        }
        Answer::File { status, headers, file, offset, length, .. } => {
            print_file(status, &headers, file, (offset, length)).map_err(AppError::runtime)
        }
    }
}

fn print_values(function: &Function, returned: &Returned) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "returned   {}", returned.value.to_json())?;
    if let Entry::Function(bound) = &function.entry {
        for (name, output) in bound.outputs.iter().zip(&returned.outputs) {
            writeln!(out, "{name:10} {}", output.to_json())?;
        }
        if returned.errno != 0 {
            let errno = io::Error::from_raw_os_error(returned.errno);
            writeln!(out, "errno      {errno}")?;
        }
        writeln!(out, "success    {}", bound.callee.is_success(returned))?;
        if let Some(message) = &returned.message {
            writeln!(out, "message    {}", Value::Bytes(message.clone()).to_json())?;
        }
    }
    Ok(())
}

fn print_accounting(accounting: &Accounting) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let rows = [
        ("queue", accounting.queue_ns),
        ("start", accounting.start_ns),
        ("cpu_user", accounting.cpu_user_ns),
        ("cpu_system", accounting.cpu_system_ns),
        ("runqueue", accounting.runqueue_ns),
        ("blocked", accounting.blocked_ns),
        ("wall", accounting.wall_ns),
    ];
    rows.iter().try_for_each(|(name, ns)| {
        let share = 100.0 * *ns as f64 / accounting.wall_ns.max(1) as f64;
        writeln!(out, "{name:10} {:12.6} s {share:6.2} %", *ns as f64 / 1e9)
    })
}

async fn print_stream(
    status: u16,
    headers: &[(Vec<u8>, Vec<u8>)],
    mut body: AnswerBody,
) -> Result<(), AppError> {
    print_head(status, headers).map_err(AppError::runtime)?;
    let mut out = io::stdout().lock();
    while let Some(piece) = std::future::poll_fn(|context| body.poll_next(context)).await {
        out.write_all(&piece.map_err(AppError::runtime)?).map_err(AppError::runtime)?;
    }
    Ok(())
}

fn print_file(
    status: u16,
    headers: &[(Vec<u8>, Vec<u8>)],
    file: OwnedFd,
    (offset, length): (u64, u64),
) -> io::Result<()> {
    print_head(status, headers)?;
    let mut file = File::from(file);
    file.seek(SeekFrom::Start(offset))?;
    io::copy(&mut file.take(length), &mut io::stdout().lock())?;
    Ok(())
}

fn print_head(status: u16, headers: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let text = |bytes| String::from_utf8_lossy(bytes);
    writeln!(out, "status     {status}")?;
    headers.iter().try_for_each(|(name, value)| writeln!(out, "{}: {}", text(name), text(value)))
}

/// What the function is given, from `ARG=VALUE` words.
fn input(function: &Function, words: &[String]) -> Result<Input, String> {
    let given = given(words)?;
    match &function.entry {
        Entry::Function(bound) => values(bound, given).map(Input::Values),
        Entry::Handler { .. } => request(given, None).map(Input::Request),
    }
}

/// Names and values of `ARG=VALUE` words.
///
/// # Errors
/// Another word; a file that cannot be read.
pub fn given(words: &[String]) -> Result<Vec<(&str, Vec<u8>)>, String> {
    let mut given = Vec::new();
    for word in words {
        let (name, value) =
            word.split_once('=').ok_or_else(|| format!("`{word}` is not ARG=VALUE"))?;
        given.push((name, read_value(value)?));
    }
    Ok(given)
}

fn read_value(value: &str) -> Result<Vec<u8>, String> {
    match value.strip_prefix('@') {
        Some(path) => std::fs::read(path).map_err(|problem| format!("{path}: {problem}")),
        None => Ok(value.as_bytes().to_vec()),
    }
}

/// What a function is given, by the names of its parameters.
///
/// # Errors
/// One that is missing, does not fit, or is no parameter.
pub fn values(bound: &Bound, mut given: Vec<(&str, Vec<u8>)>) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    for input in &bound.inputs {
        let place = given.iter().position(|(name, _)| *name == input.parameter);
        let found = place.map(|place| given.swap_remove(place).1);
        let name = &input.parameter;
        values.push(match (found, &input.source, &input.default) {
            (Some(bytes), ..) => {
                let value = convert(bytes.into(), input.target);
                let value = value.and_then(|value| input.bounds.hold(&value).map(|()| value));
                value.map_err(|problem| format!("{name}: {problem}"))?
            }
            (None, Source::RequestId, _) => {
                Value::Bytes(RequestId::next().to_string().into_bytes())
            }
            (None, Source::Constant(value), _) | (None, _, Some(value)) => value.clone(),
            (None, _, None) => return Err(format!("`{name}` is missing: add {name}=VALUE")),
        });
    }
    match given.first() {
        Some((name, _)) => Err(format!("`{name}` is no parameter of `{}`", bound.prototype)),
        None => Ok(values),
    }
}

/// What a handler is given; all else is as it `was`.
///
/// # Errors
/// A name that a request does not have.
pub fn request(given: Vec<(&str, Vec<u8>)>, was: Option<Request>) -> Result<Request, String> {
    let plain = || Request { method: "GET".to_owned(), path: "/".to_owned(), ..Request::default() };
    let mut request = Request { id: RequestId::next().to_string(), ..was.unwrap_or_else(plain) };
    for (name, value) in given {
        let text = String::from_utf8_lossy(&value).into_owned();
        match name {
            "method" => request.method = text,
            "path" => request.path = text,
            "query" => request.query = text,
            "body" => request.body = value,
            other => {
                return Err(format!(
                    "`{other}` is not understood: a handler takes method, path, query, body"
                ));
            }
        }
    }
    Ok(request)
}
