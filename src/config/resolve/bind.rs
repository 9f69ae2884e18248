//! A prototype and its arguments become what the worker calls: every parameter bound, every argument a parameter.

use super::form::form;
use super::outputs::outputs;
use super::target::{Role, WRAP, constant, role};
use super::{bounds, failure, opening, parsed, response, value};
use crate::config::function::{Bound, Bounds, Input, Target};
use crate::config::raw::{self, Binding, Field, Literal, Named, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::callee::{Callee, STDOUT};
use crate::ffi::prototype::{self, CType, Parameter, Pointee, Prototype, Put};
use crate::ffi::signature::{Return, Signature, Slot};
use crate::ffi::value::Value;

/// A prototype with its place, and the arguments for it.
pub(super) struct Declared<'f> {
    pub(super) prototype: Prototype,
    pub(super) text: &'f str,
    pub(super) span: &'f Span,
    pub(super) arguments: &'f [Argument],
    /// The key of the arguments.
    pub(super) key: &'static str,
}

/// A parameter's name and what it is bound to.
pub(super) type Argument = (Field<String>, Field<Binding>);

/// One parameter with what it was bound to.
pub(super) struct Bond<'p> {
    pub(super) parameter: &'p Parameter,
    pub(super) role: Role,
    default: Option<Value>,
    bounds: Bounds,
    pub(super) span: Span,
}

/// Binds the prototype of a function; `None` after noting what does not fit.
pub(super) fn bind(raw: &raw::Function, source: &mut Source<'_>) -> Option<Bound> {
    let field = raw.prototype.as_ref()?;
    let text = field.value.as_ref()?;
    let before = source.problems.len();
    let prototype = declaration(field, source);
    let opening = opening::opening(raw, source);
    let declared = Declared {
        prototype: prototype?,
        text,
        span: &field.span,
        arguments: arguments(raw.arguments.as_ref()),
        key: "arguments",
    };
    let bonds = bonds(&declared, source)?;
    let returns = returns(&declared, &bonds, source);
    opening::handles(raw, opening.as_ref().map(|(_, opening)| opening), &bonds, source);
    let slots = slots(&bonds, source);
    let outputs = outputs(&bonds);
    let success = failure::success(raw, returns, &outputs, source);
    let (failure, message) = failure::failure(raw, returns, source);
    let response = response::response(raw, &outputs, (&declared.prototype, returns), source);
    let hands_out = matches!(returns, Return::Text | Return::Bytes)
        || slots.iter().any(|slot| matches!(slot, Slot::PutText | Slot::PutBytes));
    let free = failure::free(raw, hands_out, source);
    if source.problems.len() > before {
        return None;
    }
    let (init, opening) = opening.unzip();
    let callee = Callee {
        symbol: declared.prototype.name.clone(),
        signature: Signature { returns, slots },
        opening,
        free,
        success,
        message,
        prints: response.body.prints(),
    };
    let printed = callee.prints.then(|| STDOUT.to_owned());
    Some(Bound {
        prototype: text.clone(),
        init,
        callee,
        inputs: bonds.into_iter().filter_map(input).collect(),
        outputs: outputs.into_iter().map(|output| output.name).chain(printed).collect(),
        response,
        failure,
    })
}

/// Reads a declaration.
pub(super) fn declaration(field: &Field<String>, source: &mut Source<'_>) -> Option<Prototype> {
    parsed(Some(field), source, |text| {
        prototype::parse(text).map_err(|error| {
            Complaint::new(error.message, error.mend.to_string()).part(&error.span)
        })
    })
}

/// What comes back, now that it is known whether something says how long it is: any other pointer is nobody's to read.
fn returns(declared: &Declared<'_>, bonds: &[Bond<'_>], source: &mut Source<'_>) -> Return {
    let Prototype { returns, returned, returns_bytes, .. } = &declared.prototype;
    let is_length = |bond: &&Bond<'_>| matches!(bond.role, Role::Given(Slot::ReturnLength(_)));
    let mut lengths = bonds.iter().filter(is_length);
    if let Some(length) = lengths.next() {
        if let Some(second) = lengths.next() {
            let message = "what is returned has one length";
            let problem = Problem::at(&second.span, message).also(&length.span, "the other");
            source.wrong(problem.help("bind it to \"out\" or \"null\""));
        }
        if !returns_bytes {
            let message = format!("`{returned}` has no length");
            let mend = "declare a return of uint8_t *, void * or char *, or bind it to \"out\"";
            source.complain(&length.span, "", Complaint::new(message, mend));
        }
        return Return::Bytes;
    }
    if *returns == Return::Pointer {
        let message =
            format!("a function may return void, a number or a `char *`, not `{returned}`");
        let wrap = format!("else {WRAP}");
        let mend = match returns_bytes {
            true => format!(
                "bind a size_t * to {{ len = \"return\" }} if it returns bytes; write it as `init` if it \
                 makes a handle; {wrap}"
            ),
            false => format!("write it as `init` if it makes a handle; {wrap}"),
        };
        source.complain(declared.span, "", Complaint::new(message, mend));
    }
    *returns
}

pub(super) fn arguments(field: Option<&Field<Named<Binding>>>) -> &[Argument] {
    value(field).map(|Named(entries)| entries.as_slice()).unwrap_or_default()
}

/// Every argument must be a parameter.
fn unknown_arguments(declared: &Declared<'_>, source: &mut Source<'_>) {
    let names: Vec<_> = declared.prototype.parameters.iter().map(|p| p.name.as_str()).collect();
    for (key, _) in declared.arguments {
        let name = key.value.as_deref().unwrap_or_default();
        if names.contains(&name) {
            continue;
        }
        let mend = match closest(name, names.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None if names.is_empty() => "the prototype has no parameters: remove it".into(),
            None => format!("the parameters are {}", list(&names)),
        };
        let message = format!("the prototype has no parameter `{name}`");
        source.wrong(Problem::at(&key.span, message).help(mend));
    }
}

/// Every parameter must be bound, and every argument be a parameter; `None` where some are not.
pub(super) fn bonds<'p>(
    declared: &'p Declared<'_>,
    source: &mut Source<'_>,
) -> Option<Vec<Bond<'p>>> {
    unknown_arguments(declared, source);
    let mut bonds = Vec::new();
    for parameter in &declared.prototype.parameters {
        let mut arguments = declared.arguments.iter();
        match arguments.find(|(key, _)| key.value.as_ref() == Some(&parameter.name)) {
            Some((_, field)) => bonds.extend(bond(parameter, field, source)),
            None => {
                source.complain(declared.span, declared.text, unbound(parameter, declared.key));
            }
        }
    }
    (bonds.len() == declared.prototype.parameters.len()).then_some(bonds)
}

fn unbound(parameter: &Parameter, key: &str) -> Complaint {
    let name = &parameter.name;
    let suggestion = match parameter.ctype {
        CType::Pointer { to: Pointee::Scalar(_), .. } => "\"out\"".to_owned(),
        CType::Pointer { to: Pointee::Opaque, .. } => "\"handle\"".to_owned(),
        CType::Pointer { to: Pointee::Pointer(_), .. } if key == "init_arguments" => {
            "\"handle\"".to_owned()
        }
        CType::Pointer { to: Pointee::Pointer(Put::Text | Put::Bytes), .. } => "\"out\"".to_owned(),
        CType::Pointer { to: Pointee::Pointer(_), .. } => "\"null\"".to_owned(),
        CType::Pointer { is_const: false, .. } => "{ buffer = \"64KiB\" }".to_owned(),
        CType::Pointer { .. } if key == "init_arguments" => "{ const = \"…\" }".to_owned(),
        CType::Scalar(_) if key == "init_arguments" => "0".to_owned(),
        _ => format!("{{ query = \"{name}\" }}"),
    };
    let message = format!("the parameter `{name}` is bound to nothing");
    let mut mend = format!("say where it comes from: {key} = {{ {name} = {suggestion}, … }}");
    if let CType::Pointer { to: Pointee::Opaque | Pointee::Pointer(_), .. } = parameter.ctype {
        mend += &format!("; where that will not do, {WRAP}");
    }
    Complaint::new(message, mend).part(&parameter.span)
}

fn bond<'p>(
    parameter: &'p Parameter,
    field: &Field<Binding>,
    source: &mut Source<'_>,
) -> Option<Bond<'p>> {
    let binding = field.value.as_ref()?;
    let role = form(binding, &parameter.name).and_then(|form| match form {
        Some(form) => role(parameter.ctype, form).map(Some),
        None => Ok(None),
    });
    match role {
        Ok(role) => {
            let role = role?;
            let default = default(binding, &role, source);
            let bounds = bounds::bounds(binding, &role, default.as_ref(), source);
            Some(Bond { parameter, role, default, bounds, span: field.span.clone() })
        }
        Err(complaint) => {
            source.complain(&field.span, "", complaint);
            None
        }
    }
}

/// The default beside a source, cut to the parameter's type.
fn default(binding: &Binding, role: &Role, source: &mut Source<'_>) -> Option<Value> {
    let (Binding::Table(table), Role::Input(_, target, _)) = (binding, role) else { return None };
    let field: &Field<Literal> = table.default.as_ref()?;
    match constant(field.value.as_ref()?, *target) {
        Ok(value) => Some(value),
        Err(complaint) => {
            source.complain(&field.span, "", complaint);
            None
        }
    }
}

fn input(bond: Bond<'_>) -> Option<Input> {
    let Role::Input(_, target, source) = bond.role else { return None };
    let parameter = bond.parameter.name.clone();
    Some(Input { parameter, target, source, bounds: bond.bounds, default: bond.default })
}

/// The slots in C order, once all are bound; checks what lengths measure.
pub(super) fn slots(bonds: &[Bond<'_>], source: &mut Source<'_>) -> Vec<Slot> {
    let slots = bonds.iter().filter_map(|bond| slot(bond, bonds, source)).collect();
    for bond in bonds {
        let name = &bond.parameter.name;
        let is_told = |by_address| bonds.iter().any(|other| measures(other, name, by_address));
        let (what, mend) = match bond.role {
            Role::Input(_, Target::Bytes, _) if !is_told(false) => (
                format!("the function cannot know how long `{name}` is"),
                format!(
                    "bind a parameter to {{ len = \"{name}\" }}, or declare it as const char *{name}"
                ),
            ),
            Role::Output(Slot::PutBytes) if !is_told(true) => (
                format!("nobody can know how long what the function puts in `{name}` is"),
                format!("bind a size_t * to {{ len = \"{name}\" }}, or {WRAP}"),
            ),
            _ => continue,
        };
        source.complain(&bond.span, "", Complaint::new(what, mend));
    }
    slots
}

fn measures(bond: &Bond<'_>, name: &str, by_address: bool) -> bool {
    match &bond.role {
        Role::Length(_, of) | Role::Capacity(_, of) => of == name && !by_address,
        Role::BufferLength(_, of) => of == name,
        _ => false,
    }
}

fn slot(bond: &Bond<'_>, bonds: &[Bond<'_>], source: &mut Source<'_>) -> Option<Slot> {
    let (of, wanted) = match &bond.role {
        Role::Input(slot, ..) | Role::Output(slot) | Role::Given(slot) => return Some(*slot),
        Role::Length(_, of) => (of, "a string, bytes or a buffer"),
        Role::BufferLength(_, of) => {
            (of, "a parameter bound to { buffer = … }, or a uint8_t ** bound to \"out\"")
        }
        Role::Capacity(_, of) => (of, "a parameter bound to { buffer = … }"),
    };
    let index = bonds.iter().position(|other| other.parameter.name == *of);
    let measured = index.and_then(|index| match &bonds[index].role {
        Role::Output(slot) | Role::Input(slot, ..) => Some(*slot),
        _ => None,
    });
    let place = index.and_then(|index| u16::try_from(index).ok());
    let found = place.zip(measured).and_then(|(of, measured)| match (&bond.role, measured) {
        (Role::Length(scalar, _), Slot::Buffer { .. } | Slot::Text | Slot::Bytes) => {
            Some(Slot::Length { of, scalar: *scalar })
        }
        (Role::BufferLength(scalar, _), Slot::Buffer { .. } | Slot::PutBytes) => {
            Some(Slot::BufferLength { of, scalar: *scalar })
        }
        (Role::Capacity(scalar, _), Slot::Buffer { .. }) => {
            Some(Slot::Capacity { of, scalar: *scalar })
        }
        _ => None,
    });
    if found.is_none() {
        let (thing, key) = match bond.role {
            Role::Capacity(..) => ("memory of a size", "capacity"),
            _ => ("length", "len"),
        };
        let message = format!("`{of}` has no {thing}: it must be {wanted}");
        let mend = format!("name another parameter in {{ {key} = \"…\" }}");
        source.complain(&bond.span, "", Complaint::new(message, mend));
    }
    found
}
