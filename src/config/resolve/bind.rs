//! A prototype and its arguments become what the worker calls: every parameter bound, every argument a parameter.

use super::form::form;
use super::response;
use super::target::{Role, constant, role};
use super::{parsed, value};
use crate::config::function::{Bound, Input, Target};
use crate::config::raw::{self, Binding, Field, Literal, Named, closest, list};
use crate::config::report::{Problem, Span};
use crate::config::source::{Complaint, Source};
use crate::ffi::prototype::{self, CType, Parameter, Pointee, Prototype};
use crate::ffi::signature::{Signature, Slot};

/// A prototype with its place.
struct Declared<'f> {
    prototype: Prototype,
    text: &'f str,
    span: &'f Span,
}

/// One parameter with what it was bound to.
struct Bond<'p> {
    parameter: &'p Parameter,
    role: Role,
    default: Option<crate::ffi::value::Value>,
    span: Span,
}

/// Binds the prototype of a function; `None` after noting what does not fit.
pub(super) fn bind(raw: &raw::Function, source: &mut Source<'_>) -> Option<Bound> {
    let field = raw.prototype.as_ref()?;
    let text = field.value.as_ref()?;
    let prototype = parsed(Some(field), source, |text| {
        prototype::parse(text).map_err(|error| {
            Complaint::new(error.message, error.mend.to_string()).part(&error.span)
        })
    })?;
    let declared = Declared { prototype, text, span: &field.span };
    let before = source.problems.len();
    unknown_arguments(raw, &declared, source);
    let success = response::success(raw, declared.prototype.returns, source);
    let failure_status = response::failure_status(raw, source);
    let bonds = bonds(raw, &declared, source);
    if bonds.len() < declared.prototype.parameters.len() {
        return None;
    }
    let slots = slots(&bonds, source);
    let outputs = outputs(&bonds);
    let returns = declared.prototype.returns;
    let response = response::response(raw, &outputs, &declared.prototype, source);
    if source.problems.len() > before {
        return None;
    }
    Some(Bound {
        symbol: declared.prototype.name.clone(),
        prototype: text.clone(),
        signature: Signature { returns, slots },
        inputs: bonds.into_iter().filter_map(input).collect(),
        outputs,
        success,
        response,
        failure_status,
    })
}

fn arguments(raw: &raw::Function) -> &[(Field<String>, Field<Binding>)] {
    value(raw.arguments.as_ref()).map(|Named(entries)| entries.as_slice()).unwrap_or_default()
}

/// Every argument must be a parameter.
fn unknown_arguments(raw: &raw::Function, declared: &Declared<'_>, source: &mut Source<'_>) {
    let names: Vec<_> = declared.prototype.parameters.iter().map(|p| p.name.as_str()).collect();
    for (key, _) in arguments(raw) {
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

/// Every parameter must be bound.
fn bonds<'p>(
    raw: &raw::Function,
    declared: &'p Declared<'_>,
    source: &mut Source<'_>,
) -> Vec<Bond<'p>> {
    let mut bonds = Vec::new();
    for parameter in &declared.prototype.parameters {
        let bound =
            arguments(raw).iter().find(|(key, _)| key.value.as_ref() == Some(&parameter.name));
        match bound {
            Some((_, field)) => bonds.extend(bond(parameter, field, source)),
            None => source.complain(declared.span, declared.text, unbound(parameter)),
        }
    }
    bonds
}

fn unbound(parameter: &Parameter) -> Complaint {
    let name = &parameter.name;
    let suggestion = match parameter.ctype {
        CType::Pointer { to: Pointee::Scalar(_), .. } => "\"out\"".to_owned(),
        CType::Pointer { is_const: false, .. } => "{ buffer = \"64KiB\" }".to_owned(),
        _ => format!("{{ query = \"{name}\" }}"),
    };
    let message = format!("the parameter `{name}` is bound to nothing");
    let mend = format!("say where it comes from: arguments = {{ {name} = {suggestion}, … }}");
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
            Some(Bond { parameter, role, default, span: field.span.clone() })
        }
        Err(complaint) => {
            source.complain(&field.span, "", complaint);
            None
        }
    }
}

/// The default beside a source, cut to the parameter's type.
fn default(
    binding: &Binding,
    role: &Role,
    source: &mut Source<'_>,
) -> Option<crate::ffi::value::Value> {
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
    Some(Input { parameter: bond.parameter.name.clone(), target, source, default: bond.default })
}

fn outputs(bonds: &[Bond<'_>]) -> Vec<String> {
    let outputs = bonds.iter().filter(|bond| matches!(bond.role, Role::Output(_)));
    outputs.map(|bond| bond.parameter.name.clone()).collect()
}

/// The slots in C order, once all are bound; checks what lengths measure.
fn slots(bonds: &[Bond<'_>], source: &mut Source<'_>) -> Vec<Slot> {
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
        Role::Input(slot, ..) | Role::Output(slot) => return Some(*slot),
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
