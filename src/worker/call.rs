//! Running a call and answering it.

use std::os::fd::{BorrowedFd, RawFd};

use super::control::{ControlError, Link, Piece};
use super::exchange::Exchange;
use super::load::Loaded;
use super::meter::Meter;
use super::printing::Printing;
use crate::ffi::abi;
use crate::ffi::callable::Callable;
use crate::ffi::callee::Returned;
use crate::ffi::invoke::InvokeError;
use crate::ffi::library::Function;
use crate::ffi::value::Value;
use crate::sys::stdio;
use crate::wire::{CallFrame, FromWorker, Input, Request, Spent};

/// Runs `call` and sends its answer; a handler's head and chunks were sent before.
///
/// # Errors
/// Nobody is there to hear it.
pub fn answer(
    control: &dyn Link,
    loaded: &Loaded<'_>,
    call: CallFrame,
) -> Result<(), ControlError> {
    let id = call.id;
    let broken = |message: String| FromWorker::Broken { id, message };
    let answer = match (loaded, call.input) {
        (Loaded::Function(callable), Input::Values(values)) => {
            match invoke(callable, values, call.time_left_ms) {
                Ok((returned, spent)) => FromWorker::Returned { id, returned, spent },
                Err(error) => broken(error),
            }
        }
        (Loaded::Handler(function), Input::Request(request)) => {
            return handle(control, function.function, id, call.time_left_ms, request);
        }
        (Loaded::Function(..), _) => {
            broken("a function is called with values, not a request".into())
        }
        (Loaded::Handler(_), _) => broken("a handler is called with a request, not values".into()),
    };
    control.send(&answer)
}

/// A link that hands on what the library has printed before the call is over: what follows is another call's.
pub(super) struct Flushing<'a>(pub(super) &'a dyn Link);

impl Link for Flushing<'_> {
    fn send(&self, message: &FromWorker) -> Result<(), ControlError> {
        if let FromWorker::Returned { .. } | FromWorker::End { .. } = message {
            stdio::flush_all();
        }
        self.0.send(message)
    }

    fn send_chunk(&self, id: u64, data: &[u8]) -> Result<(), ControlError> {
        self.0.send_chunk(id, data)
    }

    fn send_file(&self, message: &FromWorker, file: BorrowedFd<'_>) -> Result<(), ControlError> {
        self.0.send_file(message, file)
    }

    fn next_piece(&self, id: u64) -> Result<Piece, ControlError> {
        self.0.next_piece(id)
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn raw(&self) -> RawFd {
        self.0.raw()
    }
}

fn invoke(
    callable: &Callable<'_>,
    values: Vec<Value>,
    time_left_ms: u64,
) -> Result<(Returned, Spent), String> {
    let told = |problem: InvokeError| problem.to_string();
    let mut prepared = callable.prepare(values, time_left_ms).map_err(told)?;
    let printing = callable.callee().prints.then(Printing::begin).transpose();
    let printing =
        printing.map_err(|problem| format!("what it prints cannot be kept: {problem}"))?;
    let meter = Meter::start();
    prepared.call().map_err(told)?;
    let spent = meter.stop();
    let printed = printing.map(Printing::end).transpose()?;
    Ok((prepared.finish(printed).map_err(told)?, spent))
}

fn handle(
    control: &dyn Link,
    function: Function,
    id: u64,
    time_left_ms: u64,
    request: Request,
) -> Result<(), ControlError> {
    let exchange = match Exchange::new(control, id, time_left_ms, request) {
        Ok(exchange) => exchange,
        Err(error) => {
            return control.send(&FromWorker::Broken { id, message: error.to_string() });
        }
    };
    let meter = Meter::start();
    // SAFETY: the operator says that the symbol is a handler; where it is not, only this process suffers.
    let code = unsafe { abi::handle(function, &exchange) };
    let spent = meter.stop();
    exchange.complete(code)?;
    control.send(&FromWorker::End { id, code, spent })
}
