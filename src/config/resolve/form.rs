//! What an argument is bound to: one of the forms, from a word, a constant or a table of which exactly one key is written.

use http::HeaderName;

use crate::config::raw::{Argument, Binding, Field, Literal, closest, list};
use crate::config::source::Complaint;

/// Where a parameter comes from, or goes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Body,
    Query(String),
    Path(String),
    Header(HeaderName),
    Cookie(String),
    Field(String),
    Json(String),
    RequestId,
    TimeLeft,
    /// What `init` made.
    Handle,
    Null,
    Constant(Literal),
    /// The length of another parameter.
    Length(String),
    /// The size of another parameter's memory.
    Capacity(String),
    /// Memory of this many bytes.
    Buffer(u64),
    /// The same, that begins with what comes from a source.
    Begun(Box<Form>, u64),
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

/// Short forms.
const WORDS: [(&str, Form); 6] = [
    ("body", Form::Body),
    ("out", Form::Out),
    ("handle", Form::Handle),
    ("null", Form::Null),
    ("request_id", Form::RequestId),
    ("time_left_ms", Form::TimeLeft),
];

fn word(word: &str, parameter: &str) -> Result<Form, Complaint> {
    let known = WORDS.into_iter().find(|(name, _)| *name == word);
    known.map(|(_, form)| form).ok_or_else(|| {
        let names: Vec<_> = WORDS.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let mend = match closest(word, WORDS.iter().map(|(name, _)| *name)) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => format!(
                "write {}, {{ query = \"{parameter}\" }}, or a constant string as {{ const = \"{word}\" }}",
                names.join(", ")
            ),
        };
        Complaint::new(format!("`{word}` is no place an argument comes from"), mend)
    })
}

/// Sources that a request may not have.
const MAY_LACK: [&str; 5] = ["query", "header", "cookie", "form", "json"];

fn from_table(table: &Argument, parameter: &str) -> Result<Option<Form>, Complaint> {
    let written = written(table);
    if let Some(Field { value: Some(false), .. }) = &table.body {
        let message = "`body = false` says nothing";
        return Err(Complaint::new(message, "write body = true, or where else it comes from"));
    }
    match written.as_slice() {
        [_] => {}
        [source, "buffer"] if !["len", "capacity"].contains(source) => {}
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
    if table.default.is_some() && !MAY_LACK.contains(&written[0]) {
        let message = format!("a default beside `{}` would never be taken", written[0]);
        let mend = format!("a default goes with {}: remove it", list(&MAY_LACK));
        return Err(Complaint::new(message, mend));
    }
    the_one(table)
}

/// The names of the keys that say where from.
fn written(table: &Argument) -> Vec<&'static str> {
    let keys = [
        ("body", table.body.is_some()),
        ("query", table.query.is_some()),
        ("path", table.path.is_some()),
        ("header", table.header.is_some()),
        ("cookie", table.cookie.is_some()),
        ("form", table.form.is_some()),
        ("json", table.json.is_some()),
        ("const", table.constant.is_some()),
        ("len", table.len.is_some()),
        ("capacity", table.capacity.is_some()),
        ("buffer", table.buffer.is_some()),
    ];
    keys.into_iter().filter(|(_, written)| *written).map(|(key, _)| key).collect()
}

/// The form of a table with one of the keys, or with a source and a buffer.
fn the_one(table: &Argument) -> Result<Option<Form>, Complaint> {
    let source = source(table)?;
    match &table.buffer {
        None => Ok(source),
        Some(Field { value: None, .. }) => Ok(None),
        Some(Field { value: Some(size), .. }) => {
            let size = buffer(size.0)?;
            let is_alone = written(table) == ["buffer"];
            let begun = source.map(|source| Form::Begun(Box::new(source), size));
            Ok(if is_alone { Some(Form::Buffer(size)) } else { begun })
        }
    }
}

/// What is no buffer.
fn source(table: &Argument) -> Result<Option<Form>, Complaint> {
    fn text(field: Option<&Field<String>>) -> Option<String> {
        field.and_then(|field| field.value.clone())
    }
    if let Some(name) = text(table.header.as_ref()) {
        return header(&name).map(|name| Some(Form::Header(name)));
    }
    if let Some(pointer) = text(table.json.as_ref()) {
        return self::pointer(pointer).map(Some);
    }
    if let Some(name) = text(table.cookie.as_ref()) {
        return cookie(name).map(Some);
    }
    let constant = table.constant.as_ref().and_then(|field| field.value.clone());
    let forms = [
        table.body.as_ref().and_then(|field| field.value).map(|_| Form::Body),
        text(table.query.as_ref()).map(Form::Query),
        text(table.path.as_ref()).map(Form::Path),
        text(table.form.as_ref()).map(Form::Field),
        text(table.len.as_ref()).map(Form::Length),
        text(table.capacity.as_ref()).map(Form::Capacity),
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

/// RFC 6901 section 3.
fn pointer(text: String) -> Result<Form, Complaint> {
    let is_escape = |after: &str| after.starts_with(['0', '1']);
    let starts = text.is_empty() || text.starts_with('/');
    if starts && text.split('~').skip(1).all(is_escape) {
        return Ok(Form::Json(text));
    }
    let mend = format!(
        "write it as \"/{}\": a / before each name, ~0 for ~ and ~1 for / inside one",
        text.replace('~', "~0").replace('.', "/")
    );
    Err(Complaint::new(format!("`{text}` is no JSON Pointer"), mend))
}

/// A token (RFC 6265 section 4.1.1).
fn cookie(name: String) -> Result<Form, Complaint> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) => Ok(Form::Cookie(name)),
        Err(_) => Err(Complaint::new(
            format!("`{name}` is no name of a cookie"),
            "write it as \"session\"",
        )),
    }
}

fn buffer(bytes: u64) -> Result<u64, Complaint> {
    if bytes > MAX_BUFFER {
        let mend = "write { buffer = \"256MiB\" } or less, or stream the answer from a `handler`";
        return Err(Complaint::new("a buffer has at most 256MiB", mend));
    }
    Ok(bytes)
}
