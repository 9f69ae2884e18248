//! `min`, `max` and `max_length` of an argument: they go with what a request may choose, and its default lies within.

use super::target::{Role, constant};
use crate::config::function::{Bounds, Source as From, Target};
use crate::config::raw::{Argument, Binding, Field, Literal};
use crate::config::report::Problem;
use crate::config::source::{Complaint, Source};
use crate::ffi::signature::Slot;
use crate::ffi::value::Value;

/// The bounds beside a source.
pub(super) fn bounds(
    binding: &Binding,
    role: &Role,
    default: Option<&Value>,
    source: &mut Source<'_>,
) -> Bounds {
    let Binding::Table(table) = binding else { return Bounds::default() };
    let bounds = match role {
        Role::Input(_, Target::Scalar(_), from) if chosen(from) => {
            refuse_length(table, source);
            range(table, role, source)
        }
        Role::Input(_, Target::Text | Target::Bytes, from) if chosen(from) => {
            refuse_range(table, source);
            let length = table.max_length.as_ref().and_then(|field| field.value.as_ref());
            let length = length.map(|size| size.0).into_iter().chain(room(role)).min();
            Bounds { length, ..Bounds::default() }
        }
        _ => {
            refuse_range(table, source);
            refuse_length(table, source);
            Bounds::default()
        }
    };
    if let (Some(field), Some(Err(problem))) = (&table.default, default.map(|d| bounds.hold(d))) {
        let complaint = Complaint::new(format!("the default {problem}"), "write one that is");
        source.complain(&field.span, "", complaint);
    }
    bounds
}

/// What a buffer takes: a string needs its NUL.
fn room(role: &Role) -> Option<u64> {
    match role {
        Role::Input(Slot::Buffer { capacity, is_text, .. }, ..) => {
            Some(capacity - u64::from(*is_text))
        }
        _ => None,
    }
}

fn chosen(from: &From) -> bool {
    !matches!(from, From::Constant(_) | From::RequestId)
}

fn range(table: &Argument, role: &Role, source: &mut Source<'_>) -> Bounds {
    let Role::Input(_, target, _) = role else { return Bounds::default() };
    let mut bound = |field: &Option<Field<Literal>>| {
        let field = field.as_ref()?;
        match constant(field.value.as_ref()?, *target) {
            Ok(value) => Some(value),
            Err(complaint) => {
                source.complain(&field.span, "", complaint);
                None
            }
        }
    };
    let (least, most) = (bound(&table.min), bound(&table.max));
    let bounds = Bounds { least: least.clone(), most, length: None };
    if let (Some(least), Some(field)) = (least, &table.max)
        && bounds.hold(&least).is_err()
    {
        let problem = Problem::at(&field.span, "`max` is below `min`: no value would do");
        source.wrong(problem.help("write the least as min and the greatest as max"));
    }
    bounds
}

fn refuse_range(table: &Argument, source: &mut Source<'_>) {
    for (key, field) in [("min", &table.min), ("max", &table.max)] {
        if let Some(field) = field {
            let problem = Problem::at(&field.span, format!("`{key}` bounds a number of a request"));
            source.wrong(problem.help("remove it; a string has max_length"));
        }
    }
}

fn refuse_length(table: &Argument, source: &mut Source<'_>) {
    if let Some(field) = &table.max_length {
        let message = "`max_length` bounds a string or bytes of a request";
        source.wrong(Problem::at(&field.span, message).help("remove it; a number has min and max"));
    }
}
