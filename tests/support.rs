//! What the tests share.

pub mod clib;
