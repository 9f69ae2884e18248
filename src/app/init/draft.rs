//! One function as it would be configured, guessed from its declaration.

use std::collections::HashMap;

use super::spelling::{is_word, spelling};
use crate::app::elf::types::{Declaration, Type};
use crate::ffi::prototype::{self, CType, Parameter, Pointee, Prototype, Put};
use crate::ffi::signature::Return;
use crate::ffi::value::Scalar;

/// What is written of a function.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Keys and values, in order.
    pub(super) keys: Vec<(&'static str, String)>,
    /// It takes the body.
    pub(super) is_posted: bool,
    /// Why it cannot be called as it stands.
    pub(super) problem: Option<String>,
    /// What else could be said.
    pub(super) hints: Vec<&'static str>,
}

/// Of the function `name`; `all` are the declarations of the whole library.
pub(super) fn draft(
    name: &str,
    declared: Option<&Declaration>,
    all: &HashMap<String, Declaration>,
) -> Draft {
    let Some(declared) = declared else { return undeclared(name) };
    if is_handler(declared) {
        let keys = vec![("handler", format!("\"{name}\""))];
        return Draft { keys, is_posted: false, ..Draft::default() };
    }
    let written = match written(name, declared) {
        Ok(written) => written,
        Err(problem) => {
            let problem = format!("{problem}: wrap it in a handler of cofferdam.h");
            return Draft { problem: Some(problem), ..undeclared(name) };
        }
    };
    match prototype::parse(&written) {
        Ok(prototype) => guess(&prototype, all),
        Err(problem) => Draft { problem: Some(problem.to_string()), ..undeclared(name) },
    }
}

fn undeclared(name: &str) -> Draft {
    Draft {
        keys: vec![("prototype", format!("\"int {name}(void)\"    # paste it from the header"))],
        problem: Some("nothing is known of it but its name".into()),
        ..Draft::default()
    }
}

/// `int NAME(cof_request *, cof_response *)`.
fn is_handler(declared: &Declaration) -> bool {
    let points_to = |index: usize, name: &str| match declared.parameters.get(index) {
        Some((_, Type::Pointer(target))) => target.names().contains(&name),
        _ => false,
    };
    declared.parameters.len() == 2 && points_to(0, "cof_request") && points_to(1, "cof_response")
}

/// Its declaration, in words that a prototype knows.
fn written(name: &str, declared: &Declaration) -> Result<String, &'static str> {
    if declared.is_variadic {
        return Err("takes `...`");
    }
    let mut names: Vec<String> = Vec::new();
    let mut parameters = Vec::new();
    for (index, (given, found)) in declared.parameters.iter().enumerate() {
        let given = given.clone().filter(|given| is_word(Some(given)) && !names.contains(given));
        let parameter = given.unwrap_or_else(|| format!("arg{}", index + 1));
        parameters.push(format!("{} {parameter}", spelling(found)?));
        names.push(parameter);
    }
    let parameters = if parameters.is_empty() { "void".into() } else { parameters.join(", ") };
    Ok(format!("{} {name}({parameters})", spelling(&declared.returns)?))
}

fn guess(prototype: &Prototype, all: &HashMap<String, Declaration>) -> Draft {
    let mut draft =
        Draft { keys: vec![("prototype", format!("\"{prototype}\""))], ..Draft::default() };
    let guessed = arguments(prototype);
    let is_measured = guessed.iter().any(|guess| guess.form == OF_RETURN);
    if prototype.returns == Return::Pointer && !is_measured {
        draft.problem =
            Some("returns a pointer: if it makes a handle, it is the `init` of others".into());
    }
    draft.is_posted = guessed.iter().any(|guess| guess.form == "\"body\"");
    if let Some(guess) = guessed.iter().find(|guess| guess.form == "\"handle\"") {
        draft.problem = Some(format!(
            "`{}` is a handle: name what makes it as `init`{}",
            guess.name,
            makers(prototype, guess.name, all)
        ));
    }
    if let Some(guess) = guessed.iter().find(|guess| guess.form.is_empty()) {
        draft.problem = Some(format!(
            "nobody can tell what `{}` is: bind it, or wrap the function in a handler",
            guess.name
        ));
    }
    let form = |guess: &Guess<'_>| match guess.form.as_str() {
        "" => format!("{} = \"…\"", guess.name),
        form => format!("{} = {form}", guess.name),
    };
    let bound: Vec<_> = guessed.iter().map(form).collect();
    if !bound.is_empty() {
        draft.keys.push(("arguments", format!("{{ {} }}", bound.join(", "))));
    }
    draft.keys.extend(response(prototype, &guessed).map(|response| ("response", response)));
    draft.hints = hints(prototype);
    let mut forms = guessed.iter().map(|guess| guess.form.as_str());
    if forms.any(|form| form.starts_with("{ buffer")) && !draft.is_posted {
        draft.hints.push(IN_PLACE);
    }
    if guessed.iter().any(|guess| guess.form == OF_RETURN || is_put(prototype, guess)) {
        draft.hints.push(FREE);
    }
    draft
}

/// The length of what is returned.
const OF_RETURN: &str = "{ len = \"return\" }";

const FREE: &str = "free    = \"free\"       # if what it hands out is the caller's to free";

const IN_PLACE: &str = "a buffer that the function changes in place begins with its input: { body = true, buffer = … }";

/// What the library puts where a pointer points.
fn is_put(prototype: &Prototype, guess: &Guess<'_>) -> bool {
    let parameter = prototype.parameters.iter().find(|parameter| parameter.name == guess.name);
    let ctype = parameter.map(|parameter| parameter.ctype);
    guess.form == OUT && matches!(ctype, Some(CType::Pointer { to: Pointee::Pointer(_), .. }))
}

/// The one buffer, or all that comes back where there is more.
fn response(prototype: &Prototype, guessed: &[Guess<'_>]) -> Option<String> {
    let is_bytes =
        |guess: &Guess<'_>| guess.form.starts_with("{ buffer") || is_put(prototype, guess);
    let outputs = guessed.iter().filter(|guess| guess.form == OUT || is_bytes(guess));
    let names: Vec<_> = outputs.clone().map(|guess| guess.name).collect();
    if let ([name], true) = (names.as_slice(), outputs.clone().any(is_bytes)) {
        return Some(format!("{{ body = \"{name}\" }}"));
    }
    if names.len() < 2 {
        return None;
    }
    let returned = Some("return").filter(|_| prototype.returns != Return::Void);
    let members: Vec<_> =
        returned.into_iter().chain(names).map(|name| format!("{name} = \"{name}\"")).collect();
    Some(format!("{{ json = {{ {} }} }}", members.join(", ")))
}

/// Functions that return what a parameter takes.
fn makers(prototype: &Prototype, name: &str, all: &HashMap<String, Declaration>) -> String {
    let wanted = prototype.parameters.iter().find(|parameter| parameter.name == name);
    let wanted = wanted.map(|parameter| parameter.written.trim_start_matches("const "));
    let returns = |declared: &Declaration| spelling(&declared.returns).ok();
    let mut makers: Vec<&str> = all
        .iter()
        .filter(|(_, declared)| returns(declared).as_deref() == wanted)
        .map(|(name, _)| name.as_str())
        .collect();
    makers.sort_unstable();
    makers.truncate(3);
    if makers.is_empty() { String::new() } else { format!(", perhaps {}", makers.join(" or ")) }
}

fn hints(prototype: &Prototype) -> Vec<&'static str> {
    let is_null = "success = \"!= null\"    # if null is a failure";
    match prototype.returns {
        Return::Scalar(Scalar::I32 | Scalar::I64) => {
            vec!["success = \"== 0\"    # if that is what its return means"]
        }
        Return::Text if prototype.returned.starts_with("const ") => vec![is_null],
        Return::Text => {
            vec![is_null, FREE]
        }
        _ => Vec::new(),
    }
}

/// Set by the function.
const OUT: &str = "\"out\"";

/// A parameter, and what it is bound to; nothing: nobody can tell.
struct Guess<'p> {
    name: &'p str,
    form: String,
}

/// One for each parameter; a number after bytes is their length.
fn arguments(prototype: &Prototype) -> Vec<Guess<'_>> {
    let mut guesses: Vec<Guess<'_>> = Vec::new();
    let mut measured: Option<(&str, bool)> = None;
    let mut has_body = false;
    for (index, parameter) in prototype.parameters.iter().enumerate() {
        let next = prototype.parameters.get(index + 1);
        let name = parameter.name.as_str();
        let length = measured.take().filter(|(_, is_output)| is_length(parameter, *is_output));
        let form = match (length, parameter.ctype) {
            (Some((of, _)), _) => format!("{{ len = \"{of}\" }}"),
            (None, CType::Pointer { to: Pointee::Pointer(Put::Text), .. }) => OUT.into(),
            (None, CType::Pointer { to: Pointee::Pointer(Put::Bytes), .. })
                if next.is_some_and(is_length_out) =>
            {
                measured = Some((name, true));
                OUT.into()
            }
            (None, CType::Pointer { .. })
                if next.is_none()
                    && prototype.returns_bytes
                    && prototype.returns != Return::Text
                    && is_length_out(parameter) =>
            {
                OF_RETURN.into()
            }
            (None, CType::Pointer { to: Pointee::Opaque | Pointee::Pointer(_), .. }) => {
                "\"handle\"".into()
            }
            (None, CType::Pointer { to: Pointee::Scalar(_), is_const }) => {
                if is_const {
                    String::new()
                } else {
                    OUT.into()
                }
            }
            (None, CType::Pointer { to, is_const: false }) => {
                let is_measured = next.is_some_and(|next| is_length(next, true));
                measured = is_measured.then_some((name, true));
                let is_lone = to == Pointee::Void && !is_measured;
                if is_lone { String::new() } else { "{ buffer = \"64KiB\" }".into() }
            }
            (None, CType::Pointer { to: Pointee::Bytes | Pointee::Void, is_const: true }) => {
                measured = next.filter(|next| is_length(next, false)).map(|_| (name, false));
                let from = if has_body { query(name) } else { "\"body\"".into() };
                has_body = true;
                if measured.is_some() { from } else { String::new() }
            }
            (None, CType::Pointer { .. } | CType::Scalar(_)) => query(name),
        };
        guesses.push(Guess { name, form });
    }
    guesses
}

fn query(name: &str) -> String {
    format!("{{ query = \"{name}\" }}")
}

/// The address of an integer wide enough.
fn is_length_out(parameter: &Parameter) -> bool {
    matches!(parameter.ctype, CType::Pointer { .. }) && is_length(parameter, true)
}

/// An integer wide enough; of an output also the address of one.
fn is_length(parameter: &Parameter, is_output: bool) -> bool {
    let wide = |scalar| matches!(scalar, Scalar::I32 | Scalar::U32 | Scalar::I64 | Scalar::U64);
    match parameter.ctype {
        CType::Scalar(scalar) => wide(scalar),
        CType::Pointer { to: Pointee::Scalar(scalar), is_const: false } => {
            is_output && wide(scalar)
        }
        CType::Pointer { .. } => false,
    }
}
