//! A prototype and its arguments become what the worker calls: every parameter bound, every argument a parameter.

use super::form::form;
use super::target::{Role, WRAP, constant, role};
use super::{bounds, failure, opening, parsed, response, value};
use crate::config::function::{Bound, Bounds, Input, ResponseBody, Target};
use crate::config::raw::{self, Binding, Field, Literal, Named, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::callee::{Callee, STDOUT};
use crate::ffi::prototype::{self, CType, Parameter, Pointee, Prototype};
use crate::ffi::signature::{Return, Signature, Slot};
use crate::ffi::value::{Scalar, Value};

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
    parameter: &'p Parameter,
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
    answerable(&declared, source);
    let bonds = bonds(&declared, source)?;
    opening::handles(raw, opening.as_ref().map(|(_, opening)| opening), &bonds, source);
    let slots = slots(&bonds, source);
    let outputs = outputs(&bonds);
    let returns = declared.prototype.returns;
    let success = failure::success(raw, returns, &outputs, source);
    let (failure, message) = failure::failure(raw, returns, source);
    let names: Vec<_> = outputs.iter().map(|(name, _)| name.clone()).collect();
    let response = response::response(raw, &names, &declared.prototype, source);
    let free = failure::free(raw, returns, source);
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
        prints: response.body == ResponseBody::Stdout,
    };
    let printed = callee.prints.then(|| STDOUT.to_owned());
    Some(Bound {
        prototype: text.clone(),
        init,
        callee,
        inputs: bonds.into_iter().filter_map(input).collect(),
        outputs: names.into_iter().chain(printed).collect(),
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

/// A pointer that comes back is nobody's to read.
fn answerable(declared: &Declared<'_>, source: &mut Source<'_>) {
    if declared.prototype.returns == Return::Pointer {
        let message = format!(
            "a function may return void, a number or a `char *`, not `{}`",
            declared.prototype.returned
        );
        let mend = "write it as `init` if it makes a handle; else wrap it in a handler of cofferdam.h, \
                    and write `handler` instead of `prototype`";
        source.complain(declared.span, "", Complaint::new(message, mend));
    }
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
        CType::Pointer { to: Pointee::Pointer, .. } if key == "init_arguments" => {
            "\"handle\"".to_owned()
        }
        CType::Pointer { to: Pointee::Pointer, .. } => "\"null\"".to_owned(),
        CType::Pointer { is_const: false, .. } => "{ buffer = \"64KiB\" }".to_owned(),
        CType::Pointer { .. } if key == "init_arguments" => "{ const = \"…\" }".to_owned(),
        CType::Scalar(_) if key == "init_arguments" => "0".to_owned(),
        _ => format!("{{ query = \"{name}\" }}"),
    };
    let message = format!("the parameter `{name}` is bound to nothing");
    let mut mend = format!("say where it comes from: {key} = {{ {name} = {suggestion}, … }}");
    if let CType::Pointer { to: Pointee::Opaque | Pointee::Pointer, .. } = parameter.ctype {
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

/// The names of the outputs; those that are numbers with their type.
fn outputs(bonds: &[Bond<'_>]) -> Vec<(String, Option<Scalar>)> {
    let output = |bond: &Bond<'_>| {
        let scalar = match bond.role {
            Role::Output(Slot::Out(scalar)) | Role::Input(Slot::InOut(scalar), ..) => Some(scalar),
            Role::Output(_) => None,
            _ => return None,
        };
        Some((bond.parameter.name.clone(), scalar))
    };
    bonds.iter().filter_map(output).collect()
}

/// The slots in C order, once all are bound; checks what lengths measure.
pub(super) fn slots(bonds: &[Bond<'_>], source: &mut Source<'_>) -> Vec<Slot> {
    let slots = bonds.iter().filter_map(|bond| slot(bond, bonds, source)).collect();
    for bond in bonds {
        let unmeasured = matches!(bond.role, Role::Input(_, Target::Bytes, _))
            && !bonds.iter().any(|other| measures(other, &bond.parameter.name));
        if unmeasured {
            let name = &bond.parameter.name;
            let message = format!("the function cannot know how long `{name}` is");
            let mend = format!(
                "bind a parameter to {{ len = \"{name}\" }}, or declare it as const char *{name}"
            );
            source.complain(&bond.span, "", Complaint::new(message, mend));
        }
    }
    slots
}

fn measures(bond: &Bond<'_>, name: &str) -> bool {
    matches!(&bond.role, Role::Length(_, of) | Role::BufferLength(_, of) if of == name)
}

fn slot(bond: &Bond<'_>, bonds: &[Bond<'_>], source: &mut Source<'_>) -> Option<Slot> {
    let (scalar, of, by_address) = match &bond.role {
        Role::Input(slot, ..) | Role::Output(slot) | Role::Given(slot) => return Some(*slot),
        Role::Length(scalar, of) => (*scalar, of, false),
        Role::BufferLength(scalar, of) => (*scalar, of, true),
    };
    let index = bonds.iter().position(|other| other.parameter.name == *of);
    let measured = index.map(|index| &bonds[index].role);
    let fits = match measured {
        Some(Role::Output(Slot::Buffer { .. })) => true,
        Some(Role::Input(Slot::Text | Slot::Bytes, ..)) => !by_address,
        _ => false,
    };
    if !fits {
        let wanted = if by_address {
            "a parameter bound to { buffer = … }"
        } else {
            "a string, bytes or a buffer"
        };
        let message = format!("`{of}` has no length: it must be {wanted}");
        let mend = "name another parameter in { len = \"…\" }";
        source.complain(&bond.span, "", Complaint::new(message, mend));
        return None;
    }
    let of = u16::try_from(index?).ok()?;
    Some(match by_address {
        true => Slot::BufferLength { of, scalar },
        false => Slot::Length { of, scalar },
    })
}
