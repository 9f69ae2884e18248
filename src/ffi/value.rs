//! Values that cross between HTTP and C, and the C types they are cut to.

/// A C scalar by width and sign, as this machine's ABI has it (`long` is [`Scalar::I64`] on LP64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scalar {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

/// One value given to a function or taken from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// What a `void` function returns.
    Void,
    /// A null pointer.
    Null,
    /// `bool`.
    Bool(bool),
    /// Any signed integer.
    Int(i64),
    /// Any unsigned integer.
    Uint(u64),
    /// `float` or `double`.
    Float(f64),
    /// A string without its NUL, or a run of bytes.
    Bytes(Vec<u8>),
}
