//! C's type names, and which of them a call can be made with.

use std::ops::Range;

use super::{Mend, PrototypeError};
use crate::ffi::prototype::token::{Token, Tokens};
use crate::ffi::signature::Return;
use crate::ffi::value::Scalar;

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CType {
    /// By value.
    Scalar(Scalar),
    /// By address.
    Pointer {
        /// What lies there.
        to: Pointee,
        /// The function does not write there.
        is_const: bool,
    },
}

/// What a pointer points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointee {
    /// `char`: a NUL-terminated string, or a buffer.
    Text,
    /// `void`, `unsigned char`, `signed char`, `uint8_t`, `int8_t`: bytes.
    Bytes,
    /// One scalar.
    Scalar(Scalar),
}

/// A type as declared, before its name.
pub(super) struct Declared<'t> {
    pub(super) base: Base<'t>,
    pub(super) stars: usize,
    /// What the pointer points to is `const`.
    pub(super) is_const: bool,
}

/// The words of a type, without qualifiers.
pub(super) struct Base<'t> {
    words: Vec<&'t str>,
    span: Range<usize>,
}

impl Base<'_> {
    fn shown(&self) -> String {
        self.words.join(" ")
    }
}

const QUALIFIERS: [&str; 6] =
    ["const", "volatile", "restrict", "__restrict", "__restrict__", "register"];

/// Words that make a type together.
const PARTS: [&str; 11] = [
    "void", "bool", "_Bool", "char", "short", "int", "long", "float", "double", "signed",
    "unsigned",
];

/// What the machine's `char` is.
const CHAR: Scalar = if std::ffi::c_char::MIN == 0 { Scalar::U8 } else { Scalar::I8 };

/// Type names of `<stdint.h>` and `<stddef.h>`, on LP64.
fn typedef(name: &str) -> Option<Scalar> {
    Some(match name {
        "int8_t" => Scalar::I8,
        "int16_t" => Scalar::I16,
        "int32_t" => Scalar::I32,
        "int64_t" | "ssize_t" | "intptr_t" | "ptrdiff_t" | "intmax_t" => Scalar::I64,
        "uint8_t" => Scalar::U8,
        "uint16_t" => Scalar::U16,
        "uint32_t" => Scalar::U32,
        "uint64_t" | "size_t" | "uintptr_t" | "uintmax_t" => Scalar::U64,
        _ => return None,
    })
}

/// The scalar that some words name, in any order that C allows.
pub(super) fn scalar(words: &[&str]) -> Option<Scalar> {
    if let [name] = words
        && let Some(scalar) = typedef(name)
    {
        return Some(scalar);
    }
    let mut sorted = words.to_vec();
    sorted.sort_unstable();
    Some(match sorted.as_slice() {
        ["bool" | "_Bool"] => Scalar::Bool,
        ["char"] => CHAR,
        ["char", "signed"] => Scalar::I8,
        ["char", "unsigned"] => Scalar::U8,
        ["float"] => Scalar::F32,
        ["double"] => Scalar::F64,
        other => integer(other)?,
    })
}

/// `short`, `int`, `long` and `long long` with what may stand beside them.
fn integer(sorted: &[&str]) -> Option<Scalar> {
    let unsigned = sorted.contains(&"unsigned");
    let rest: Vec<_> =
        sorted.iter().copied().filter(|w| !["signed", "unsigned"].contains(w)).collect();
    if sorted.is_empty() || sorted.len() > rest.len() + 1 {
        return None;
    }
    Some(match (rest.as_slice(), unsigned) {
        ([] | ["int"], false) => Scalar::I32,
        ([] | ["int"], true) => Scalar::U32,
        (["short"] | ["int", "short"], false) => Scalar::I16,
        (["short"] | ["int", "short"], true) => Scalar::U16,
        (["long"] | ["int", "long"] | ["long", "long"] | ["int", "long", "long"], false) => {
            Scalar::I64
        }
        (["long"] | ["int", "long"] | ["long", "long"] | ["int", "long", "long"], true) => {
            Scalar::U64
        }
        _ => return None,
    })
}

/// Reads the type that stands before a name: its words and its stars.
pub(super) fn base<'t>(tokens: &mut Tokens<'t>) -> Result<Declared<'t>, PrototypeError> {
    let start = tokens.span();
    let mut base = Base { words: Vec::new(), span: start.clone() };
    let mut is_const = false;
    while let Some(Token::Word(word)) = tokens.peek() {
        if QUALIFIERS.contains(&word) {
            is_const |= word == "const";
        } else if PARTS.contains(&word) && !is_typedef(&base) || base.words.is_empty() {
            base.span.end = tokens.span().end;
            base.words.push(word);
        } else {
            break;
        }
        tokens.next();
    }
    known(&base, tokens)?;
    let stars = pointers(tokens);
    Ok(Declared { base, stars, is_const })
}

fn is_typedef(base: &Base<'_>) -> bool {
    matches!(base.words.as_slice(), [word] if !PARTS.contains(word))
}

/// Stars, and what qualifies the pointers themselves.
fn pointers(tokens: &mut Tokens<'_>) -> usize {
    let mut stars = 0;
    loop {
        if tokens.take("*") {
            stars += 1;
        } else if !QUALIFIERS.iter().any(|word| tokens.take(word)) {
            return stars;
        }
    }
}

/// Whether the words are a type at all.
fn known(base: &Base<'_>, tokens: &Tokens<'_>) -> Result<(), PrototypeError> {
    let refuse = |mend, message: String| Err(PrototypeError::new(&base.span, mend, message));
    match base.words.as_slice() {
        [] => {
            let message = format!("a type was expected, not {}", Token::show(tokens.peek()));
            refuse(Mend::Declaration, message)
        }
        ["struct" | "union" | "enum"] => {
            refuse(Mend::Handler, format!("a {} cannot come from a request", base.words[0]))
        }
        ["void"] => Ok(()),
        words if scalar(words).is_some() => Ok(()),
        ["double", "long"] | ["long", "double"] => {
            refuse(Mend::Handler, "`long double` is not supported".into())
        }
        [word] if !matches!(tokens.peek(), Some(Token::Word(_) | Token::Punct("*"))) => {
            refuse(Mend::Declaration, format!("`{word}` has no type; nothing defaults to int"))
        }
        [word] => refuse(Mend::Handler, format!("the type `{word}` is not known here")),
        _ => refuse(Mend::Declaration, format!("`{}` is no type", base.shown())),
    }
}

/// Reads the return type.
pub(super) fn returns(tokens: &mut Tokens<'_>) -> Result<Return, PrototypeError> {
    let start = tokens.span();
    let Declared { base, stars, .. } = base(tokens)?;
    match (stars, base.words.as_slice()) {
        (0, ["void"]) => Ok(Return::Void),
        (0, words) => scalar(words).map(Return::Scalar).ok_or_else(|| no_type(&base)),
        (1, ["char"]) => Ok(Return::Text),
        _ => {
            let message = "a function may return void, a scalar or a `const char *`";
            let span = start.start..tokens.span().start.max(start.end);
            Err(PrototypeError::new(&span, Mend::Handler, message))
        }
    }
}

fn no_type(base: &Base<'_>) -> PrototypeError {
    let message = format!("`{}` is no type", base.shown());
    PrototypeError::new(&base.span, Mend::Declaration, message)
}

/// The type of a parameter.
pub(super) fn parameter(
    base: &Base<'_>,
    stars: usize,
    is_const: bool,
    span: &Range<usize>,
) -> Result<CType, PrototypeError> {
    let words = base.words.as_slice();
    match stars {
        0 if words == ["void"] => {
            let message = "a parameter cannot be void";
            Err(PrototypeError::new(span, Mend::Declaration, message))
        }
        0 => scalar(words).map(CType::Scalar).ok_or_else(|| no_type(base)),
        1 => {
            let to = pointee(words).ok_or_else(|| no_type(base))?;
            Ok(CType::Pointer { to, is_const })
        }
        _ => {
            let message = "a pointer to a pointer cannot come from a request";
            Err(PrototypeError::new(span, Mend::Handler, message))
        }
    }
}

fn pointee(words: &[&str]) -> Option<Pointee> {
    match words {
        ["void"] => Some(Pointee::Bytes),
        ["char"] => Some(Pointee::Text),
        _ => Some(match scalar(words)? {
            Scalar::U8 | Scalar::I8 => Pointee::Bytes,
            other => Pointee::Scalar(other),
        }),
    }
}
