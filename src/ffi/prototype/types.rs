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
    /// `unsigned char`, `signed char`, `uint8_t`, `int8_t`: bytes.
    Bytes,
    /// `void`: bytes, or a handle.
    Void,
    /// One scalar.
    Scalar(Scalar),
    /// A struct, or a type of another header: only the library knows what lies there.
    Opaque,
    /// Another pointer.
    Pointer(Put),
}

/// What a function may put where a pointer to a pointer points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// A string.
    Text,
    /// Bytes.
    Bytes,
    /// Bytes, or a handle.
    Void,
    /// What only the library knows.
    Opaque,
}

/// A type as declared, before its name.
pub(super) struct Declared<'t> {
    base: Base<'t>,
    stars: usize,
    /// What the pointer points to is `const`.
    is_const: bool,
}

/// The words of a type, without qualifiers.
struct Base<'t> {
    words: Vec<&'t str>,
    span: Range<usize>,
}

impl Base<'_> {
    /// Whether one more word belongs to the type.
    fn takes(&self, word: &str) -> bool {
        match self.words.as_slice() {
            [] => true,
            [only] if TAGS.contains(only) => true,
            [first, ..] => PARTS.contains(first) && PARTS.contains(&word),
        }
    }

    fn shown(&self) -> String {
        self.words.join(" ")
    }
}

impl Declared<'_> {
    /// In one spelling, with `more` stars than were written.
    pub(super) fn shown(&self, more: usize) -> String {
        let is_const = if self.is_const { "const " } else { "" };
        let stars = match self.stars + more {
            0 => String::new(),
            stars => format!(" {}", "*".repeat(stars)),
        };
        format!("{is_const}{}{stars}", self.base.shown())
    }
}

const QUALIFIERS: [&str; 6] =
    ["const", "volatile", "restrict", "__restrict", "__restrict__", "register"];

/// Words that make a type together.
const PARTS: [&str; 11] = [
    "void", "bool", "_Bool", "char", "short", "int", "long", "float", "double", "signed",
    "unsigned",
];

/// Words that name what follows.
const TAGS: [&str; 3] = ["struct", "union", "enum"];

/// What the machine's `char` is.
const CHAR: Scalar = if std::ffi::c_char::MIN == 0 { Scalar::U8 } else { Scalar::I8 };

/// Type names of `<stdint.h>`, `<stddef.h>`, `<sys/types.h>` and their old spellings, on LP64.
fn typedef(name: &str) -> Option<Scalar> {
    Some(match name {
        "int8_t" | "int_least8_t" | "int_fast8_t" => Scalar::I8,
        "int16_t" | "int_least16_t" => Scalar::I16,
        "int32_t" | "int_least32_t" | "pid_t" | "key_t" => Scalar::I32,
        "int64_t" | "int_least64_t" | "int_fast16_t" | "int_fast32_t" | "int_fast64_t"
        | "ssize_t" | "intptr_t" | "ptrdiff_t" | "intmax_t" | "off_t" | "off64_t" | "loff_t"
        | "time_t" | "clock_t" | "suseconds_t" => Scalar::I64,
        "uint8_t" | "uint_least8_t" | "uint_fast8_t" | "u_int8_t" | "u_char" | "uchar" => {
            Scalar::U8
        }
        "uint16_t" | "uint_least16_t" | "u_int16_t" | "u_short" | "ushort" | "char16_t"
        | "in_port_t" | "sa_family_t" => Scalar::U16,
        "uint32_t" | "uint_least32_t" | "u_int32_t" | "u_int" | "uint" | "char32_t" | "uid_t"
        | "gid_t" | "id_t" | "mode_t" | "socklen_t" | "useconds_t" | "in_addr_t" => Scalar::U32,
        "uint64_t" | "uint_least64_t" | "uint_fast16_t" | "uint_fast32_t" | "uint_fast64_t"
        | "u_int64_t" | "u_long" | "ulong" | "size_t" | "uintptr_t" | "uintmax_t" | "dev_t"
        | "ino_t" => Scalar::U64,
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
    if let ["enum", _] = words {
        return Some(Scalar::I32);
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
        } else if base.takes(word) {
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
    let is_pointer = tokens.peek() == Some(Token::Punct("*"));
    match base.words.as_slice() {
        [] => {
            let message = format!("a type was expected, not {}", Token::show(tokens.peek()));
            refuse(Mend::Declaration, message)
        }
        [tag] if TAGS.contains(tag) => refuse(Mend::Declaration, format!("`{tag}` has no name")),
        [tag @ ("struct" | "union"), _] if !is_pointer => {
            refuse(Mend::Handler, format!("a {tag} by value cannot come from a request"))
        }
        [tag, _] if TAGS.contains(tag) => Ok(()),
        ["void"] => Ok(()),
        words if scalar(words).is_some() => Ok(()),
        ["double", "long"] | ["long", "double"] => {
            refuse(Mend::Handler, "`long double` is not supported".into())
        }
        [word] if !matches!(tokens.peek(), Some(Token::Word(_) | Token::Punct("*"))) => {
            refuse(Mend::Declaration, format!("`{word}` has no type; nothing defaults to int"))
        }
        [_] if is_pointer => Ok(()),
        [word] => refuse(Mend::Type, format!("the type `{word}` is not known here")),
        _ => refuse(Mend::Declaration, format!("`{}` is no type", base.shown())),
    }
}

/// The return type.
pub(super) fn returns(declared: &Declared<'_>) -> Result<Return, PrototypeError> {
    match (declared.stars, declared.base.words.as_slice()) {
        (0, ["void"]) => Ok(Return::Void),
        (0, words) => scalar(words).map(Return::Scalar).ok_or_else(|| no_type(&declared.base)),
        (1, ["char"]) => Ok(Return::Text),
        _ => Ok(Return::Pointer),
    }
}

fn no_type(base: &Base<'_>) -> PrototypeError {
    let message = format!("`{}` is no type", base.shown());
    PrototypeError::new(&base.span, Mend::Declaration, message)
}

/// The type of a parameter, with `more` stars than stand before its name.
pub(super) fn parameter(
    declared: &Declared<'_>,
    more: usize,
    span: &Range<usize>,
) -> Result<CType, PrototypeError> {
    let words = declared.base.words.as_slice();
    let pointer = |to| Ok(CType::Pointer { to, is_const: declared.is_const });
    match declared.stars + more {
        0 if words == ["void"] => {
            let message = "a parameter cannot be void";
            Err(PrototypeError::new(span, Mend::Declaration, message))
        }
        0 => scalar(words).map(CType::Scalar).ok_or_else(|| no_type(&declared.base)),
        1 => pointer(pointee(words)),
        2 => pointer(Pointee::Pointer(put(words))),
        _ => pointer(Pointee::Pointer(Put::Opaque)),
    }
}

fn put(words: &[&str]) -> Put {
    match pointee(words) {
        Pointee::Text => Put::Text,
        Pointee::Bytes => Put::Bytes,
        Pointee::Void => Put::Void,
        _ => Put::Opaque,
    }
}

/// Whether what is returned is a pointer to bytes, whose length must be said.
pub(super) fn returns_bytes(declared: &Declared<'_>) -> bool {
    let to = pointee(declared.base.words.as_slice());
    declared.stars == 1 && matches!(to, Pointee::Text | Pointee::Bytes | Pointee::Void)
}

fn pointee(words: &[&str]) -> Pointee {
    match words {
        ["void"] => Pointee::Void,
        ["char"] => Pointee::Text,
        _ => match scalar(words) {
            Some(Scalar::U8 | Scalar::I8) => Pointee::Bytes,
            Some(other) => Pointee::Scalar(other),
            None => Pointee::Opaque,
        },
    }
}
