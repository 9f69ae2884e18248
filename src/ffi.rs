//! Foreign code: what a C prototype says, the values that cross, and loading and calling a library.
//! Only [`library`], [`invoke`] and [`abi`] hold `unsafe`; the rest is plain data that the proxy may use.

pub mod abi;
pub mod invoke;
pub mod library;
pub mod prototype;
pub mod request;
pub mod signature;
pub mod value;
