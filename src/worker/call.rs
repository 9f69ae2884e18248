//! Running the one call and answering it.

use super::control::{Control, ControlError};
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
use crate::wire::{CallFrame, FromWorker, Input, Request, Spent};

/// Runs `call` and sends its answer; a handler's head and chunks were sent before.
pub(super) fn answer(
    control: &Control,
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
            return handle(control, *function, id, call.time_left_ms, request);
        }
        (Loaded::Function(..), _) => {
            broken("a function is called with values, not a request".into())
        }
        (Loaded::Handler(_), _) => broken("a handler is called with a request, not values".into()),
    };
    control.send(&answer)
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
    control: &Control,
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
