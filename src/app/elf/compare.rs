//! A prototype beside what a library's debug information declares: what differs, in words.

use super::types::{Declaration, Kind, Type};
use crate::ffi::prototype::{self, CType, Parameter, Pointee, Prototype, Put};
use crate::ffi::value::Scalar;
use crate::telemetry::log::counted;

/// Where they differ; empty where a call by the prototype is one that the function expects.
#[must_use]
pub fn differences(prototype: &Prototype, declared: &Declaration) -> Vec<String> {
    let mut differences = Vec::new();
    if declared.is_variadic {
        differences.push("in the file the function takes `...`: wrap it in a handler".to_owned());
    }
    let (written, found) = (prototype.parameters.len(), declared.parameters.len());
    if written != found {
        let found = counted(found, "parameter");
        differences.push(format!("in the file it has {found}, in the prototype {written}"));
    }
    let pairs = prototype.parameters.iter().zip(&declared.parameters).enumerate();
    for (index, (parameter, (name, found))) in pairs {
        if !fits(parameter, found) {
            let place = format!("parameter {} `{}`", index + 1, parameter.name);
            differences.push(difference(&place, &parameter.written, found, name.as_deref()));
        }
    }
    if !returns_fit(prototype, &declared.returns) {
        differences.push(difference("the return", &prototype.returned, &declared.returns, None));
    }
    differences
}

fn difference(place: &str, written: &str, found: &Type, name: Option<&str>) -> String {
    let known = name.filter(|name| !place.ends_with(&format!("`{name}`")));
    let name = known.map(|name| format!(" (`{}`)", name.escape_default())).unwrap_or_default();
    format!("{place}: the file says `{found}`{name}, the prototype says `{written}`")
}

/// A return type fits as a parameter of that type would.
fn returns_fit(prototype: &Prototype, found: &Type) -> bool {
    if *found.bare() == Type::Void || prototype.returned == "void" {
        return *found.bare() == Type::Unknown
            || (*found.bare() == Type::Void) == (prototype.returned == "void");
    }
    let as_parameter = prototype::parse(&format!("void f({} x)", prototype.returned));
    as_parameter.is_ok_and(|read| read.parameters.iter().all(|parameter| fits(parameter, found)))
}

fn fits(parameter: &Parameter, found: &Type) -> bool {
    match (parameter.ctype, found.bare()) {
        (_, Type::Unknown) => true,
        (CType::Scalar(scalar), found) => scalar_fits(scalar, &parameter.written, found),
        (CType::Pointer { to, .. }, Type::Pointer(target)) => {
            points_alike(to, &parameter.written, target)
        }
        (CType::Pointer { .. }, _) => false,
    }
}

fn points_alike(to: Pointee, written: &str, target: &Type) -> bool {
    match (to, target.bare()) {
        (Pointee::Void, _) | (_, Type::Void | Type::Unknown) => true,
        (Pointee::Text | Pointee::Bytes, Type::Number { bytes: 1, kind, .. }) => {
            *kind != Kind::Bool
        }
        (Pointee::Scalar(scalar), found) => scalar_fits(scalar, written, found),
        (Pointee::Opaque, _) => is_named(written, target),
        (Pointee::Pointer(Put::Text | Put::Bytes), Type::Pointer(target)) => {
            points_alike(Pointee::Bytes, written, target)
        }
        (Pointee::Pointer(_), Type::Pointer(_)) => true,
        _ => false,
    }
}

/// Whether the type goes by the name that was written, with or without its tag.
fn is_named(written: &str, target: &Type) -> bool {
    fn last(name: &str) -> &str {
        name.trim_end_matches(['*', ' ']).rsplit(' ').next().unwrap_or_default()
    }
    target.names().iter().any(|name| last(name) == last(written))
}

/// The same size, and the same meaning of its bits; the sign of an enum is the compiler's choice.
fn scalar_fits(scalar: Scalar, written: &str, found: &Type) -> bool {
    let (bytes, kind) = class(scalar);
    match found {
        Type::Number { bytes: found, kind: found_kind, .. } => {
            let is_enum = written.split(' ').any(|word| word == "enum");
            let is_whole = matches!(found_kind, Kind::Signed | Kind::Unsigned);
            *found == bytes && (*found_kind == kind || is_enum && is_whole)
        }
        Type::Enum { bytes: found, .. } => {
            *found == bytes && matches!(kind, Kind::Signed | Kind::Unsigned)
        }
        _ => false,
    }
}

fn class(scalar: Scalar) -> (u64, Kind) {
    match scalar {
        Scalar::Bool => (1, Kind::Bool),
        Scalar::I8 => (1, Kind::Signed),
        Scalar::I16 => (2, Kind::Signed),
        Scalar::I32 => (4, Kind::Signed),
        Scalar::I64 => (8, Kind::Signed),
        Scalar::U8 => (1, Kind::Unsigned),
        Scalar::U16 => (2, Kind::Unsigned),
        Scalar::U32 => (4, Kind::Unsigned),
        Scalar::U64 => (8, Kind::Unsigned),
        Scalar::F32 => (4, Kind::Float),
        Scalar::F64 => (8, Kind::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str, bytes: u64, kind: Kind) -> Type {
        Type::Number { name: name.into(), bytes, kind }
    }

    fn pointer(target: Type) -> Type {
        Type::Pointer(Box::new(target))
    }

    fn named(name: &str, target: Type) -> Type {
        Type::Named(name.into(), Box::new(target))
    }

    fn types() -> [Type; 9] {
        [
            number("int", 4, Kind::Signed),
            named("size_t", number("unsigned long", 8, Kind::Unsigned)),
            pointer(Type::Const(Box::new(number("char", 1, Kind::Signed)))),
            pointer(named("db_t", Type::Record("struct db".into()))),
            pointer(pointer(Type::Record("struct db".into()))),
            Type::Enum { name: "enum colour".into(), bytes: 4 },
            Type::Record("struct point".into()),
            pointer(Type::Function),
            pointer(number("double", 8, Kind::Float)),
        ]
    }

    #[test]
    fn what_fits_and_what_does_not() {
        let written = [
            ("int", "5----5---"),
            ("unsigned", "-----5---"),
            ("enum colour", "5----5---"),
            ("long", "---------"),
            ("size_t", "-5-------"),
            ("const char *", "--5------"),
            ("uint8_t *", "--5------"),
            ("void *", "--555--55"),
            ("struct db *", "---5-----"),
            ("db_t *", "---5-----"),
            ("struct cache *", "---------"),
            ("char **", "---------"),
            ("void **", "----5----"),
            ("struct db **", "----5----"),
            ("double *", "--------5"),
            ("float *", "---------"),
        ];
        for (written, expected) in written {
            let read = prototype::parse(&format!("{written} f({written} x)")).unwrap();
            for (found, expected) in types().into_iter().zip(expected.chars()) {
                let parameters = vec![(None, found.clone())];
                let declared =
                    Declaration { returns: found.clone(), parameters, is_variadic: false };
                let count = if expected == '5' { 0 } else { 2 };
                assert_eq!(differences(&read, &declared).len(), count, "{written} beside {found}");
            }
        }
    }

    #[test]
    fn a_difference_says_where_and_what() {
        let [int, .., double] = types();
        let declared = Declaration {
            returns: Type::Void,
            parameters: vec![
                (Some("w".into()), number("long", 8, Kind::Signed)),
                (Some("rate".into()), double),
            ],
            is_variadic: true,
        };
        let read = prototype::parse("int resize(int w, float *by, int more)").unwrap();
        assert_eq!(
            differences(&read, &declared),
            [
                "in the file the function takes `...`: wrap it in a handler",
                "in the file it has 2 parameters, in the prototype 3",
                "parameter 1 `w`: the file says `long`, the prototype says `int`",
                "parameter 2 `by`: the file says `double *` (`rate`), the prototype says `float *`",
                "the return: the file says `void`, the prototype says `int`",
            ]
        );
        let unknown = Declaration {
            returns: Type::Unknown,
            parameters: vec![(None, Type::Unknown), (None, Type::Unknown), (None, int)],
            is_variadic: false,
        };
        assert_eq!(differences(&read, &unknown), [""; 0]);
    }
}
