//! A C type and a C function as debug information has them, and how they are written.

use std::fmt;

/// A type. What cannot be told is [`Type::Unknown`], and fits everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `void`.
    Void,
    /// A number.
    Number {
        /// `unsigned int`.
        name: String,
        /// Its size.
        bytes: u64,
        /// What its bits mean.
        kind: Kind,
    },
    /// `enum NAME`.
    Enum {
        /// With `enum` before it, if it has one.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// `struct NAME` or `union NAME`.
    Record(String),
    /// A pointer.
    Pointer(Box<Type>),
    /// A function: behind a pointer, a callback.
    Function,
    /// `typedef`.
    Named(String, Box<Type>),
    /// `const`.
    Const(Box<Type>),
    /// Something else.
    Unknown,
}

/// What a number's bits mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// What it returns.
    pub returns: Type,
    /// In C order; a name where there is one.
    pub parameters: Vec<(Option<String>, Type)>,
    /// It ends in `...`.
    pub is_variadic: bool,
}

impl Type {
    /// Without names and qualifiers.
    #[must_use]
    pub fn bare(&self) -> &Type {
        match self {
            Type::Named(_, inner) | Type::Const(inner) => inner.bare(),
            other => other,
        }
    }

    /// Every name that this type goes by.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Type::Named(name, inner) => [vec![name.as_str()], inner.names()].concat(),
            Type::Const(inner) => inner.names(),
            Type::Record(name) => vec![name],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Void => f.write_str("void"),
            Type::Number { name, .. } | Type::Enum { name, .. } | Type::Record(name) => {
                f.write_str(name)
            }
            Type::Named(name, _) => f.write_str(name),
            Type::Const(inner) if matches!(**inner, Type::Pointer(_)) => write!(f, "{inner}const"),
            Type::Const(inner) => write!(f, "const {inner}"),
            Type::Function => f.write_str("function"),
            Type::Pointer(inner) => match inner.to_string() {
                inner if inner.ends_with('*') => write!(f, "{inner}*"),
                inner => write!(f, "{inner} *"),
            },
            Type::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_in_c() {
        let char = || Type::Number { name: "char".into(), bytes: 1, kind: Kind::Signed };
        let pointer = |inner| Type::Pointer(Box::new(inner));
        let constant = |inner| Type::Const(Box::new(inner));
        for (declared, written) in [
            (pointer(constant(char())), "const char *"),
            (constant(pointer(char())), "char *const"),
            (pointer(pointer(Type::Record("struct db".into()))), "struct db **"),
            (pointer(Type::Void), "void *"),
            (Type::Named("size_t".into(), Box::new(Type::Unknown)), "size_t"),
        ] {
            assert_eq!(declared.to_string(), written);
        }
    }
}
