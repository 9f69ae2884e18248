//! What an argument is bound to: one of the forms, from a word, a constant or a table of which exactly one key is written.

use http::HeaderName;

use crate::config::raw::{Argument, Binding, Field, Literal, list};
use crate::config::source::Complaint;

/// Where a parameter comes from, or goes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Body,
    Query(String),
    Path(String),
    Header(HeaderName),
    Constant(Literal),
    /// The length of another parameter.
    Length(String),
    /// Memory of this many bytes.
    Buffer(u64),
    /// A scalar that the function sets.
    Out,
}

/// The most bytes a buffer may have: it is zeroed for each call.
const MAX_BUFFER: u64 = 256 << 20;

/// The form of a binding; `None` where its parts were wrong, which has been said.
pub(super) fn form(binding: &Binding, parameter: &str) -> Result<Option<Form>, Complaint> {
    match binding {
        Binding::Word(word) => self::word(word, parameter).map(Some),
        Binding::Constant(literal) => Ok(Some(Form::Constant(literal.clone()))),
        Binding::Table(table) => from_table(table, parameter),
    }
}

fn word(word: &str, parameter: &str) -> Result<Form, Complaint> {
    match word {
        "body" => Ok(Form::Body),
        "out" => Ok(Form::Out),
        _ => {
            let mend = format!(
                "write \"body\", \"out\", {{ query = \"{parameter}\" }}, \
                 or a constant string as {{ const = \"{word}\" }}"
            );
            Err(Complaint::new(format!("`{word}` is no place an argument comes from"), mend))
        }
    }
}

fn from_table(table: &Argument, parameter: &str) -> Result<Option<Form>, Complaint> {
    let written = written(table);
    match written.as_slice() {
        [_] => {}
        [] if !table.meant.is_empty() => return Ok(None),
        [] => {
            let mend =
                format!("write where it comes from: {parameter} = {{ query = \"{parameter}\" }}");
            return Err(Complaint::new(format!("`{parameter}` comes from nowhere"), mend));
        }
        _ => {
            let message = format!("`{parameter}` has {} at once", list(&written));
            return Err(Complaint::new(message, "an argument has one source: keep one of them"));
        }
    }
    if table.default.is_some() && table.query.is_none() && table.header.is_none() {
        let message = format!("a default beside `{}` would never be taken", written[0]);
        return Err(Complaint::new(message, "a default goes with query or header: remove it"));
    }
    the_one(table)
}

/// The names of the keys that say where from.
fn written(table: &Argument) -> Vec<&'static str> {
    let keys = [
        ("query", table.query.is_some()),
        ("path", table.path.is_some()),
        ("header", table.header.is_some()),
        ("const", table.constant.is_some()),
        ("len", table.len.is_some()),
        ("buffer", table.buffer.is_some()),
    ];
    keys.into_iter().filter(|(_, written)| *written).map(|(key, _)| key).collect()
}

/// The form of a table with one of the keys.
fn the_one(table: &Argument) -> Result<Option<Form>, Complaint> {
    fn text(field: Option<&Field<String>>) -> Option<String> {
        field.and_then(|field| field.value.clone())
    }
    if let Some(name) = text(table.header.as_ref()) {
        return header(&name).map(|name| Some(Form::Header(name)));
    }
    if let Some(Field { value: Some(size), .. }) = &table.buffer {
        return buffer(size.0).map(Some);
    }
    let constant = table.constant.as_ref().and_then(|field| field.value.clone());
    let forms = [
        text(table.query.as_ref()).map(Form::Query),
        text(table.path.as_ref()).map(Form::Path),
        text(table.len.as_ref()).map(Form::Length),
        constant.map(Form::Constant),
    ];
    Ok(forms.into_iter().flatten().next())
}

/// A header's name, lower-cased.
pub(super) fn header(name: &str) -> Result<HeaderName, Complaint> {
    let parsed = HeaderName::from_bytes(name.as_bytes());
    parsed.map_err(|_| {
        Complaint::new(format!("`{name}` is no header name"), "write it as \"x-request-id\"")
    })
}

fn buffer(bytes: u64) -> Result<Form, Complaint> {
    if bytes > MAX_BUFFER {
        let mend = "write { buffer = \"256MiB\" } or less, or stream the answer from a `handler`";
        return Err(Complaint::new("a buffer has at most 256MiB", mend));
    }
    Ok(Form::Buffer(bytes))
}
