//! Foreign code: what a C prototype says, the values that cross, and loading and calling a library.
//! Only [`library`], [`invoke`], [`guard`], [`callable`] and [`abi`] hold `unsafe`; the rest is plain data that the proxy may use.

pub mod abi;
pub mod callable;
pub mod callee;
pub mod guard;
pub mod invoke;
pub mod library;
pub mod phases;
pub mod prototype;
pub mod request;
pub mod signature;
pub mod success;
pub mod traits;
pub mod value;
