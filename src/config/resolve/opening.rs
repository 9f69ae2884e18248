//! `init`, `init_arguments` and `exit`: what makes the handle that calls are given, and what takes it back.

use super::bind::{Bond, Declared, arguments, bonds, declaration, slots};
use super::target::Role;
use super::{name, parsed};
use crate::config::function::Source as From;
use crate::config::raw::{self, Field};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::ffi::callee::Opening;
use crate::ffi::prototype::Prototype;
use crate::ffi::signature::{Return, Signature, Slot};
use crate::ffi::value::Value;

/// The prototype of `init` as it is understood, and how it is called; `None` without one, or after noting what is wrong.
pub(super) fn opening(raw: &raw::Function, source: &mut Source<'_>) -> Option<(String, Opening)> {
    let Some(field) = &raw.init else {
        without_init(raw, source);
        return None;
    };
    let exit = parsed(raw.exit.as_ref(), source, name::symbol);
    let prototype = prototype(field, source)?;
    let declared = Declared {
        text: field.value.as_deref().unwrap_or_default(),
        span: &field.span,
        arguments: arguments(raw.init_arguments.as_ref()),
        key: "init_arguments",
        prototype,
    };
    let bonds = bonds(&declared, source)?;
    let values = bonds.iter().map(|bond| value(bond, source)).collect::<Option<Vec<_>>>()?;
    let returns = declared.prototype.returns;
    if returns == Return::Text {
        let message = "a string is no handle";
        let mend =
            "declare it as void * or struct NAME *, or as int where 0 means that all is well";
        source.complain(&field.span, "", Complaint::new(message, mend));
    }
    let slots = slots(&bonds, source);
    let opening = Opening {
        symbol: declared.prototype.name.clone(),
        signature: Signature { returns, slots },
        values: values.into_iter().flatten().collect(),
        exit,
    };
    Some((declared.prototype.to_string(), opening))
}

fn without_init(raw: &raw::Function, source: &mut Source<'_>) {
    let orphans = [
        ("init_arguments", raw.init_arguments.as_ref().map(|field| &field.span)),
        ("exit", raw.exit.as_ref().map(|field| &field.span)),
    ];
    for (key, span) in orphans {
        if let Some(span) = span {
            let problem = Problem::at(span, format!("`{key}` goes with `init`"));
            source.wrong(problem.help("write what makes the handle: init = \"db_open\""));
        }
    }
}

/// A symbol alone stands for `void *SYMBOL(void)`.
fn prototype(field: &Field<String>, source: &mut Source<'_>) -> Option<Prototype> {
    let text = field.value.as_ref()?;
    if text.contains('(') {
        return declaration(field, source);
    }
    let symbol = parsed(Some(field), source, name::symbol)?;
    let (returns, returned) = (Return::Pointer, "void *".to_owned());
    let parameters = Vec::new();
    Some(Prototype { name: symbol, returns, returned, returns_bytes: true, parameters })
}

/// The constant that a parameter of `init` gets; `Some(None)`: it needs none.
fn value(bond: &Bond<'_>, source: &mut Source<'_>) -> Option<Option<Value>> {
    match &bond.role {
        Role::Input(_, _, From::Constant(value)) => Some(Some(value.clone())),
        Role::Given(Slot::HandleOut | Slot::Null) | Role::Length(..) => Some(None),
        _ => {
            let message = "`init` runs before any request: it has constants only";
            let mend = "write a number, { const = \"…\" }, \"null\", or \"handle\" for the pointer to \
                        where it puts the handle";
            source.complain(&bond.span, "", Complaint::new(message, mend));
            None
        }
    }
}

/// A handle needs somebody who makes it.
pub(super) fn handles(
    raw: &raw::Function,
    opening: Option<&Opening>,
    bonds: &[Bond<'_>],
    source: &mut Source<'_>,
) {
    let is_made = opening.map_or(raw.init.is_some(), Opening::makes_handle);
    for bond in bonds {
        let complaint = match bond.role {
            Role::Given(Slot::Handle) if !is_made => Complaint::new(
                "nothing makes this handle",
                "write what does: init = \"struct db *db_open(const char *path)\", with init_arguments",
            ),
            Role::Given(Slot::HandleOut) => Complaint::new(
                "only `init` puts a handle where a pointer says",
                "declare it as struct NAME * or void *, or bind it to \"null\"",
            ),
            _ => continue,
        };
        source.complain(&bond.span, "", complaint);
    }
}
