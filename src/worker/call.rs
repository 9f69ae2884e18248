//! Running the one call and answering it.

use super::control::{Control, ControlError};
use super::exchange::Exchange;
use super::load::Loaded;
use super::meter::Meter;
use crate::ffi::abi;
use crate::ffi::invoke::{Invocation, InvokeError};
use crate::ffi::library::Function;
use crate::ffi::signature::Signature;
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
        (Loaded::Function(function, signature), Input::Values(values)) => {
            match invoke(*function, signature, values) {
                Ok((returned, outputs, spent)) => {
                    FromWorker::Returned { id, returned, outputs, spent }
                }
                Err(error) => broken(error.to_string()),
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
    function: Function,
    signature: &Signature,
    values: Vec<Value>,
) -> Result<(Value, Vec<Value>, Spent), InvokeError> {
    let mut invocation = Invocation::new(signature, values)?;
    let meter = Meter::start();
    // SAFETY: the operator declares the prototype; where it is wrong, only this process suffers.
    unsafe { invocation.call(function) }?;
    let spent = meter.stop();
    // SAFETY: it was called, and no foreign code has run since.
    let (returned, outputs) = unsafe { invocation.finish() }?;
    Ok((returned, outputs, spent))
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
