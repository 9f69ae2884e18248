//! The call under gdb: gdb starts the worker, and this program plays the proxy to it. On a terminal gdb is the user's; else
//! it runs the call and prints where it stopped.

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustix::io::{FdFlags, fcntl_setfd};

use super::quoted;
use crate::app::AppError;
use crate::app::run::control_runtime;
use crate::child::WorkerProgram;
use crate::config::Function;
use crate::executor::{Resources, spec};
use crate::ffi::request::Input;
use crate::sys::sockets::wide_pair;
use crate::wire::codec::{HEADER, decode_to_worker, encode_to_worker};
use crate::wire::{CallFrame, Hello, ToWorker};

/// Runs it, until gdb ends.
///
/// # Errors
/// No gdb; it failed.
pub(super) fn run(
    function: &Arc<Function>,
    resources: &Resources,
    input: Input,
    worker: Option<&Path>,
) -> Result<(), AppError> {
    let program = WorkerProgram::locate(worker).map_err(AppError::runtime)?;
    let worker = std::fs::read_link(program.path()).map_err(AppError::runtime)?;
    let (hello, environment) = greeting(function, resources)?;
    let (ours, theirs) = wide_pair().map_err(AppError::runtime)?;
    // It is to pass through gdb into the worker.
    fcntl_setfd(&theirs, FdFlags::empty()).map_err(AppError::runtime)?;
    let mut command = command(&worker, &environment, theirs.as_raw_fd());
    let started = command.spawn();
    drop(theirs);
    let mut gdb = started.map_err(|problem| {
        AppError::Runtime(format!("gdb cannot be started: {problem}: install it (Debian: gdb)"))
    })?;
    let call = CallFrame { id: 1, time_left_ms: u64::MAX, input };
    // Its parent is gdb.
    play(ours, Hello { parent: gdb.id(), ..hello }, call).map_err(AppError::runtime)?;
    match gdb.wait().map_err(AppError::runtime)? {
        status if status.success() => Ok(()),
        status => Err(AppError::Runtime(format!("gdb ended with {status}"))),
    }
}

/// As a worker of the proxy is greeted; but it joins no control group, which nobody would take away.
fn greeting(
    function: &Arc<Function>,
    resources: &Resources,
) -> Result<(Hello, Vec<(OsString, OsString)>), AppError> {
    let runtime = control_runtime()?;
    let _here = runtime.enter();
    let spec = spec(function, resources);
    let hello = spec.hello.get(HEADER..).map(decode_to_worker);
    let Some(Ok(ToWorker::Hello(mut hello))) = hello else {
        return Err(AppError::Runtime("a greeting that is none".to_owned()));
    };
    hello.confinement.groups.clear();
    Ok((hello, spec.launch.environment.clone()))
}

fn command(worker: &Path, environment: &[(OsString, OsString)], socket: i32) -> Command {
    let is_batch = !(stdin().is_terminal() && stdout().is_terminal());
    let variables = environment.iter().map(|(name, value)| {
        let pair = format!("{}={}", name.display(), value.display());
        quoted(pair.as_ref())
    });
    let variables: Vec<String> = variables.collect();
    let wrapper = format!("set exec-wrapper env -i {}", variables.join(" "));
    let mut command = Command::new("gdb");
    command.arg("-q").args(["-ex", &wrapper]).args(["-ex", "set startup-with-shell on"]);
    if is_batch {
        let run = format!("run 0<&{socket}");
        command.args(["-nx", "-batch", "-ex", &run, "-ex", "bt"]).stdin(Stdio::null());
    } else {
        let arguments = format!("set args 0<&{socket}");
        let told = r#"echo The call waits: set breakpoints (set breakpoint pending on), then type run. It can be run once.\n"#;
        command.args(["-ex", &arguments, "-ex", told]);
    }
    command.arg(worker);
    command
}

/// Says all that a proxy says, and reads what it is told, which nobody asks for.
fn play(socket: UnixStream, hello: Hello, call: CallFrame) -> std::io::Result<()> {
    let mut frames = Vec::new();
    encode_to_worker(&ToWorker::Hello(hello), &mut frames);
    encode_to_worker(&ToWorker::Call(call), &mut frames);
    let mut reading = socket.try_clone()?;
    let mut writing = socket;
    thread::spawn(move || {
        let _it_died_meanwhile = writing.write_all(&frames);
    });
    thread::spawn(move || {
        let mut told = [0; 4096];
        while reading.read(&mut told).is_ok_and(|count| count > 0) {}
    });
    Ok(())
}
