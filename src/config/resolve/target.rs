//! Which forms fit which C types, and constants cut to them.

use super::form::Form;
use crate::config::function::{Source, Target};
use crate::config::raw::Literal;
use crate::config::source::Complaint;
use crate::ffi::callee::RETURN;
use crate::ffi::prototype::{CType, Pointee, Put};
use crate::ffi::signature::Slot;
use crate::ffi::value::{Scalar, Value};

/// What a parameter becomes; the index of the parameter a length measures is found later.
pub(super) enum Role {
    /// Taken from the request or the file.
    Input(Slot, Target, Source),
    /// Memory or a scalar that the function fills.
    Output(Slot),
    /// Neither from a request nor for an answer: the handle, the time left, null.
    Given(Slot),
    /// The length, by value, of the parameter named.
    Length(Scalar, String),
    /// The length, by address, of the buffer named.
    BufferLength(Scalar, String),
    /// The size, by value, of the buffer named.
    Capacity(Scalar, String),
}

/// The role of a parameter of type `ctype` that is bound to `form`.
pub(super) fn role(ctype: CType, form: Form) -> Result<Role, Complaint> {
    match form {
        Form::Body => Ok(input(ctype, Source::Body)?),
        Form::Query(name) => input(ctype, Source::Query(name)),
        Form::Path(name) => input(ctype, Source::Path(name)),
        Form::Header(name) => input(ctype, Source::Header(name)),
        Form::Cookie(name) => input(ctype, Source::Cookie(name)),
        Form::Field(name) => input(ctype, Source::Form(name)),
        Form::Json(pointer) => input(ctype, Source::Json(pointer)),
        Form::RequestId => request_id(ctype),
        Form::TimeLeft => time_left(ctype),
        Form::Handle => handle(ctype),
        Form::Null => null(ctype),
        Form::Constant(literal) => {
            let (_, target) = input_slot(ctype)?;
            input(ctype, Source::Constant(constant(&literal, target)?))
        }
        Form::Length(of) => length(ctype, of),
        Form::Capacity(of) => capacity(ctype, of),
        Form::Begun(from, capacity) => begun(ctype, *from, capacity),
        Form::Buffer(capacity) => buffer(ctype, capacity),
        Form::Out => out(ctype),
    }
}

fn input(ctype: CType, source: Source) -> Result<Role, Complaint> {
    let (slot, target) = input_slot(ctype)?;
    Ok(Role::Input(slot, target, source))
}

/// What always will do.
pub(super) const WRAP: &str =
    "wrap the function in a handler of cofferdam.h, and write `handler` instead of `prototype`";

fn input_slot(ctype: CType) -> Result<(Slot, Target), Complaint> {
    match ctype {
        CType::Scalar(scalar) => Ok((Slot::Scalar(scalar), Target::Scalar(scalar))),
        CType::Pointer { to: Pointee::Text, .. } => Ok((Slot::Text, Target::Text)),
        CType::Pointer { to: Pointee::Bytes | Pointee::Void, .. } => {
            Ok((Slot::Bytes, Target::Bytes))
        }
        CType::Pointer { to: Pointee::Scalar(scalar), is_const: false } => {
            Ok((Slot::InOut(scalar), Target::Scalar(scalar)))
        }
        CType::Pointer { to: Pointee::Scalar(_), is_const: true } => {
            Err(Complaint::new("an array of numbers cannot come from a request", WRAP))
        }
        CType::Pointer { to: Pointee::Opaque, .. } => Err(Complaint::new(
            "only the library knows what this points to",
            format!("bind it to \"handle\", which `init` makes, or to \"null\"; else {WRAP}"),
        )),
        CType::Pointer { to: Pointee::Pointer(_), .. } => Err(Complaint::new(
            "a pointer to a pointer cannot come from a request",
            format!(
                "bind it to \"out\" where the function puts a string or bytes there, or to \"null\" where the function takes that; else {WRAP}"
            ),
        )),
    }
}

fn request_id(ctype: CType) -> Result<Role, Complaint> {
    match ctype {
        CType::Pointer { to: Pointee::Text, .. } => input(ctype, Source::RequestId),
        _ => Err(Complaint::new("a request's id is a string", "declare it as const char *")),
    }
}

fn time_left(ctype: CType) -> Result<Role, Complaint> {
    match ctype {
        CType::Scalar(scalar) if scalar.range().is_some() => {
            Ok(Role::Given(Slot::TimeLeft(scalar)))
        }
        _ => Err(Complaint::new("the time left is a whole number", "declare it as int or long")),
    }
}

fn handle(ctype: CType) -> Result<Role, Complaint> {
    match ctype {
        CType::Pointer { to: Pointee::Opaque | Pointee::Void, .. } => Ok(Role::Given(Slot::Handle)),
        CType::Pointer { to: Pointee::Pointer(_), .. } => Ok(Role::Given(Slot::HandleOut)),
        _ => Err(Complaint::new(
            "a handle is a pointer that only the library understands",
            "declare it as void * or struct NAME *, or bind it to something else",
        )),
    }
}

fn null(ctype: CType) -> Result<Role, Complaint> {
    match ctype {
        CType::Pointer { .. } => Ok(Role::Given(Slot::Null)),
        CType::Scalar(_) => {
            Err(Complaint::new("only a pointer can be null", "write the number: 0"))
        }
    }
}

fn is_wide(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::I32 | Scalar::U32 | Scalar::I64 | Scalar::U64)
}

fn length(ctype: CType, of: String) -> Result<Role, Complaint> {
    let wide = is_wide;
    match ctype {
        CType::Scalar(_) if of == RETURN => Err(Complaint::new(
            "the length of what is returned comes out by a pointer",
            "declare it as size_t *",
        )),
        CType::Pointer { to: Pointee::Scalar(scalar), is_const: false }
            if wide(scalar) && of == RETURN =>
        {
            Ok(Role::Given(Slot::ReturnLength(scalar)))
        }
        CType::Scalar(scalar) if wide(scalar) => Ok(Role::Length(scalar, of)),
        CType::Pointer { to: Pointee::Scalar(scalar), is_const: false } if wide(scalar) => {
            Ok(Role::BufferLength(scalar, of))
        }
        _ => Err(Complaint::new(
            "a length must be an integer of 32 or 64 bits, \
             or a pointer to one that the function sets",
            "declare it as size_t, or as size_t * for a buffer",
        )),
    }
}

fn capacity(ctype: CType, of: String) -> Result<Role, Complaint> {
    match ctype {
        CType::Scalar(scalar) if is_wide(scalar) => Ok(Role::Capacity(scalar, of)),
        _ => Err(Complaint::new(
            "the size of a buffer is an integer of 32 or 64 bits, by value",
            "declare it as size_t",
        )),
    }
}

/// A buffer that begins with what comes from a source.
fn begun(ctype: CType, from: Form, capacity: u64) -> Result<Role, Complaint> {
    let Role::Output(Slot::Buffer { is_text, .. }) = buffer(ctype, capacity)? else {
        return Err(Complaint::new("only bytes begin a buffer", WRAP));
    };
    let Role::Input(_, target, source) = role(ctype, from)? else {
        return Err(Complaint::new("only bytes begin a buffer", WRAP));
    };
    let length = |bytes: &Vec<u8>| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if let Source::Constant(Value::Bytes(bytes)) = &source
        && length(bytes) > capacity - u64::from(is_text)
    {
        let message = "this constant is longer than its buffer";
        return Err(Complaint::new(
            message,
            "write a larger `buffer`; a string has a NUL at its end",
        ));
    }
    Ok(Role::Input(Slot::Buffer { capacity, is_taken: true, is_text }, target, source))
}

fn buffer(ctype: CType, capacity: u64) -> Result<Role, Complaint> {
    match ctype {
        CType::Pointer {
            to: to @ (Pointee::Text | Pointee::Bytes | Pointee::Void),
            is_const: false,
        } => {
            let is_text = to == Pointee::Text;
            Ok(Role::Output(Slot::Buffer { capacity, is_taken: false, is_text }))
        }
        CType::Pointer { is_const: true, .. } => Err(Complaint::new(
            "a function does not write to what is const",
            "bind it to \"body\" or { query = \"…\" }, or remove `const`",
        )),
        _ => Err(Complaint::new(
            "a buffer goes to a pointer to bytes",
            "declare it as uint8_t *, char * or void *",
        )),
    }
}

fn out(ctype: CType) -> Result<Role, Complaint> {
    match ctype {
        CType::Pointer { to: Pointee::Scalar(scalar), is_const: false } => {
            Ok(Role::Output(Slot::Out(scalar)))
        }
        CType::Pointer { to: Pointee::Pointer(Put::Text), .. } => Ok(Role::Output(Slot::PutText)),
        CType::Pointer { to: Pointee::Pointer(Put::Bytes | Put::Void), .. } => {
            Ok(Role::Output(Slot::PutBytes))
        }
        CType::Pointer { to: Pointee::Pointer(Put::Opaque), .. } => Err(Complaint::new(
            "only the library knows what the function puts there",
            format!("bind it to \"null\" where the function takes that; else {WRAP}"),
        )),
        CType::Pointer { to: Pointee::Text | Pointee::Bytes | Pointee::Void, is_const: false } => {
            Err(Complaint::new(
                "bytes that the function fills need memory",
                "say how much: { buffer = \"64KiB\" }",
            ))
        }
        _ => Err(Complaint::new(
            "the function cannot set what it does not get by a writable address",
            "bind it to a source, as { query = \"…\" }, or declare it as a pointer",
        )),
    }
}

/// A constant as the parameter's type has it.
pub(super) fn constant(literal: &Literal, target: Target) -> Result<Value, Complaint> {
    let wrong = |wanted: String| {
        Err(Complaint::new(
            format!("this constant {wanted}"),
            "write one that fits the parameter's type",
        ))
    };
    match (target, literal) {
        (Target::Text, Literal::Text(text)) if text.contains('\0') => {
            wrong("must have no NUL inside".into())
        }
        (Target::Text | Target::Bytes, Literal::Text(text)) => {
            Ok(Value::Bytes(text.clone().into_bytes()))
        }
        (Target::Text | Target::Bytes, _) => wrong("must be a string".into()),
        (Target::Scalar(scalar), literal) => {
            scalar_constant(scalar, literal).or_else(|error| wrong(error.to_string()))
        }
    }
}

/// A string is read as a request's text is, so that it may come from the environment.
fn scalar_constant(
    scalar: Scalar,
    literal: &Literal,
) -> Result<Value, crate::ffi::value::ValueError> {
    match (scalar, literal) {
        (_, Literal::Text(text)) => scalar.parse(text),
        (Scalar::Bool, Literal::Bool(value)) => Ok(Value::Bool(*value)),
        (Scalar::F32 | Scalar::F64, Literal::Float(value)) => scalar.parse(&value.to_string()),
        (Scalar::Bool, _) | (_, Literal::Bool(_) | Literal::Float(_)) => scalar.parse(""),
        (_, Literal::Int(value)) => scalar.parse(&value.to_string()),
    }
}
