//! A type of the debug information as a prototype may say it.

use crate::app::elf::types::{Kind, Type};
use crate::ffi::prototype;

/// The words, or why there are none.
pub(super) fn spelling(found: &Type) -> Result<String, &'static str> {
    match found {
        Type::Void => Ok("void".into()),
        Type::Enum { name, bytes: 4 } if is_known(name) => Ok(name.clone()),
        Type::Enum { bytes: 4, .. } => Ok("int".into()),
        Type::Number { name, .. } if is_known(name) => Ok(name.clone()),
        Type::Number { bytes, kind, .. } => {
            by_size(*bytes, *kind).map(str::to_owned).ok_or(UNSAYABLE)
        }
        Type::Named(name, inner) => named(name, inner),
        Type::Const(inner) => match **inner {
            Type::Pointer(_) => spelling(inner),
            _ => spelling(inner).map(|inner| format!("const {inner}")),
        },
        Type::Pointer(inner) => pointer(inner),
        Type::Record(_) => Err("takes or returns a struct by value"),
        Type::Function => Err("has a callback"),
        Type::Enum { .. } | Type::Unknown => Err(UNSAYABLE),
    }
}

const UNSAYABLE: &str = "has a type that a prototype cannot say";

/// A number of another language.
fn by_size(bytes: u64, kind: Kind) -> Option<&'static str> {
    Some(match (kind, bytes) {
        (Kind::Bool, 1) => "bool",
        (Kind::Signed, 1) => "int8_t",
        (Kind::Signed, 2) => "int16_t",
        (Kind::Signed, 4) => "int32_t",
        (Kind::Signed, 8) => "int64_t",
        (Kind::Unsigned, 1) => "uint8_t",
        (Kind::Unsigned, 2) => "uint16_t",
        (Kind::Unsigned, 4) => "uint32_t",
        (Kind::Unsigned, 8) => "uint64_t",
        (Kind::Float, 4) => "float",
        (Kind::Float, 8) => "double",
        _ => return None,
    })
}

fn pointer(target: &Type) -> Result<String, &'static str> {
    let inner = match (target, target.bare()) {
        (_, Type::Function) => return Err("has a callback"),
        (Type::Record(name), _) if is_word(name.rsplit(' ').next()) && name.contains(' ') => {
            name.clone()
        }
        (Type::Named(name, _), Type::Record(_)) if is_word(Some(name)) => name.clone(),
        (Type::Const(inner), Type::Record(_)) => {
            return pointer(inner).map(|inner| format!("const {inner}"));
        }
        _ => spelling(target)?,
    };
    let gap = if inner.ends_with('*') { "" } else { " " };
    Ok(format!("{inner}{gap}*"))
}

/// A name that a prototype knows, of the same size; else what it stands for.
fn named(name: &str, inner: &Type) -> Result<String, &'static str> {
    let by_name = prototype::parse(&format!("void f({name} x)"));
    let by_type = spelling(inner)?;
    let by_type_read = prototype::parse(&format!("void f({by_type} x)"));
    let is_same = match (by_name, by_type_read) {
        (Ok(one), Ok(other)) => one.parameters[0].ctype == other.parameters[0].ctype,
        _ => false,
    };
    Ok(if is_same { name.to_owned() } else { by_type })
}

fn is_known(name: &str) -> bool {
    prototype::parse(&format!("void f({name} x)")).is_ok()
}

/// A C identifier.
pub(super) fn is_word(name: Option<&str>) -> bool {
    let start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.is_some_and(|name| {
        name.bytes().next().is_some_and(start)
            && name.bytes().all(|byte| start(byte) || byte.is_ascii_digit())
    })
}
