//! A C declaration, pasted from a header, read as the types this machine's ABI gives it.
//! What cannot be called safely from a declaration alone is refused; nothing defaults to `int`.

mod token;
mod types;

use std::ops::Range;

use thiserror::Error;

use crate::ffi::signature::Return;
use token::{Token, Tokens};
pub use types::{CType, Pointee, Put};

/// The longest declaration that is read, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// The most parameters.
pub const MAX_PARAMETERS: usize = 32;

/// `RETURNS NAME(PARAMETERS)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prototype {
    /// The symbol.
    pub name: String,
    /// What comes back.
    pub returns: Return,
    /// The return type as it was declared, without storage classes.
    pub returned: String,
    /// It returns a pointer to bytes, if something says how many.
    pub returns_bytes: bool,
    /// In C order.
    pub parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ctype: CType,
    /// Its type as it was declared: an array as the pointer that it is.
    pub written: String,
    /// Where in the text it stands, in bytes.
    pub span: Range<usize>,
}

/// Why a declaration is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct PrototypeError {
    /// What is wrong.
    pub message: String,
    /// Where in the text, in bytes.
    pub span: Range<usize>,
    /// What to write instead.
    pub mend: Mend,
}

/// What to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Correct the declaration.
    Declaration,
    /// No declaration will do: write a small handler around it.
    Handler,
    /// Say that there are no parameters.
    Void,
    /// Say what the type stands for.
    Type,
}

impl std::fmt::Display for Mend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mend::Declaration => {
                "paste one declaration, as: \
                 int resize(const uint8_t *in, size_t n, int width)"
            }
            Mend::Handler => {
                "wrap it in a handler, `int NAME(cof_request *, cof_response *)` of cofferdam.h, \
                 and write `handler` instead of `prototype`"
            }
            Mend::Void => "write (void) where there are no parameters",
            Mend::Type => {
                "write the type that it stands for, as `int` for an enum; \
                 a struct by value needs a handler of cofferdam.h, and `handler` instead of `prototype`"
            }
        })
    }
}

impl PrototypeError {
    fn new(span: &Range<usize>, mend: Mend, message: impl Into<String>) -> Self {
        PrototypeError { message: message.into(), span: span.clone(), mend }
    }
}

impl std::fmt::Display for Prototype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let spaced = |written: &str| match written.ends_with('*') {
            true => written.to_owned(),
            false => format!("{written} "),
        };
        let parameters: Vec<_> =
            self.parameters.iter().map(|p| format!("{}{}", spaced(&p.written), p.name)).collect();
        let parameters = if parameters.is_empty() { "void".into() } else { parameters.join(", ") };
        write!(f, "{}{}({parameters})", spaced(&self.returned), self.name)
    }
}

/// Reads one declaration.
///
/// # Errors
/// Anything that is not one, and any type that a call cannot be made with.
pub fn parse(text: &str) -> Result<Prototype, PrototypeError> {
    if text.len() > MAX_LENGTH {
        let message = format!("the prototype is longer than {MAX_LENGTH} bytes");
        return Err(PrototypeError::new(&(0..0), Mend::Declaration, message));
    }
    let mut tokens = Tokens::read(text)?;
    skip_storage(&mut tokens)?;
    let declared = types::base(&mut tokens)?;
    let returns = types::returns(&declared)?;
    let returned = declared.shown(0);
    let returns_bytes = types::returns_bytes(&declared);
    let name = function_name(&mut tokens)?;
    tokens.require("(")?;
    let parameters = parameters(&mut tokens)?;
    end(&mut tokens)?;
    Ok(Prototype { name, returns, returned, returns_bytes, parameters })
}

/// `extern`, `extern "C"`.
fn skip_storage(tokens: &mut Tokens<'_>) -> Result<(), PrototypeError> {
    let span = tokens.span();
    if tokens.take("extern") {
        tokens.take("\"C\"");
    }
    if tokens.take("static") || tokens.take("inline") {
        let message = "a static or inline function is no symbol of the library";
        return Err(PrototypeError::new(&span, Mend::Handler, message));
    }
    Ok(())
}

fn function_name(tokens: &mut Tokens<'_>) -> Result<String, PrototypeError> {
    let span = tokens.span();
    match tokens.next() {
        Some(Token::Word(word)) => Ok(word.to_owned()),
        found => {
            let message = format!("the function's name was expected, not {}", Token::show(found));
            Err(PrototypeError::new(&span, Mend::Declaration, message))
        }
    }
}

/// What follows the opening parenthesis, through the closing one.
fn parameters(tokens: &mut Tokens<'_>) -> Result<Vec<Parameter>, PrototypeError> {
    let span = tokens.span();
    if tokens.take(")") {
        let message = "`()` leaves the parameters open";
        return Err(PrototypeError::new(&span, Mend::Void, message));
    }
    let mut parameters: Vec<Parameter> = Vec::new();
    if tokens.take_void_list() {
        return Ok(parameters);
    }
    loop {
        let parameter = parameter(tokens, parameters.len())?;
        if parameters.iter().any(|other| other.name == parameter.name) {
            let message = format!("two parameters are named `{}`", parameter.name);
            return Err(PrototypeError::new(&parameter.span, Mend::Declaration, message));
        }
        if parameters.len() == MAX_PARAMETERS {
            let message = format!("more than {MAX_PARAMETERS} parameters");
            return Err(PrototypeError::new(&parameter.span, Mend::Handler, message));
        }
        parameters.push(parameter);
        if tokens.take(")") {
            return Ok(parameters);
        }
        tokens.require(",")?;
    }
}

fn parameter(tokens: &mut Tokens<'_>, index: usize) -> Result<Parameter, PrototypeError> {
    let start = tokens.span();
    if tokens.take("...") {
        let message = "a function with `...` cannot be called from a prototype";
        return Err(PrototypeError::new(&start, Mend::Handler, message));
    }
    let declared = types::base(tokens)?;
    if tokens.peek() == Some(Token::Punct("(")) {
        let message = "a callback cannot come from a request";
        return Err(PrototypeError::new(&tokens.span(), Mend::Handler, message));
    }
    let name_at = tokens.span();
    let Some(Token::Word(name)) = tokens.peek() else {
        let message = format!("parameter {} has no name", index + 1);
        return Err(PrototypeError::new(&start, Mend::Declaration, message));
    };
    tokens.next();
    let more = array(tokens)?;
    let span = start.start..name_at.end;
    let ctype = types::parameter(&declared, more, &span)?;
    Ok(Parameter { name: name.to_owned(), ctype, written: declared.shown(more), span })
}

/// `[…]` after a name: one pointer more.
fn array(tokens: &mut Tokens<'_>) -> Result<usize, PrototypeError> {
    let mut stars = 0;
    while tokens.take("[") {
        while !tokens.take("]") {
            let span = tokens.span();
            if tokens.next().is_none() {
                return Err(PrototypeError::new(&span, Mend::Declaration, "`[` is never closed"));
            }
        }
        stars += 1;
    }
    Ok(stars)
}

fn end(tokens: &mut Tokens<'_>) -> Result<(), PrototypeError> {
    tokens.take(";");
    let span = tokens.span();
    match tokens.next() {
        None => Ok(()),
        found => {
            let message =
                format!("the declaration should end here, not go on with {}", Token::show(found));
            Err(PrototypeError::new(&span, Mend::Declaration, message))
        }
    }
}

#[cfg(test)]
mod tests;
